"""The pages of the site: which there are, what they show, and how they hang together."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import jinja2
import nbformat
from convert import Links, Missing, markdown, notebook_cells
from evidence import PROFILES, Evidence

UNDER = {
    "story": "study/",
    "reports": "report/",
    "benchmarks": "benchmarks/",
    "reference": "modules/",
}  # a page and those below it
GROUPS = {
    "The study": ("story", "reports", "benchmarks", "method"),
    "How to": (
        "howto/explore",
        "howto/run",
        "howto/add",
        "howto/gpu",
        "howto/cluster",
        "howto/scale",
        "howto/images",
        "howto/train",
    ),
    "Reference": ("reference",),
    "The project": ("project/",),
}
WINGS = ("core", "data", "synth", "training", "reader", "recognition", "study", "app")  # as nbs/architecture.ipynb
NOT_YET = "Not executed yet: this is the notebook alone."
PYTHON = {
    "kernelspec": {"name": "python3", "display_name": "python3", "language": "python"},
    "language_info": {"name": "python"},
}


@dataclass
class Page:
    "One page of the site."

    name: str  # where it goes, without the ending
    shown: Path  # the notebook or Markdown file it shows
    source: Path  # what that was made from: the same file, or the notebook before it was executed
    note: str = ""  # what a reader should know about where it comes from
    extra: str = ""  # Markdown for its end
    label: str = ""  # what the navigation calls it; its title, if empty
    hidden: bool = False  # whether its code is
    cells: list = field(default_factory=list)


class Folder:
    "What Sphinx reads. A file that is the same already is not written, one that is not asked for any more is removed."

    def __init__(self, path: Path):
        self.path, self.written = path, set()

    def write(self, name: str, content: bytes):
        path = self.path / name
        self.written.add(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)

    def remove_others(self):
        for path in self.path.rglob("*"):
            if path.is_file() and path not in self.written:
                path.unlink()


class Site:
    "The pages of the checkout `root`."

    wings = WINGS

    def __init__(self, root: Path):
        self.root, self.evidence = root, Evidence(root)

    def executed(self, experiment: str) -> tuple[Path, str] | None:
        "The executed notebook of an experiment and a note on it, from the first profile and seed that has one."
        for profile in PROFILES:
            runs = (self.root / "reports" / profile / "records" / experiment).glob("seed-*/notebook.ipynb")
            runs = [
                path for path in runs if path.parent.name.removeprefix("seed-").isdigit()
            ]  # not those with parameters of their own
            if found := sorted(runs, key=lambda path: int(path.parent.name.split("-")[1])):
                return found[0], f"Executed with profile `{profile}` and {found[0].parent.name.replace('-', ' ')}."
        return None

    def experiments(self) -> list[Page]:
        pages = []
        for source in sorted(self.root.glob("nbs/experiments/*/[0-9][0-9]_*.ipynb")):
            shown, note = self.executed(source.stem[3:]) or (source, NOT_YET)
            pages.append(Page(f"study/{source.stem[3:]}", shown, source, note))
        return pages

    def benchmarks(self) -> list[Page]:
        "Each benchmark as it was measured, if it was, else the notebook."
        pages = []
        for source in sorted(self.root.glob("nbs/benchmarks/*.ipynb")):
            measured = self.root / "reports/benchmarks" / source.stem / "notebook.ipynb"
            pages.append(Page(f"benchmarks/{source.stem}", measured if measured.is_file() else source, source))
        return pages

    def reports(self) -> list[Page]:
        "The report of each profile that has one; the smoke profile's only if it is alone."
        source = self.root / "nbs/report.ipynb"
        found = [p for p in PROFILES if (self.root / "reports" / p / "report.ipynb").is_file()]
        pages = []
        for profile in [p for p in found if p != "smoke"] or found:
            folder = self.root / "reports" / profile
            files = [
                f.relative_to(folder) for kind in ("tables", "figures") for f in sorted((folder / kind).glob("*.*"))
            ]
            extra = "## Tables and figures as files\n\n" + "\n".join(f"- [{f}]({f})" for f in files) if files else ""
            note = f"Executed with profile `{profile}`."
            pages.append(
                Page(
                    f"report/{profile}", folder / "report.ipynb", source, note, extra, f"Profile {profile}", hidden=True
                )
            )
        return pages or [Page("report/report", source, source, NOT_YET)] * source.is_file()

    @cached_property
    def pages(self) -> list[Page]:
        "All of them, the front page first."
        front = self.root / "nbs/index.ipynb"
        modules = [path for wing in WINGS for path in sorted((self.root / "nbs" / wing).glob("[0-9][0-9]_*.ipynb"))]
        if not front.is_file() or not modules:
            raise Missing(
                f"There is no front page or no module notebook in {self.root}: "
                "name a checkout of digitstudy with --root."
            )
        written = sorted(path for path in self.root.glob("site/pages/**/*.md") if path.stem != "front")
        explorer, architecture = (self.root / f"nbs/{name}.ipynb" for name in ("explorer", "architecture"))
        return [
            Page("index", front, front),
            Page("howto/explore", explorer, explorer),
            *(Page(str(path.relative_to(self.root / "site/pages").with_suffix("")), path, path) for path in written),
            *self.experiments(),
            *self.reports(),
            *(Page(f"modules/{path.parent.name}/{path.stem[3:]}", path, path) for path in modules),
            *self.benchmarks(),
            Page("project/architecture", architecture, architecture),
            *(Page(f"project/{path.stem.lower()}", path, path) for path in sorted(self.root.glob("C*.md"))),
        ]  # fmt: skip

    def contents(self, names: tuple[str, ...], caption: str = "") -> str:
        "A table of contents of the pages with these names, or below these folders."
        pages = [
            page
            for name in names
            for page in self.pages
            if page.name == name or (name.endswith("/") and page.name.startswith(name))
        ]
        lines = [f"{page.label} </{page.name}>" if page.label else f"/{page.name}" for page in pages]
        return ":::{toctree}\n:hidden:\n" + f":caption: {caption}\n" * bool(caption) + "\n" + "\n".join(lines) + "\n:::"

    def filled(self, path: Path) -> str:
        "A page of `site/pages` with its numbers."
        try:
            template = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True).from_string(
                path.read_text()
            )
            return template.render(
                site=self,
                e=self.evidence,
                **{name: getattr(self.evidence, name) for name in dir(self.evidence) if name[0] != "_"},
            )
        except jinja2.TemplateError as problem:
            raise Missing(f"{path.name}: {problem}") from None

    def summaries(self, folder: str) -> str:
        "A list of the pages below a folder, each with the sentence below its title."
        lines = []
        for page in (page for page in self.pages if page.name.startswith(folder)):
            title, said = re.match(r"# (.+?)\n+> (.+?)(\n|$)", nbformat.read(page.source, 4).cells[0].source).groups()[
                :2
            ]
            lines.append(f"- [{page.label or title}](/{page.name}.ipynb): {said}")
        return "\n".join(lines)

    def write_page(self, page: Page, links, folder: Folder):
        for cell in page.cells:
            if cell.cell_type == "markdown":
                cell.source = links.prose(page, cell.source)
            elif page.hidden:
                cell.metadata.tags = ["remove-input"]
            for output in cell.get("outputs", []):
                if text := output.get("data", {}).get("text/markdown"):
                    output.data["text/markdown"] = links.prose(page, text)
        if page.name == "index":
            front = self.root / "site/pages/front.md"
            first = next(
                i for i, cell in enumerate(page.cells) if cell.cell_type == "markdown" and cell.source.startswith("## ")
            )
            page.cells.insert(first, markdown(links.prose(Page("index", front, front), self.filled(front))))
        elif page.shown.suffix == ".ipynb":
            page.cells.insert(1, markdown(links.origin(page)))
        if page.extra:
            page.cells.append(markdown(links.prose(page, page.extra)))
        if page.shown.suffix == ".md":
            return folder.write(f"{page.name}.md", "\n\n".join(cell.source for cell in page.cells).encode())
        for i, cell in enumerate(page.cells):
            cell.id = f"cell-{i}"  # the same each time
        folder.write(
            f"{page.name}.ipynb", nbformat.writes(nbformat.v4.new_notebook(cells=page.cells, metadata=PYTHON)).encode()
        )

    def write(self, folder: Folder):
        "Everything that Sphinx reads."
        links = Links(self.root, folder, self.pages)
        for page in self.pages:
            names = {}
            if page.shown.suffix == ".ipynb":
                page.cells, names = notebook_cells(page.shown, page.source)
            else:
                page.cells = [
                    markdown(
                        self.filled(page.shown)
                        if page.shown.is_relative_to(self.root / "site/pages")
                        else page.shown.read_text()
                    )
                ]
            links.names |= names | {(page.name, name): target for name, target in names.items()}
            if page.name in UNDER:
                page.extra = self.contents((UNDER[page.name],))
        self.pages[0].extra = "\n\n".join(self.contents(names, caption) for caption, names in GROUPS.items())
        for page in self.pages:
            self.write_page(page, links, folder)
        folder.remove_others()
