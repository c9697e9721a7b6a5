"""Make README.md from nbs/index.ipynb; with --check, only say whether it is so."""

import os
import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]


def readme() -> str:
    """The front page as Markdown: prose, shell lines, and the Markdown that its code cells have put out."""
    parts = []
    for cell in nbformat.read(ROOT / "nbs" / "index.ipynb", as_version=4).cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif cell.cell_type == "code":
            parts += ["".join(o.data["text/markdown"]) for o in cell.outputs if "text/markdown" in o.get("data", {})]
    return re.sub(r"\]\((?!https?:|#)([^)]+)\)", lambda link: f"]({from_root(link[1])})", "\n\n".join(parts)) + "\n"


def from_root(link: str) -> str:
    """A link of a notebook in nbs/ as the front page of the repository needs it."""
    return os.path.normpath(os.path.join("nbs", link))


if __name__ == "__main__":
    path, text = ROOT / "README.md", readme()
    if sys.argv[1:] == ["--check"]:
        if path.read_text() != text:
            sys.exit("README.md is not what nbs/index.ipynb says: run make readme.")
    else:
        path.write_text(text)
