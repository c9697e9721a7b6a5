"""From a notebook as nbdev knows it to cells that MyST understands: documentation, folded code, tidy outputs, links
between pages."""

import ast
import functools
import importlib
import json
import os
import re
from pathlib import Path
from urllib.parse import unquote

import nbdev.processors
import nbformat
from fastcore.docments import MarkdownRenderer
from fastcore.nbio import dict2nb
from nbdev.process import NBProcessor
from nbdev.processors import add_show_docs, clean_magics, hide_, hide_line, rm_header_dash

nbdev.processors.get_config = functools.cache(nbdev.processors.get_config)  # which parses pyproject.toml for every cell
EXPORTS = {"export", "exporti", "exports"}
WIDGET = "application/vnd.jupyter.widget-view+json"


class Missing(Exception):
    "Something that a page needs is not there; the message says what."


def markdown(text: str):
    return nbformat.v4.new_markdown_cell(text)


def exported_module(nb, path: Path):
    "The module that a notebook is exported to, if any."
    found = re.search(
        r"^#\|\s*default_exp\s+(\S+)", "\n".join(c.source for c in nb.cells if c.cell_type == "code"), re.MULTILINE
    )
    try:
        return importlib.import_module(f"digitstudy.{found[1]}") if found else None
    except ImportError as e:
        raise Missing(f"{path.name} documents digitstudy.{found[1]}, which cannot be imported ({e}).") from e


def documentation(call: str, module, level: int) -> tuple[str, str, str]:
    """Of a cell `show_doc(name)`: the name, the target of its documentation, and that: a heading, the signature, the
    docstring."""
    name = ast.unparse(ast.parse(call).body[0].value.args[0])
    try:
        symbol = eval(name, vars(module))
    except (NameError, AttributeError):
        raise Missing(f"{name} is not in {module.__name__}: export the notebooks.") from None
    text = MarkdownRenderer(symbol, maxline=90)._repr_markdown_()
    if isinstance(symbol, type):
        text = text.replace("def ", "class ", 1).replace(
            "*args, **kwargs", ", ".join(getattr(symbol, "_fields", ["..."])), 1
        )
    text = re.sub(r"functools\.partial\(<class '[\w.]*?(\w+)'>", r"partial(\1", text)  # as it is written
    target = f"{module.__name__}.{name}"
    return name, target, f"({target})=\n{'#' * level} `{name}`\n\n{text}"


def only_imports(code: str) -> bool:
    try:
        return all(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(code).body)
    except SyntaxError:
        return False  # IPython's magics


def tags(directives: dict[str, str]) -> set[str]:
    "What the directives of nbdev and Quarto on a cell are to MyST."
    removed = {
        tag for name, tag in (("echo", "remove-input"), ("output", "remove-output")) if directives.get(name) == "false"
    }
    return removed | ({"hide-input"} if (EXPORTS | {"code-fold"}) & directives.keys() else set())


@functools.cache
def drawn_by(name: str) -> str:
    "What a function of the package that draws says of itself, in its first sentence."
    for module in ("study.plots", "data.sequences", "study.report", "app.explore"):
        if drawing := getattr(importlib.import_module(f"digitstudy.{module}"), name, None):
            return drawing.__doc__.split(". ")[0].rstrip(".") + ". "
    return ""


def alternative(cell, prose: str) -> str:
    """For who cannot see a picture: its `fig-alt`; or what draws it, and the first sentence of the paragraph or heading
    before it."""
    if told := cell.directives_.get("fig-alt"):
        return told
    drawn = "".join(drawn_by(name) for name in dict.fromkeys(re.findall(r"\bshow_\w+", cell.source)))
    paragraph = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", prose.strip().split("\n\n")[-1])
    sentences, heading = (
        " ".join(re.sub(what, "", paragraph, flags=re.MULTILINE).split()) for what in (r"^#+ .*$|[>*`_]", r"[#>*`_]")
    )
    return drawn + re.split(r"(?<=[.:!?]) ", sentences or heading)[0].rstrip(":")


def code_cell(old, prose: str):
    """A code cell without widgets, which need scripts from elsewhere, and with what was left last of lines that were
    rewritten."""
    kept = ("cell_type", "source", "metadata", "outputs", "execution_count")
    cell = nbformat.from_dict(json.loads(json.dumps({k: old[k] for k in kept if k in old})))
    cell.metadata.tags = sorted({*cell.metadata.get("tags", []), *tags(old.directives_)})
    cell.metadata.mystnb = {"image": {"alt": alternative(old, prose)}}
    if only_imports(cell.source):
        cell.metadata.tags.append("hide-input")
        cell.metadata.mystnb |= {"code_prompt_show": "Imports", "code_prompt_hide": "Imports"}
    cell.outputs = [output for output in cell.get("outputs", []) if WIDGET not in output.get("data", {})]
    for output in cell.outputs:
        if output.output_type == "stream":
            output.text = "\n".join(line.rstrip("\r").split("\r")[-1] for line in output.text.split("\n"))
    return cell


def shown(cell) -> bool:
    "Whether anything of a code cell is for the reader."
    told = cell.directives_
    if not cell.source.strip() or "default_exp" in told or told.get("include") == "false":
        return False
    return not (EXPORTS & told.keys() and only_imports(cell.source))


def with_prose_of(nb, source: Path):
    "An executed notebook with the prose of the notebook that it was made from, where that has been revised since."
    said, now = ([c for c in book.cells if c.cell_type == "markdown"] for book in (nb, nbformat.read(source, 4)))
    if len(said) == len(now):
        for old, new in zip(said, now, strict=True):
            old.source = new.source
    return nb


def notebook_cells(path: Path, source: Path) -> tuple[list, dict[str, str]]:
    """The cells to show of a notebook, and the targets of the names that it documents. Code follows its documentation,
    folded."""
    nb = with_prose_of(nbformat.read(path, 4), source)
    module = exported_module(nb, path)
    processor = NBProcessor(
        nb=dict2nb(json.loads(nbformat.writes(nb))),
        procs=[add_show_docs, hide_line, rm_header_dash, clean_magics, hide_],
    )
    processor.process()
    cells, targets, place, level, prose = [], {}, 0, 1, ""
    for old in processor.nb.cells:
        if old.cell_type == "markdown":
            prose = re.sub(
                r"^:::+ *\{\.callout-(\w+).*?\}", r":::{\1}", old.source, flags=re.MULTILINE
            )  # Quarto's to MyST's
            if headings := re.findall(r"^(#+) ", re.sub(r"```.*?```", "", prose, flags=re.DOTALL), re.MULTILINE):
                level = len(headings[-1])
            cells.append(markdown(prose))
        elif old.cell_type == "code" and old.source.startswith("show_doc("):
            name, targets[name], text = documentation(old.source, module, level + 1)
            cells.insert(
                place if getattr(old, "has_sd", False) else len(cells), markdown(text)
            )  # nbdev adds its own after the code, the last first
        elif old.cell_type == "code":
            place = len(cells)
            if shown(old):
                cells.append(code_cell(old, prose))
        if old.cell_type == "markdown":
            place = len(cells)
    return cells, targets


def download(text: str, path: str) -> str:
    return f"{{download}}`{text.replace('`', '')} <{path}>`"


class Links:
    """Links between files of the repository become links between pages, and names of the package links to their
    documentation."""

    def __init__(self, root: Path, folder, pages: list):
        self.root, self.folder, self.names = root, folder, {}  # names: (page, name) or name -> target
        self.places = {path: page.name for page in reversed(pages) for path in (page.source, page.shown)}

    def file(self, path: Path) -> str:
        "A copy of a repository file."
        self.folder.write(f"files/{path.relative_to(self.root)}", path.read_bytes())
        return f"/files/{path.relative_to(self.root)}"

    def to(self, page, text: str, link: str, image: bool = False) -> str:
        "A link, as the site needs it; a folder has nothing to link to."
        written = f"{'!' * image}[{text}]({{}})"
        if re.match(r"(?!source:)[a-z]+:|#|/", link):
            return written.format(link)
        if link == "live":  # not a page of Sphinx's
            return f'<a href="{"../" * page.name.count("/")}live/index.html">{text}</a>'
        if (
            link.startswith("source:") and (path := self.root / link.removeprefix("source:")).is_file()
        ):  # itself, not the page that shows it
            return download(text, self.file(path))
        name, _, anchor = unquote(link).partition("#")
        for start in (page.shown, page.source):
            path = Path(os.path.normpath(start.parent / name))
            path = (
                path.with_name("report.ipynb") if path.with_name("report.ipynb") in self.places else path
            )  # README.md shows the same
            if path in self.places:
                return written.format(f"/{self.places[path]}{path.suffix}" + (f"#{anchor}" if anchor else ""))
            if path.is_dir():
                return text
            if path.is_file() and path.is_relative_to(self.root):
                return written.format(self.file(path)) if image else download(text, self.file(path))
        raise Missing(f"{page.shown.relative_to(self.root)} links to {link}, which is not in the repository.")

    def name(self, page, name: str) -> str:
        owner = name.split(".")[0]  # a method is documented with its class
        target = next(
            (self.names[key] for key in ((page.name, name), name, (page.name, owner), owner) if key in self.names), None
        )
        return f"[`{name}`](#{target})" if target else f"`{name}`"

    def prose(self, page, text: str) -> str:
        "`text` with its links turned; code blocks, headings and targets stay as they are."
        parts = re.split(
            r"(^```.*?^```|^:::\{toctree.*?^:::|^#[^\n]*$|^\([^\n]*\)=$)", text, flags=re.DOTALL | re.MULTILINE
        )
        for i in range(0, len(parts), 2):
            part = re.sub(r"!\[([^]]*)\]\(([^)\s]+)\)", lambda m: self.to(page, m[1], m[2], image=True), parts[i])
            part = re.sub(
                r"(?<!!)\[((?:[^][]|!\[[^]]*\]\([^)]*\))*)\]\(([^)\s]+)\)", lambda m: self.to(page, m[1], m[2]), part
            )
            parts[i] = re.sub(r"(?<![\[`\w}])`([A-Za-z_][\w.]*)`(?![\]`])", lambda m: self.name(page, m[1]), part)
        return "".join(parts)

    def origin(self, page) -> str:
        "The line that says where a page comes from."
        paths = [page.source] + [page.shown] * (page.shown != page.source)
        made = " → ".join(download(str(path.relative_to(self.root)), self.file(path)) for path in paths)
        return f":::{{container}} origin\nNotebook: {made}. {page.note}\n:::"
