"""Every module notebook runs, with the assertions in it; every benchmark, small and rough; and the explorer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ENVIRONMENT, ROOT

NOTEBOOKS = [
    *sorted((ROOT / "nbs").glob("[0-9][0-9]_*.ipynb")),
    *sorted((ROOT / "nbs" / "benchmarks").glob("*.ipynb")),
    ROOT / "nbs" / "explorer.ipynb",
]


@pytest.fixture(scope="session")
def results():
    """All of them, two at a time: importing torch and fastai is most of the cost."""
    import re

    wanted = "|".join(re.escape(p.stem) for p in NOTEBOOKS)
    command = [str(Path(sys.executable).with_name("nbdev-test")), "--n-workers", "2", "--do-print", "--file-re", f"^({wanted})", "nbs"]
    environment = os.environ | ENVIRONMENT
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1500)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook(path, results):
    said = results.stdout + results.stderr
    assert f"{path.name}" in said, "it was not run"
    failed = said.split("Tests Failed On The Following Notebooks", 1)[1:]
    assert not failed or path.name not in failed[0], said[-6000:]


def test_all_of_them_passed(results):
    assert results.returncode == 0, (results.stdout + results.stderr)[-6000:]
