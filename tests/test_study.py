"""The study end to end, as its user runs it: smoke-sized, but through papermill and the report."""

import json
import os
import shutil
import subprocess
import time

import pandas as pd
import pytest
from conftest import COMMAND, ENVIRONMENT, FEW, ROOT, WATCHDOG, digitstudy, sentence, tiny

EXPERIMENTS = [p.stem[3:] for p in sorted((ROOT / "nbs" / "experiments").rglob("*.ipynb"))]


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_each_experiment_leaves_a_whole_record(smoke, experiment):
    folder = smoke[0] / "smoke" / "records" / experiment / "seed-0"
    assert {p.name for p in folder.iterdir()} >= {
        "record.json",
        "notebook.ipynb",
        "curve.csv",
        "examples.png",
        "model.pt",
    }
    record = json.loads((folder / "record.json").read_text())
    held_out = {"test", "five", "paper", "house"}
    splits = {
        "reader": held_out,
        "reader_two_looks": {"test", "one_look"},
        "reader_longer": held_out | {f"{name}, before" for name in held_out},
        "reader_near": held_out | {f"{name}, before" for name in held_out},
        "reader_close": held_out | {f"{name}, before" for name in held_out},
        "reader_committee": held_out | {f"{name}, before" for name in held_out},
        "reader_signs": held_out | {"words", "words, before"},
        "reader_fonts": held_out | {"words", "words, before", "house, before"},
    }
    assert set(record["scores"]) - {"photos", "photos, before"} == splits.get(experiment, {"train", "valid", "test"})
    assert record["cost"]["examples"] > 0 and record["cost"]["seconds_training"] > 0
    assert record["fingerprint"]["definitions"]
    notebook = (folder / "notebook.ipynb").read_text()
    assert str(ROOT) not in notebook and str(smoke[0]) not in notebook, (
        "folders of this machine do not belong in evidence"
    )


def test_a_training_in_two_parts_has_one_curve(few):
    curve = pd.read_csv(few[0] / "smoke" / "records" / "svhn_transfer" / "seed-0" / "curve.csv").query(
        "split == 'test'"
    )
    assert curve.epoch.tolist() == [1, 2, 3]
    assert curve.localization_error.isna().tolist() == [True, True, False], "the box head comes with the second part"


@pytest.mark.slow
def test_every_table_says_on_which_data(smoke):
    tables = smoke[0] / "smoke" / "tables"
    summary = pd.read_csv(tables / "summary.csv").set_index("experiment")["ours is on"]
    assert set(summary.filter(like="svhn")) <= {"rendered house numbers", "SVHN"}
    assert not summary.drop(summary.filter(like="svhn").index).str.contains("house|SVHN").any()
    assert set(pd.read_csv(tables / "svhn.csv")["ours is on"]) == set(summary.filter(like="svhn"))


@pytest.mark.slow
def test_the_report_shows_every_experiment_and_judges_none_at_this_size(smoke):
    place = smoke[0] / "smoke"
    summary = pd.read_csv(place / "tables" / "summary.csv")
    diary = set(pd.read_csv(ROOT / "data" / "published_2017.csv").experiment)
    assert summary.experiment.tolist() == [e for e in EXPERIMENTS if e in diary]
    ideas = pd.read_csv(place / "tables" / "ideas.csv").experiment.tolist()
    assert ideas == ["variable_length"] + [e for e in EXPERIMENTS if e not in diary and not e.startswith("reader")]
    claims = pd.read_csv(place / "tables" / "claims.csv")
    assert set(claims.verdict) == {"cannot be judged at this size"}
    page = (place / "README.md").read_text()
    for picture in [line.split("](")[1].strip("<>) ") for line in page.splitlines() if line.startswith("![")]:
        assert (place / picture.rstrip(">)")).exists(), picture
    for table in ("summary", "claims", "strips", "canvas", "canvas_variable", "svhn", "svhn_extra", "averages", "cost"):
        assert all((place / "tables" / f"{table}.{kind}").stat().st_size for kind in ("csv", "md", "html"))
    assert (place / "figures" / "sequence_accuracy.svg").exists() and (place / "report.ipynb").exists()


def test_a_second_call_does_nothing(few):
    again = digitstudy("study", "--only", ",".join(FEW), "--output", few[0])
    assert again.returncode == 0
    assert f"0 runs to do, {len(FEW)} have a current record" in again.stderr and "Nothing to do" in again.stderr


def test_dates_mean_nothing_and_a_missing_report_is_made_without_a_run(few, tmp_path):
    reports = tmp_path / "reports"
    shutil.copytree(few[0], reports)
    for path in reports.rglob("record.json"):
        os.utime(path)  # younger than the report, as after a clone
    same = digitstudy("study", "--only", ",".join(FEW), "--output", reports)
    assert same.returncode == 0 and "Nothing to do" in same.stderr
    page = reports / "smoke" / "README.md"
    page.unlink()
    again = digitstudy("study", "--only", ",".join(FEW), "--output", reports)
    assert again.returncode == 0 and "0 runs to do" in again.stderr and "The report" in again.stderr
    assert page.read_text() == (few[0] / "smoke" / "README.md").read_text()


def test_a_changed_notebook_is_run_again_and_nothing_else(few, tmp_path):
    home = checkout(tmp_path)
    reports = tmp_path / "reports"
    shutil.copytree(few[0], reports)
    path = home / "nbs" / "experiments" / "diary" / "05_weighted_loss.ipynb"
    path.write_text(path.read_text().replace("box_gain = 30.0", "box_gain = 10.0"))
    plan = digitstudy("study", "--only", ",".join(FEW), "--output", reports, "--dry-run", env={"DIGITSTUDY_HOME": home})
    assert f"1 runs to do, {len(FEW) - 1} have a current record" in plan.stderr
    assert "weighted_loss, seed 0: changed since its record: box_gain was 30.0, is 10.0" in plan.stderr


def checkout(folder, keep=None):
    """A copy of what a checkout needs to run experiments, with some of them only."""
    home = folder / "home"
    shutil.copytree(ROOT / "nbs", home / "nbs", ignore=shutil.ignore_patterns("_proc", ".ipynb_checkpoints"))
    shutil.copytree(ROOT / "workflow", home / "workflow", ignore=shutil.ignore_patterns(".snakemake"))
    shutil.copytree(ROOT / "data", home / "data")
    shutil.copy(ROOT / "settings.ini", home)
    for path in (home / "nbs" / "experiments").rglob("*.ipynb"):
        if keep and path.stem[3:] not in keep:
            path.unlink()
    return home


def test_one_failure_does_not_stop_the_others(tmp_path):
    home = checkout(tmp_path, ("sequence_strip", "sequence_on_canvas"))
    settings = (
        (home / "settings.ini")
        .read_text()
        .replace("train_examples = 320", "train_examples = 64")
        .replace("epochs = 2", "epochs = 1")
    )
    (home / "settings.ini").write_text(settings)
    path = home / "nbs" / "experiments" / "diary" / "00_sequence_strip.ipynb"
    path.write_text(path.read_text().replace("run.train(model, data, loss", "run.train(model, data, None"))
    process = digitstudy("study", "--profile", "smoke", "--output", tmp_path / "reports", env={"DIGITSTUDY_HOME": home})
    assert process.returncode == 1
    failed = [line for line in process.stderr.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1 and "sequence_strip, seed 0" in failed[0] and "notebook.ipynb" in failed[0]
    notebook = json.loads(
        (tmp_path / "reports" / "smoke" / ".running" / "sequence_strip-seed-0" / "notebook.ipynb").read_text()
    )
    assert any(o["output_type"] == "error" for c in notebook["cells"] for o in c.get("outputs", []))
    assert (tmp_path / "reports" / "smoke" / "records" / "sequence_on_canvas" / "seed-0" / "record.json").exists()
    assert not (tmp_path / "reports" / "smoke" / "records" / "sequence_strip").exists()
    assert pd.read_csv(tmp_path / "reports" / "smoke" / "tables" / "summary.csv").experiment.tolist() == [
        "sequence_on_canvas"
    ]


def test_same_seed_same_data_and_close_results(few, tmp_path):
    """Data to the bit; training is promised to repeat statistically only, but on one machine and thread it comes very
    near."""
    assert digitstudy("run", "sequence_strip", "--output", tmp_path).returncode == 0
    first, second = (
        json.loads((place / "smoke" / "records" / "sequence_strip" / "seed-0" / "record.json").read_text())
        for place in (few[0], tmp_path)
    )
    assert first["data"] == second["data"]
    assert abs(first["scores"]["test"]["character_accuracy"] - second["scores"]["test"]["character_accuracy"]) < 0.05


def test_a_limit_of_minutes_leaves_whole_records_or_none(tmp_path):
    process = digitstudy("study", "--only", ",".join(FEW), "--minutes", 0.01, "--output", tmp_path)
    assert process.returncode == 0 and f"The time is up: {len(FEW)} runs are left" in process.stderr
    assert not list(tmp_path.glob("smoke/records/*/*")) and "FAILED" not in process.stderr


def test_a_killed_study_takes_its_runs_along_and_goes_on(tmp_path):
    words = ["study", "--only", "sequence_strip,joint_mse", "--output", str(tmp_path)]
    process = subprocess.Popen([COMMAND, *words], cwd=ROOT, env=os.environ | ENVIRONMENT, stderr=subprocess.DEVNULL)
    until(lambda: list(tmp_path.glob("smoke/.running/*/progress.json")) or process.poll() is not None)
    process.kill()
    process.wait()
    mark = str(tmp_path)
    until(lambda: mark not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout)
    assert not [f for f in tmp_path.glob("smoke/records/*/*") if not (f / "record.json").exists()]
    again = digitstudy(*words)
    assert again.returncode == 0 and len(list(tmp_path.glob("smoke/records/*/seed-0/record.json"))) == 2, again.stderr


def until(happens):
    """Wait until something is true; what never becomes true is ended by the watchdog."""
    end = time.monotonic() + WATCHDOG
    while not happens():
        assert time.monotonic() < end, "it hangs"
        time.sleep(0.1)


def test_a_sweep_runs_what_is_missing_and_shows_what_came_out(tmp_path):
    small = [
        word
        for name, value in {"train_examples": 64, "valid_examples": 32, "test_examples": 32, "epochs": 1}.items()
        for word in ("--set", f"{name}={value}")
    ]
    words = [
        "sweep",
        "weighted_loss",
        "--profile",
        "smoke",
        *small,
        "--set",
        "loc_weight=1,100",
        "--seeds",
        "0:1",
        "--output",
        tmp_path,
    ]
    dry = digitstudy(*words, "--dry-run")
    assert dry.returncode == 0 and "2 runs to do" in dry.stderr and not (tmp_path / "smoke").exists()
    first = digitstudy(*words)
    assert first.returncode == 0, first.stderr
    table = pd.read_csv(
        tmp_path
        / "smoke"
        / "tables"
        / "sweep_weighted_loss_train_examples_valid_examples_test_examples_epochs_loc_weight.csv"
    )
    assert table.loc_weight.tolist() == [1.0, 100.0] and table.seeds.tolist() == [1, 1] and "loc_weight" in first.stdout
    assert list((tmp_path / "smoke" / "figures").glob("sweep_*.png"))
    records = sorted((tmp_path / "smoke" / "records" / "weighted_loss").iterdir())
    assert len(records) == 2
    made = (records[0] / "record.json").read_text()
    shutil.rmtree(records[1])
    second = digitstudy(*words)
    assert second.returncode == 0 and "1 runs to do, 1 have a current record" in second.stderr
    assert (records[0] / "record.json").read_text() == made and (records[1] / "record.json").exists()
    third = digitstudy(*words)
    assert "0 runs to do" in third.stderr and third.stdout == second.stdout


@pytest.mark.parametrize(
    "words, says",
    [
        (["--set", "loc_weight=1,much"], "loc_weight=much is not of type float"),
        (["--set", "weight=1,2"], "weighted_loss has no parameter weight"),
        (["--set", "seed=1,2"], "say --seeds"),
        (["--set", "epochs=0,1"], "epochs"),
        ([], "There is nothing to sweep"),
        (["--set", "loc_weight=1,2", "--seeds", "3:0"], "Seeds are numbers from 0"),
        (["--set", "loc_weight=1,2", "--on", "moon"], "Nowhere to run is called 'moon'"),
    ],
)
def test_a_sweep_that_cannot_be_is_one_sentence(tmp_path, words, says):
    assert says in sentence(digitstudy("sweep", "weighted_loss", "--profile", "smoke", "--output", tmp_path, *words))


def test_papermill_by_hand(tmp_path):
    import papermill

    parameters = {
        "output": str(tmp_path),
        "train_examples": 64,
        "valid_examples": 32,
        "test_examples": 32,
        "epochs": 1,
        "seed": 3,
    }
    source = ROOT / "nbs" / "experiments" / "diary" / "06_variable_length.ipynb"
    papermill.execute_notebook(
        str(source), str(tmp_path / "out.ipynb"), parameters, kernel_name="python3", cwd=str(ROOT), progress_bar=False
    )
    (record,) = (tmp_path / "smoke" / "records" / "variable_length").glob("seed-3-*/record.json")
    assert json.loads(record.read_text())["seed"] == 3


def test_side_by_side_runs_of_one_experiment_do_not_collide(tmp_path):
    words = [COMMAND, "run", "sequence_strip", *map(str, tiny(tmp_path))]
    pair = [subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [p.communicate()[1] for p in pair]
    codes = sorted(p.returncode for p in pair)
    assert codes in ([0, 0], [0, 1])  # one after the other, if the second came late; else it is told
    if codes == [0, 1]:
        assert any("is being run by another process" in s for s in said)
    assert len(list(tmp_path.glob("smoke/records/sequence_strip/seed-0-*/record.json"))) == 1


def test_a_record_of_a_newer_version(few, tmp_path):
    folder = tmp_path / "smoke" / "records" / "weighted_loss" / "seed-0"
    folder.mkdir(parents=True)
    record = json.loads((few[0] / "smoke" / "records" / "weighted_loss" / "seed-0" / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps(record | {"version": 99}))
    for words in (["report"], ["study", "--dry-run"]):
        assert "was written by a newer digitstudy" in sentence(
            digitstudy(*words, "--profile", "smoke", "--output", tmp_path)
        )
    (folder / "record.json").write_text(json.dumps(record)[:1000])
    assert "is not a whole record" in sentence(digitstudy("report", "--profile", "smoke", "--output", tmp_path))
