"""The explorer in JupyterLab, in a real browser: its widgets answer, its camera works, and nothing is fetched from
elsewhere."""

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import ENVIRONMENT, ROOT, WATCHDOG
from live.harness import HERE, PICTURES, browser, film, missing

pytestmark = pytest.mark.slow
TRUTH = {row["file"]: row["digits"] for row in csv.DictReader((PICTURES / "labels.csv").open())}
FILE, NUMBER = "house-06.jpg", "paper-24.jpg"  # what is uploaded, and what is held before the camera


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab of its own, with a copy of the explorer."""
    if why := missing():
        pytest.skip(f"The explorer is not tested in a browser: {why}")
    home = tmp_path_factory.mktemp("lab")
    (home / "notebooks").mkdir()
    shutil.copy(ROOT / "nbs" / "explorer.ipynb", home / "notebooks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    news = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text('{"fetchNews": "false", "checkForUpdates": false}')  # else it asks whether it may
    folders = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    folders |= {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }
    command = [
        str(Path(sys.executable).with_name("jupyter")),
        "lab",
        str(home / "notebooks"),
        "--no-browser",
        "--allow-root",
    ]
    command += [f"--port={port}", "--ip=127.0.0.1", "--ServerApp.port_retries=0", "--IdentityProvider.token="]
    with open(home / "log", "w") as log:
        server = subprocess.Popen(command, env=os.environ | ENVIRONMENT | folders, stdout=log, stderr=subprocess.STDOUT)
    try:
        address, patience = f"http://127.0.0.1:{port}/", time.monotonic() + WATCHDOG
        while not predict(f"{address}api/status"):
            assert server.poll() is None and time.monotonic() < patience, (home / "log").read_text()[-3000:]
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(WATCHDOG)


def predict(address):
    """Whether a server answers there."""
    try:
        with urllib.request.urlopen(address, timeout=WATCHDOG) as reply:
            return reply.status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def seen(lab, tmp_path_factory):
    """What a browser saw that used every widget."""
    shots = tmp_path_factory.mktemp("shots")
    told = {
        "address": lab,
        "browser": browser(),
        "photo": str(PICTURES / FILE),
        "film": str(film(shots / "film.mjpeg", NUMBER, 1, 0)),
    }
    told |= {"record": "laptop: sequence_strip, seed 0", "shots": os.environ.get("DIGITSTUDY_SHOTS", "")}
    done = subprocess.run(
        ["node", str(HERE / "explorer.mjs"), json.dumps(told)], capture_output=True, text=True, timeout=WATCHDOG
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_no_cell_fails_and_nothing_is_fetched_from_elsewhere(seen):
    failed = [
        text for text in seen["failed"] if not text.startswith("NOT THE WHOLE OF MNIST")
    ]  # which a machine without MNIST must say
    assert (failed, seen["elsewhere"]) == ([], [])


def test_the_next_example_a_knob_and_a_model_change_the_picture(seen):
    assert [seen[what] for what in ("next", "larger", "asked", "looks", "record")] == [True] * 5
    assert "read as" in seen["said"]


def test_a_recipe_that_cannot_be_says_what_to_do(seen):
    assert "enlarge it, or make the digits smaller" in seen["unfit"]


def test_worst_errors_are_read_live(seen):
    assert "of 50 are right" in seen["errors"]


def test_a_record_shows_the_measures_it_has(seen):
    assert "sequence accuracy" in seen["measures"] and "iou" not in seen["measures"]  # this one places nothing


def test_a_photo_is_read_from_a_file_and_from_the_camera(seen):
    assert f"Read as {TRUTH[FILE]}," in seen["file"] and f"Read as {TRUTH[NUMBER]}," in seen["camera"]
    assert seen["taken"] and seen["off"]


def test_a_refused_camera_says_what_to_do(seen):
    assert "allow it for this page" in seen["refused"]
