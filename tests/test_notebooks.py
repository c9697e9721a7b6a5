"""Every module notebook runs, with the assertions in it; every benchmark, small and rough; and the explorer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ENVIRONMENT, ROOT

NOTEBOOKS = [
    *sorted((ROOT / "nbs").glob("*/[0-9][0-9]_*.ipynb")),
    *sorted((ROOT / "nbs" / "benchmarks").glob("*.ipynb")),
    ROOT / "nbs" / "architecture.ipynb",
    ROOT / "nbs" / "explorer.ipynb",
]


@pytest.fixture(scope="session")
def runner(tmp_path_factory):
    """A process that runs notebooks in forks of itself: torch and fastai are loaded once."""
    words = [sys.executable, Path(__file__).with_name("notebooks.py"), tmp_path_factory.mktemp("notebooks")]
    process = subprocess.Popen(
        words, env=os.environ | ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.stdin.close()
    process.wait()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_notebook(path, runner):
    print(path, file=runner.stdin, flush=True)
    answer = runner.stdout.readline()
    assert answer, "the process that runs notebooks has died"
    result = json.loads(answer)
    assert result["well"], Path(result["log"]).read_text()[-6000:]


def test_a_notebook_that_fails_is_told(runner, tmp_path):
    cell = {
        "cell_type": "code",
        "id": "a",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": ["assert 1 == 2"],
    }
    path = tmp_path / "wrong.ipynb"
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    print(path, file=runner.stdin, flush=True)
    result = json.loads(runner.stdout.readline())
    assert not result["well"] and "assert 1 == 2" in Path(result["log"]).read_text()
