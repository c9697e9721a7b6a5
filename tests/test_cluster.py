"""The study on a real SLURM: a controller and two nodes, set up here by `cluster.py`, jobs
sent by `digitstudy study --on`.

DIGITSTUDY_CLUSTER=FOLDER runs the whole set: every experiment with two seeds, nodes and controllers that die,
a disk that fills up, twenty kills. Its reports stay in FOLDER, and what it measured goes into
reports/benchmarks/cluster/record.json.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest
import torch
from cluster import NODES, Cluster, NoCluster, missing, parent_of, until
from conftest import COMMAND, ENVIRONMENT, ROOT, WATCHDOG
from test_study import checkout

pytestmark = pytest.mark.slow
WHOLE = os.environ.get("DIGITSTUDY_CLUSTER")
FEW = ("sequence_strip", "weighted_loss", "svhn_baseline")
SEEDS = "0,1" if WHOLE else "0"  # of every run that is compared
KILLS = 20 if WHOLE else 5  # at random moments
MEASURED = ROOT / "reports" / "benchmarks" / "cluster" / "record.json"
whole = pytest.mark.skipif(
    not WHOLE, reason="only in the whole set, which takes an hour or two: DIGITSTUDY_CLUSTER=folder"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where reports go that several tests look at."""
    return Path(WHOLE).resolve() if WHOLE else tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A SLURM of two nodes; nothing of it is left afterwards."""
    if not WHOLE and (why := missing()):
        pytest.skip(f"NOT TESTED ON A CLUSTER: {why}")
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        try:
            cluster.up()
        except (NoCluster, OSError, subprocess.SubprocessError) as why:
            if WHOLE:
                raise
            pytest.skip(f"NOT TESTED ON A CLUSTER: {why}")
        yield cluster
    finally:
        cluster.down()
    assert (
        not cluster.processes() and not cluster.folder.exists() and not any(link.is_symlink() for link in cluster.links)
    )


@pytest.fixture(autouse=True)
def mended(cluster):
    """Before each test all of the cluster runs, and no job of an earlier one is left."""
    cluster.ask("scancel", "--user", str(os.getuid()))
    cluster.up()


@pytest.fixture(scope="module")
def on(tmp_path_factory):
    """The profile slurm, but more curious and less patient than a cluster of many users would like."""
    profile = tmp_path_factory.mktemp("profile") / "config.yaml"
    text = (ROOT / "workflow" / "profiles" / "slurm" / "config.yaml").read_text()
    for usual, here in (("status-checks: 20", "status-checks: 2"), ("latency-wait: 60", "latency-wait: 5")):
        assert usual in text
        text = text.replace(usual, here)
    profile.write_text(text)
    return profile.parent


def small(folder: Path, experiments=FEW, epochs: int = 2) -> Path:
    """A checkout with some experiments only."""
    if (folder / "home").is_dir():
        return folder / "home"
    home = checkout(folder, experiments)
    settings = (home / "settings.ini").read_text()
    (home / "settings.ini").write_text(settings.replace("epochs = 2\n", f"epochs = {epochs}\n", 1))
    return home


def start(reports: Path, on: Path | str, home: Path = ROOT, seeds: str = "0,1", **environment) -> subprocess.Popen:
    """`digitstudy study`, begun; what it says goes beside its reports."""
    words = [
        COMMAND,
        "study",
        "--profile",
        "smoke",
        "--seeds",
        seeds,
        *(["--on", str(on)] if on else []),
        "--output",
        str(reports),
    ]
    environment = (
        os.environ | ENVIRONMENT | {"DIGITSTUDY_HOME": str(home)} | {k: str(v) for k, v in environment.items()}
    )
    log = said(reports)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        return subprocess.Popen(
            words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=hear
        )


def hear():
    """Let SIGINT interrupt a process, also one that a shell has begun in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def said(reports: Path) -> Path:
    return reports.with_name(f"{reports.name}.log")


def study(reports: Path, on: Path | str, home: Path = ROOT, seeds: str = "0,1", **environment):
    """The whole of `digitstudy study`, which must go well."""
    assert start(reports, on, home, seeds, **environment).wait(WATCHDOG) == 0, said(reports).read_text()


def results(reports: Path) -> dict[str, dict]:
    """What came out of each run, to the last bit. A folder among the records that is not whole is an error."""
    found = {}
    for folder in sorted((reports / "smoke" / "records").glob("*/[!.]*")):
        assert {p.name for p in folder.iterdir()} >= {
            "record.json",
            "notebook.ipynb",
            "curve.csv",
            "examples.png",
            "model.pt",
        }, folder
        record = json.loads((folder / "record.json").read_text())
        weights = torch.load(folder / "model.pt", weights_only=True)
        found[f"{folder.parent.name}/{folder.name}"] = {
            **{k: record[k] for k in ("scores", "data", "parameters", "model", "fingerprint")},
            "curve": (folder / "curve.csv").read_text(),
            "weights": hashlib.sha256(b"".join(w.numpy().tobytes() for w in weights.values())).hexdigest(),
        }
    return found


def stamps(reports: Path) -> dict[str, tuple]:
    """Finished records with what tells whether they were made again."""
    found = {}
    for path in (reports / "smoke" / "records").glob("*/[!.]*/record.json"):
        found[str(path.relative_to(reports))] = (path.stat().st_ino, json.loads(path.read_text())["made"])
    return found


def costs(reports: Path) -> list[dict]:
    return [json.loads(p.read_text())["cost"] for p in (reports / "smoke" / "records").glob("*/[!.]*/record.json")]


def seconds(reports: Path) -> int:
    """From the start of the first run to the end of the last one."""
    records = [json.loads(p.read_text()) for p in (reports / "smoke" / "records").glob("*/[!.]*/record.json")]
    ends = [datetime.fromisoformat(r["made"]).timestamp() for r in records]
    taken = [sum(v for k, v in r["cost"].items() if k.startswith("seconds_")) for r in records]
    return round(max(ends) - min(end - t for end, t in zip(ends, taken, strict=True)))


def note(**figures):
    """Keep what was measured, if this is the whole set."""
    if not WHOLE:
        return
    from digitstudy.study.records import environment

    before = (
        json.loads(MEASURED.read_text())
        if MEASURED.exists()
        else {"what": "SLURM with two nodes of one core each on one machine"}
    )
    about = {
        "environment": environment(torch.device("cpu"), 1, "float32"),
        "load_average": round(os.getloadavg()[1], 1),
    }
    MEASURED.parent.mkdir(parents=True, exist_ok=True)
    MEASURED.write_text(json.dumps(before | figures | about, indent=1) + "\n")


def submitted(cluster: Cluster) -> list[dict[str, str]]:
    """All jobs that the controller remembers, as `scontrol show job` has them."""
    lines = cluster.ask("scontrol", "--oneliner", "show", "job").splitlines()
    return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines if "JobId" in line]


@pytest.fixture(scope="module")
def home(folder):
    return ROOT if WHOLE else small(folder, FEW[:2])


@pytest.fixture(scope="module")
def alone(folder, home):
    """What one machine makes of it, without a cluster."""
    study(folder / "alone", "", home, SEEDS)
    return results(folder / "alone")


def test_two_nodes_leave_the_records_that_one_machine_leaves(cluster, on, home, folder, alone):
    reports = folder / "nodes"
    shutil.rmtree(reports, ignore_errors=True)
    study(reports, on, home, SEEDS)
    assert results(reports) == alone
    jobs = submitted(cluster)
    assert {job["NodeList"] for job in jobs} == set(NODES)
    assert len(jobs) == len(alone), "a run was sent more than once, or not at all"
    wanted = json.loads((reports / "smoke" / ".running" / "study" / "jobs.json").read_text())["runs"]
    for job in jobs:
        run = wanted[job["Comment"].removeprefix("rule_run_wildcards_")]
        hours, minutes, _ = map(int, job["TimeLimit"].removeprefix("1-").split(":"))
        asked = (hours + 24 * job["TimeLimit"].startswith("1-")) * 60 + minutes
        memory = job["MinMemoryNode"]
        assert asked == run["runtime"] and {"M": 1, "G": 1024}[memory[-1]] * float(memory[:-1]) == run["mem_mb"]
        assert job["Partition"] == "main" and job["NumCPUs"] == "1"
    times = {"one_machine": seconds(folder / "alone"), "two_nodes": seconds(reports)}
    note(equal={"experiments": len({name.split("/")[0] for name in alone}), "runs": len(alone), "seconds": times})
    before = stamps(reports)
    study(reports, on, home, SEEDS)
    assert (
        stamps(reports) == before
        and len(submitted(cluster)) == len(jobs)
        and "Nothing to do" in said(reports).read_text()
    )


def command(process: int) -> str:
    """What a process was called with."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def children(process: int) -> list[int]:
    return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and parent_of(int(p.name)) == process]


def end_at_once(process: int) -> bool:
    """Whether the process was still there."""
    try:
        os.kill(process, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def runs_on(cluster: Cluster, node: str) -> list[int]:
    """The processes of runs on a node: `digitstudy run` and its fork that executes the notebook."""
    return sorted(p for p in cluster.processes(node) if "digitstudy run" in command(p))


def begun(cluster: Cluster, *nodes: str):
    """Wait until a notebook is executed on one of the nodes: its process is a fork of the run's."""

    def fork(process):
        return "python" in command(process).partition(" ")[0] and command(process) == command(parent_of(process))

    until("That a run begins", lambda: any(fork(p) for node in nodes for p in runs_on(cluster, node)), WATCHDOG)


@pytest.mark.parametrize("how", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=whole)])
def test_a_cancelled_study_takes_its_jobs_along_and_the_next_goes_on(cluster, on, tmp_path, how):
    home, reports = small(tmp_path, ("sequence_strip",)), tmp_path / "reports"
    process = start(reports, on, home, seeds="0")
    begun(cluster, *NODES)
    process.send_signal(how)
    assert process.wait(WATCHDOG) == 130
    assert (
        said(reports).read_text().strip().splitlines()[-1]
        == "digitstudy: stopped; run the same command again to go on."
    )
    until("That the jobs are gone", lambda: not cluster.jobs("running", "pending", "completing"), WATCHDOG)
    assert not stamps(reports)
    study(reports, on, home, seeds="0")
    assert len(results(reports)) == 1


def few(folder: Path) -> tuple[Path, dict]:
    """A checkout of a few experiments that train for longer, and what one machine makes of them undisturbed."""
    home = small(folder / "few", epochs=8)
    study(folder / "few" / "alone", "", home)
    return home, results(folder / "few" / "alone")


@whole
def test_a_node_dies_in_mid_run(cluster, on, folder, tmp_path):
    home, expected = few(folder)
    reports, began = tmp_path / "reports", time.monotonic()
    process = start(reports, on, home)
    until("That a run is finished", lambda: stamps(reports), WATCHDOG)
    begun(cluster, "n1")
    finished = stamps(reports)
    cluster.kill("n1")
    until("That it is noticed", lambda: cluster.states()["n1"] in ("down*", "alloc*", "drain*"), WATCHDOG)
    cluster.start("n1")
    code = process.wait(WATCHDOG)
    if code:
        study(reports, on, home)
    assert results(reports) == expected and finished.items() <= stamps(reports).items()
    requeued = [job for job in submitted(cluster) if job["Restarts"] != "0"]
    figures = {"seconds": round(time.monotonic() - began), "jobs_queued_again": len(requeued), "calls": 1 + (code != 0)}
    note(node_killed=figures | {"runs": len(expected), "finished_before": len(finished)})


@whole
def test_the_controller_is_away_for_a_minute(cluster, on, folder, tmp_path):
    home, expected = few(folder)
    reports, began = tmp_path / "reports", time.monotonic()
    process = start(reports, on, home)
    until("That a run is finished", lambda: stamps(reports), WATCHDOG)
    begun(cluster, *NODES)
    finished = stamps(reports)
    cluster.kill("slurmctld")
    time.sleep(60)
    cluster.start("slurmctld")
    until(
        "That the jobs are done",
        lambda: cluster.states() and not cluster.jobs("running", "pending", "completing"),
        WATCHDOG,
    )
    try:
        code = process.wait(60)
    except subprocess.TimeoutExpired:  # without a database of jobs, Snakemake's executor has lost sight of them
        process.terminate()
        code = process.wait(WATCHDOG)
    if code:
        study(reports, on, home)
    assert results(reports) == expected and finished.items() <= stamps(reports).items()
    figures = {"seconds": round(time.monotonic() - began), "seconds_away": 60, "calls": 1 + (code != 0)}
    note(controller_killed=figures | {"runs": len(expected), "finished_before": len(finished)})


@pytest.fixture
def mounted(tmp_path):
    """Mounts that end with the test."""
    places = []

    def mount(*words) -> Path:
        place = tmp_path / f"mount-{len(places)}"
        place.mkdir()
        subprocess.run(["mount", *map(str, words), place], check=True)
        places.append(place)
        return place

    yield mount
    for place in reversed(places):
        subprocess.run(["umount", "--lazy", place], check=True)


@whole
def test_data_are_shared_read_only_and_nothing_is_fetched(cluster, on, folder, mounted, tmp_path):
    home, expected = few(folder)
    data = mounted("--bind", "-o", "ro", os.environ["DIGITSTUDY_DATA"])
    with pytest.raises(OSError):
        (data / "probe").touch()
    reports = tmp_path / "reports"
    study(reports, on, home, seeds="0", DIGITSTUDY_DATA=data, XDG_CACHE_HOME=tmp_path / "cache")
    found = results(reports)
    assert found == {name: value for name, value in expected.items() if name in found} and len(found) == len(FEW)


@whole
def test_a_disk_fills_up(cluster, on, folder, mounted):
    home, expected = few(folder)
    disk = mounted("-t", "tmpfs", "-o", "size=400m", "tmpfs")
    reports = disk / "reports"
    process = start(reports, on, home)
    until("That a run is finished", lambda: stamps(reports), WATCHDOG)
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:  # to the last byte
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    finished = stamps(reports)
    assert process.wait(WATCHDOG) == 1
    assert "Traceback" not in said(reports).read_text()
    again = start(reports, on, home)
    assert again.wait(WATCHDOG) == 1
    (sentence,) = [line for line in said(reports).read_text().splitlines() if line.startswith("digitstudy: ")]
    assert "free some space" in sentence
    assert finished.items() <= stamps(reports).items() and results(reports).items() <= expected.items()
    filler.unlink()
    study(reports, on, home)
    assert results(reports) == expected and finished.items() <= stamps(reports).items()
    note(
        full_disk={
            "said": sentence.replace(f"{disk}/", ""),
            "finished_before": len(finished),
            "finished_after": len(expected),
        }
    )


def test_kills_at_random_moments(cluster, on, folder, tmp_path):
    home, expected = few(folder)
    reports, dice, killed = tmp_path / "reports", random.Random(2017), []
    began, process = time.monotonic(), start(reports, on, home)
    finished: dict[str, tuple] = {}
    rounds = 1

    def check():
        now = stamps(reports)
        assert finished.items() <= now.items(), "a finished record was lost or made again"
        assert results(reports).items() <= expected.items(), "a record is there but not what it should be"
        finished.update(now)

    while len(killed) < KILLS:
        end = time.monotonic() + dice.uniform(4, 24)
        while time.monotonic() < end:
            time.sleep(0.5)
            if (
                process.poll() is not None
            ):  # it has finished, or it gave up: again, from nothing where everything was there
                check()
                if len(finished) == len(expected):
                    rounds += 1
                    finished.clear()
                    shutil.rmtree(reports)
                process = start(reports, on, home)
        victim = dice.choice(("run", "run", "run", "node", "node", "study", "study", "controller"))
        if victim == "run":
            how, running = "SIGKILL", [p for node in NODES for p in runs_on(cluster, node)]
            if not running or not end_at_once(dice.choice(running)):
                continue
        elif victim == "study":
            how = dice.choice(("SIGKILL", "SIGTERM", "SIGINT"))
            engine = children(process.pid)
            process.send_signal(getattr(signal, how))
            if how == "SIGKILL":  # as when the machine dies that sends jobs: these live on
                for number in engine:
                    end_at_once(number)
            process.wait(WATCHDOG)
        else:
            how = dice.choice(NODES) if victim == "node" else "slurmctld"
            cluster.kill(how)
            time.sleep(dice.uniform(0, 15))
            cluster.start(how)
        killed.append(victim)
        print(
            f"{time.monotonic() - began:.0f} s: {victim} {how}; {len(finished)} of {len(expected)} finished", flush=True
        )
        check()
    calls = 1
    while process.wait(WATCHDOG) and calls < 4:
        process, calls = start(reports, on, home), calls + 1
    assert results(reports) == expected and finished.items() <= stamps(reports).items()
    resumed = sum(cost["resumed_from"] > 0 for cost in costs(reports))
    figures = {
        "seconds": round(time.monotonic() - began),
        "runs": rounds * len(expected),
        "went_on_from_an_epoch": resumed,
    }
    note(kills=figures | {"number": len(killed), "of": {what: killed.count(what) for what in sorted(set(killed))}})
