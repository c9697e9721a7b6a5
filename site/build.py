"""Build the site from notebooks and reports: `python site/build.py`.

Module notebooks go through nbdev, which knows what is exported, documented or hidden; `convert.py` puts that in MyST's words, and Sphinx
renders it with the outputs that the notebooks hold. No notebook is executed. Pages are written to `site/_pages` only where they change, so
that Sphinx renders only those again.
"""

import argparse
import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from convert import Links, Missing, markdown, notebook_cells
from sphinx.cmd.build import build_main

SITE = Path(__file__).resolve().parent
PROFILES = ("laptop", "night", "hour", "full", "smoke")  # the first that has evidence is shown
GROUPS = {"study": "The study", "report": "Report", "modules": "How it is made", "benchmarks": "Benchmarks", "project": "The project"}
NOT_YET = "Not executed yet: this is the notebook alone."
PYTHON = {"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}, "language_info": {"name": "python"}}


@dataclass
class Page:
    "One page of the site."

    name: str  # where it goes, without the ending
    shown: Path  # the notebook or Markdown file it shows
    source: Path  # what that was made from: the same file, or the notebook before it was executed
    note: str = ""  # what a reader should know about where it comes from
    extra: str = ""  # Markdown for its end
    label: str = ""  # what the navigation calls it; its title, if empty
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


def executed(root: Path, experiment: str) -> tuple[Path, str] | None:
    "The executed notebook of an experiment and a note on it, from the first profile and seed that has one."
    for profile in PROFILES if experiment != "reader" else ("night", "hour", *PROFILES):
        runs = (root / "reports" / profile / "records" / experiment).glob("seed-*/notebook.ipynb")
        runs = [path for path in runs if path.parent.name.removeprefix("seed-").isdigit()]  # not those with parameters of their own
        if found := sorted(runs, key=lambda path: int(path.parent.name.split("-")[1])):
            return found[0], f"Executed with profile `{profile}` and {found[0].parent.name.replace('-', ' ')}."
    return None


def experiment_pages(root: Path) -> list[Page]:
    pages = []
    for source in sorted(root.glob("nbs/experiments/[0-9][0-9]_*.ipynb")):
        shown, note = executed(root, source.stem[3:]) or (source, NOT_YET)
        pages.append(Page(f"study/{source.stem[3:]}", shown, source, note))
    return pages


def benchmark_pages(root: Path) -> list[Page]:
    "Each benchmark as it was measured, if it was, else the notebook."
    pages = []
    for source in sorted(root.glob("nbs/benchmarks/*.ipynb")):
        measured = root / "reports/benchmarks" / source.stem / "notebook.ipynb"
        pages.append(Page(f"benchmarks/{source.stem}", measured if measured.is_file() else source, source))
    return pages


def report_pages(root: Path) -> list[Page]:
    "The report of each profile that has one; the smoke profile's only if it is alone."
    source, found = root / "nbs/report.ipynb", [p for p in PROFILES if (root / "reports" / p / "report.ipynb").is_file()]
    pages = []
    for profile in [p for p in found if p != "smoke"] or found:
        folder = root / "reports" / profile
        files = [f.relative_to(folder) for kind in ("tables", "figures") for f in sorted((folder / kind).glob("*.*"))]
        extra = "## Tables and figures as files\n\n" + "\n".join(f"- [{f}]({f})" for f in files) if files else ""
        pages.append(
            Page(f"report/{profile}", folder / "report.ipynb", source, f"Executed with profile `{profile}`.", extra, f"Profile {profile}")
        )
    return pages or [Page("report/report", source, source, NOT_YET)] * source.is_file()


def all_pages(root: Path) -> list[Page]:
    "The front page first, then each group in its order."
    front = next((root / name for name in ("nbs/index.ipynb", "README.md") if (root / name).is_file()), None)
    if front is None:
        raise Missing(f"There is neither nbs/index.ipynb nor README.md in {root}: the site needs a front page.")
    modules = sorted(root.glob("nbs/[0-9][0-9]_*.ipynb"))
    if not modules:
        raise Missing(f"There are no module notebooks nbs/NN_name.ipynb in {root}: name a checkout of digitstudy with --root.")
    pages = [Page("index", front, front)] + experiment_pages(root) + report_pages(root)
    pages += [Page(f"modules/{path.stem[3:]}", path, path) for path in modules] + benchmark_pages(root)
    return pages + [
        Page(f"project/{name.lower()}", path, path) for name in ("CHANGELOG", "CONTRIBUTING") if (path := root / f"{name}.md").is_file()
    ]


def navigation(pages: list[Page]) -> str:
    "The tables of contents of the front page, one a group."
    trees = []
    for group, caption in GROUPS.items():
        names = [f"{page.label} </{page.name}>" if page.label else f"/{page.name}" for page in pages if page.name.startswith(group + "/")]
        if names:
            trees.append(f":::{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(names) + "\n:::")
    return "\n\n".join(trees)


def write_page(page: Page, links: Links, folder: Folder):
    for cell in page.cells:
        if cell.cell_type == "markdown":
            cell.source = links.prose(page, cell.source)
        for output in cell.get("outputs", []):
            if text := output.get("data", {}).get("text/markdown"):
                output.data["text/markdown"] = links.prose(page, text)
    if page.shown.suffix == ".ipynb" and page.name != "index":
        page.cells.insert(1, markdown(links.origin(page)))
    if page.extra:
        page.cells.append(markdown(links.prose(page, page.extra)))
    if page.shown.suffix == ".md":
        return folder.write(f"{page.name}.md", "\n\n".join(cell.source for cell in page.cells).encode())
    for i, cell in enumerate(page.cells):
        cell.id = f"cell-{i}"  # the same each time
    folder.write(f"{page.name}.ipynb", nbformat.writes(nbformat.v4.new_notebook(cells=page.cells, metadata=PYTHON)).encode())


def write_pages(root: Path, folder: Folder):
    "Everything that Sphinx reads."
    pages = all_pages(root)
    links = Links(root, folder, pages)
    for page in pages:
        if not page.source.is_file():
            raise Missing(f"{page.shown.relative_to(root)} was made from {page.source.relative_to(root)}, which is not there.")
        if page.shown.suffix == ".ipynb":
            page.cells, names = notebook_cells(page.shown, page.source)
        else:
            page.cells, names = [markdown(page.shown.read_text())], {}
        links.names |= names | {(page.name, name): target for name, target in names.items()}
    pages[0].extra = navigation(pages)
    for page in pages:
        write_page(page, links, folder)
    folder.remove_others()


def fetched(html: Path) -> list[str]:
    "What a browser would ask another host for when it opens a page."
    found = set()
    for page in html.rglob("*.html"):
        for tag in re.findall(r"<(?:script|img|iframe|source|link|video|audio|object)\b[^>]*>", page.read_text()):
            found |= {f"{page.relative_to(html)}: {url}" for url in re.findall(r"""(?:src|href|data)=["']((?:https?:)?//[^"']+)""", tag)}
    return sorted(found)


def main():
    parser = argparse.ArgumentParser(description="Build the site from notebooks and reports; nothing is executed and nothing is fetched.")
    parser.add_argument("--root", type=Path, default=SITE.parent, help="the checkout to show")
    parser.add_argument("--out", type=Path, default=SITE, help="the folder in which _pages and _build/html are made")
    args = parser.parse_args()
    root, pages, build = args.root.resolve(), args.out.resolve() / "_pages", args.out.resolve() / "_build"
    os.chdir(root)  # nbdev looks for its settings here
    try:
        write_pages(root, Folder(pages))
    except Missing as e:
        sys.exit(f"The site was not built. {e}")
    settings = ["-b", "html", "-q", "-W", "--keep-going", "-c", str(SITE), "-d", str(build / "doctrees")]
    if build_main([*settings, str(pages), str(build / "html")]):
        shutil.rmtree(build / "doctrees", ignore_errors=True)  # so that the next build says it again
        sys.exit("The site has faults: see Sphinx's messages above.")
    if found := fetched(build / "html"):
        sys.exit("The site would fetch from other hosts:\n" + "\n".join(found))
    print(f"The site is in {build / 'html/index.html'}")


if __name__ == "__main__":
    main()
