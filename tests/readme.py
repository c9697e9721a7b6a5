"""Run nbs/index.ipynb and make README.md of it; with --check, only say whether both are what the committed records make
them."""

import base64
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from execnb.shell import CaptureShell
from nbdev.clean import nbdev_clean

ROOT = Path(__file__).resolve().parents[1]
INDEX, PICTURE, README = ROOT / "nbs" / "index.ipynb", ROOT / "nbs" / "index.png", ROOT / "README.md"


def run(notebook: Path):
    """The front page with the outputs that it has now, written to `notebook`."""
    CaptureShell(INDEX.parent, mpl_format=None).execute(INDEX, notebook, exc_stop=True)


def outputs(notebook: Path, kind: str) -> list[tuple[str, str]]:
    """What its cells have put out of one MIME type, each with the cell's source."""
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    return [
        (cell.source, "".join(out.data[kind])) for cell in cells for out in cell.outputs if kind in out.get("data", {})
    ]


def picture(notebook: Path) -> bytes:
    """The picture of the front page, as PNG."""
    (_, png), *others = outputs(notebook, "image/png")
    assert not others, "README.md shows one picture"
    return base64.b64decode(png)


def readme(notebook: Path) -> str:
    """The front page as Markdown: prose, shell lines, the picture as a file, and the Markdown that its code cells have
    put out."""
    parts = []
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        if said := [out.text for out in cell.outputs if out.output_type == "stream"]:
            sys.exit(f"The front page would show {said[0]!r}: change the cell that prints it.")
        for data in (out.data for out in cell.outputs):
            if "image/png" in data:
                parts.append(f"![{re.search(r'fig-alt: (.+)', cell.source)[1]}]({PICTURE.name})")
            elif "text/markdown" in data:
                parts.append("".join(data["text/markdown"]))
    return re.sub(r"\]\((?!https?:|#)([^)]+)\)", lambda link: f"]({from_root(link[1])})", "\n\n".join(parts)) + "\n"


def from_root(link: str) -> str:
    """A link of a notebook in nbs/ as the front page of the repository needs it."""
    return os.path.normpath(os.path.join("nbs", link))


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        with tempfile.TemporaryDirectory() as folder:
            run(now := Path(folder) / "index.ipynb")
            if (
                readme(now) != readme(INDEX)
                or readme(INDEX) != README.read_text()
                or picture(INDEX) != PICTURE.read_bytes()
            ):
                sys.exit("README.md or nbs/index.ipynb is not what the committed records make it: run make readme.")
    else:
        run(INDEX)
        nbdev_clean(INDEX)
        README.write_text(readme(INDEX))
        PICTURE.write_bytes(picture(INDEX))
