"""The light install: what `pip install digitstudy` alone brings reads pictures, measures, and serves the page."""

import csv
import os
import re
import subprocess
import sys
import time
import urllib.request

import pytest
from conftest import ROOT, WATCHDOG

PICTURES = ROOT / "tests" / "pictures"
HEAVY = ("torch", "fastai", "pandas", "matplotlib", "scipy", "papermill", "IPython", "sklearn", "pyarrow")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A virtual environment with the base alone, outside any checkout."""
    home = tmp_path_factory.mktemp("light")
    subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True, timeout=WATCHDOG)
    source = home / "source"  # a build leaves files beside what it builds
    source.mkdir()
    for name in ("digitstudy", "pyproject.toml", "README.md", "LICENSE"):
        subprocess.run(["cp", "-r", ROOT / name, source], check=True)
    words = [home / "venv/bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", source]
    made = subprocess.run(words, capture_output=True, text=True, timeout=WATCHDOG)
    if made.returncode and re.search(
        "No matching distribution|Could not find a version|NewConnectionError", made.stderr
    ):
        pytest.skip("THE LIGHT INSTALL IS NOT TESTED: packages cannot be fetched here")
    assert made.returncode == 0, made.stderr
    return home


def call(home, *words):
    """`digitstudy WORDS` of the light install, from a folder that is no checkout."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("DIGITSTUDY", "PYTHON"))}
    command = [home / "venv/bin/digitstudy", *map(str, words)]
    return subprocess.run(command, cwd=home, env=outside, capture_output=True, text=True, timeout=WATCHDOG)


def test_it_is_small_and_has_nothing_to_train_with(home):
    (packages,) = (home / "venv/lib").glob("python*/site-packages")
    size = sum(f.stat().st_size for f in packages.rglob("*") if f.is_file() and not f.is_symlink())
    assert size < 300e6, f"{size / 1e6:.0f} MB"
    assert [name for name in HEAVY if (packages / name).exists()] == []


def test_it_reads_pictures(home):
    process = call(home, "read", PICTURES / "canvas-00.png", "--csv")
    assert process.returncode == 0, process.stderr
    labels = {row["file"]: row["digits"] for row in csv.DictReader((PICTURES / "labels.csv").open())}
    assert f",{labels['canvas-00.png']}," in process.stdout


def test_it_measures(home):
    table = home / "labels.csv"
    table.write_text("".join((PICTURES / "labels.csv").read_text().splitlines(keepends=True)[:6]))
    process = call(home, "evaluate", "--images", PICTURES, "--labels", table)
    assert process.returncode == 0 and "images: 5" in process.stdout and "mean_iou" in process.stdout, process.stderr


def test_it_serves_the_page(home):
    words = [home / "venv/bin/digitstudy", "live", "--port", "0", "--no-browser"]
    server = subprocess.Popen(words, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said, end = "", time.monotonic() + WATCHDOG
        while (
            not (found := re.search(r"http://[\w.]+:\d+/?", said)) and server.poll() is None and time.monotonic() < end
        ):
            said += server.stdout.readline()
        if found is None and "cannot be" in said:
            pytest.skip(f"THE PAGE IS NOT SERVED FROM THE LIGHT INSTALL: {said.strip()}")
        assert found, said + server.stdout.read()
        with urllib.request.urlopen(found[0], timeout=WATCHDOG) as page:
            assert b"<html" in page.read().lower()
    finally:
        server.terminate()
        server.wait(WATCHDOG)


@pytest.mark.parametrize("command, extra", [("study", "batch"), ("run weighted_loss", "batch"), ("list", "study")])
def test_what_it_lacks_is_named_in_one_sentence(home, command, extra):
    process = call(home, *command.split())
    assert process.returncode == 1 and "Traceback" not in process.stderr
    assert f"pip install 'digitstudy[{extra}]'" in process.stderr.splitlines()[-1]


def test_reading_loads_nothing_heavy():
    code = f"import sys, digitstudy.reader, digitstudy.reader.evaluate; print([m for m in {HEAVY} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
