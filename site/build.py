"""Build the site from notebooks, reports and pages: `python site/build.py`.

Module notebooks go through nbdev, which knows what is exported, documented or hidden; `convert.py` puts that in
MyST's words. The prose of
`site/pages` takes its numbers from the committed records (`evidence.py`). Sphinx renders both with the outputs that
the notebooks hold, and
`check.py` looks at the result. No notebook is executed. If nothing has changed, nothing is done; else pages are
written to `site/_pages`
only where they change, so that Sphinx renders only those again.
"""

import argparse
import hashlib
import os
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

SITE = Path(__file__).resolve().parent
READS = (
    "nbs/**/*.ipynb",
    "digitstudy/**/*",
    "reports/**/*",
    "data/*.csv",
    "site/*.py",
    "site/pages/**/*.md",
    "site/static/*",
    "*.md",
    "*.ini",
)
RENDERERS = ("sphinx", "myst-nb", "sphinx-book-theme", "nbdev")


def state(root: Path) -> str:
    "A hash of everything that the site is made from."
    whole = hashlib.sha256(" ".join(f"{name} {version(name)}" for name in RENDERERS).encode())
    for path in sorted({path for pattern in READS for path in root.glob(pattern)} | set(SITE.glob("*.py"))):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".pt", ".partial"):
            whole.update(f"{path}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def add_live_page(folder: Path) -> bool:
    """Write the live page; whether it is complete. Its runtime is brought by npm once, and where it cannot be had the
    page itself says so."""
    from digitstudy.app.webpage import runtime, write_page
    from digitstudy.core.config import StudyError

    try:
        files = runtime()
    except StudyError as problem:
        print(problem, file=sys.stderr)
        files = {}
    write_page(folder, files, home="../index.html")
    return bool(files)


def main():
    parser = argparse.ArgumentParser(
        description="Build the site from notebooks, reports and pages; nothing is executed and nothing is fetched."
    )
    parser.add_argument("--root", type=Path, default=SITE.parent, help="the checkout to show")
    parser.add_argument("--out", type=Path, default=SITE, help="the folder in which _pages and _build/html are made")
    args = parser.parse_args()
    root, pages, build = args.root.resolve(), args.out.resolve() / "_pages", args.out.resolve() / "_build"
    html, stamp, now = build / "html", build / "made_from.txt", state(root)
    if stamp.is_file() and stamp.read_text() == now and (html / "index.html").is_file():
        return print(f"The site is in {html / 'index.html'}, and nothing has changed.")
    stamp.unlink(missing_ok=True)
    os.chdir(root)  # nbdev and the study look for their settings here
    from check import Built
    from content import Folder, Missing, Site  # with torch, which a site that has not changed need not wait for
    from sphinx.cmd.build import build_main

    try:
        Site(root).write(Folder(pages))
    except Missing as problem:
        sys.exit(f"The site was not built. {problem}")
    settings = ["-b", "html", "-q", "-W", "--keep-going", "-c", str(SITE), "-d", str(build / "doctrees")]
    if build_main([*settings, str(pages), str(html)]):
        shutil.rmtree(build / "doctrees", ignore_errors=True)  # so that the next build says it again
        sys.exit("The site has faults: see Sphinx's messages above.")
    complete = add_live_page(html / "live")
    if faults := Built(html).faults():
        sys.exit("The site has faults:\n" + "\n".join(faults))
    if complete:
        stamp.write_text(now)
    print(f"The site is in {html / 'index.html'}")


if __name__ == "__main__":
    main()
