"""A real SLURM on this one machine: munge, a controller and two nodes of a core each, in one folder and two links in
/etc/slurm.

python tests/cluster.py up FOLDER      starts it; sbatch, squeue and `digitstudy study --on slurm` then use it
python tests/cluster.py down FOLDER    ends it with every job, and removes folder and links
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = {
    "munged": "munge",
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "sbatch": "slurm-wlm",
}  # program -> Debian's package
NODES = ("n1", "n2")
PATH = os.environ["PATH"] + ":/usr/sbin"
ETC = Path(
    "/etc/slurm"
)  # where programs look that were not told of a configuration, as srun in a job of Snakemake is not
MADE_HERE = "# Written by tests/cluster.py.\n"
PATIENCE = 600  # seconds until something that was started is taken for hung


class NoCluster(Exception):
    """Why no cluster can be set up here."""


def missing() -> str:
    """Why this machine cannot have the cluster, and what to do; "" if it can."""
    if os.geteuid():
        return "munge and slurmd are started by root only: run as root, as in a container."
    packages = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program, path=PATH)})
    if packages:
        return f"a program of {' and '.join(packages)} is missing: apt-get install {' '.join(packages)}"
    there = ETC / "slurm.conf"
    if not there.is_file():
        return ""
    if not there.read_text().startswith(MADE_HERE):
        return f"{there} is there: this machine has a SLURM already."
    left = there.resolve().parent
    return f"one is up already: python tests/cluster.py down {left}" if Cluster(left).processes() else ""


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def until(what: str, holds, patience: float = PATIENCE):
    """Wait until `holds()` is true; its value."""
    end = time.monotonic() + patience
    while not (value := holds()):
        if time.monotonic() > end:
            raise NoCluster(f"{what} did not happen within {patience:.0f} seconds.")
        time.sleep(0.2)
    return value


def environment_of(process: int) -> dict[str, str]:
    """What a process was started with; nothing if it is gone."""
    try:
        text = Path(f"/proc/{process}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return {}
    return dict(part.split("=", 1) for part in text.split("\0") if "=" in part)


def parent_of(process: int) -> int:
    """The number of a process's parent; 0 if it is gone or a mere zombie."""
    try:
        state, parent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return 0
    return 0 if state == "Z" else int(parent)


class Cluster:
    """The cluster in `folder`, running or not."""

    def __init__(self, folder: Path):
        self.folder = Path(folder).resolve()
        self.config = self.folder / "slurm.conf"
        self.links = [ETC / "slurm.conf", ETC / "gres.conf"]

    def up(self):
        """Start what is not running yet."""
        if not self.linked():
            if why := missing():
                raise NoCluster(f"There can be no SLURM here: {why}")
            self.write_config()
            ETC.mkdir(exist_ok=True)
            for link in self.links:
                link.unlink(missing_ok=True)  # of a cluster that is no more
                link.symlink_to(self.folder / link.name)
        for program in ("munged", "slurmctld", *NODES):
            self.start(program)
        until("That the nodes are ready", lambda: self.states() == dict.fromkeys(NODES, "idle"))

    def linked(self) -> bool:
        return all(link.resolve() == self.folder / link.name for link in self.links) and self.config.is_file()

    def write_config(self):
        for name in ("", "munge", "state", *NODES):
            (self.folder / name).mkdir(mode=0o755, parents=True, exist_ok=True)
        key = self.folder / "munge" / "key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        controller, *nodes = free_ports(1 + len(NODES))
        user, host = getpass.getuser(), socket.gethostname().split(".")[0]
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")  # each node pretends to have a GPU
        self.config.write_text(f"""{MADE_HERE}ClusterName=digitstudy
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={self.folder}/munge/socket,cred_expire=20
StateSaveLocation={self.folder}/state
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmctldLogFile={self.folder}/slurmctld.log
SlurmdSpoolDir={self.folder}/%n
SlurmdPidFile={self.folder}/%n.pid
SlurmdLogFile={self.folder}/%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
ReturnToService=2
SlurmdTimeout=10
KillWait=5
MinJobAge=86400
NodeName={",".join(NODES)} NodeHostname={host} NodeAddr=127.0.0.1 Port={",".join(map(str, nodes))} \
  CPUs=1 RealMemory=16000 Gres=gpu:1
PartitionName=main Nodes={",".join(NODES)} Default=YES MaxTime=1-0
PartitionName=accelerated Nodes={",".join(NODES)} MaxTime=1-0
""")

    def start(self, program: str):
        """Start munged, slurmctld or a node, if it is not running."""
        if self.running(program):
            return
        f, munge = self.folder, self.folder / "munge"
        command = {
            "munged": [
                "munged",
                "--force",
                f"--socket={munge}/socket",
                f"--key-file={munge}/key",
                f"--pid-file={f}/munged.pid",
            ]
            + [f"--log-file={munge}/log", f"--seed-file={munge}/seed"],
            "slurmctld": ["slurmctld", "-f", str(self.config)],
        }.get(program) or ["slurmd", "-N", program, "-f", str(self.config)]
        environment = os.environ | {"PATH": PATH, "SLURM_CONF": str(self.config), "SLURMD_NODENAME": program}
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise NoCluster(f"{program} does not start: {done.stderr.strip()}")
        until(f"That {program} runs", lambda: self.running(program))

    def process(self, program: str) -> int | None:
        """The number of a daemon's process, if it runs."""
        try:
            number = int((self.folder / f"{program}.pid").read_text())
        except (OSError, ValueError):
            return None
        return number if self.mine(number) else None

    def running(self, program: str) -> bool:
        return self.process(program) is not None

    def mine(self, process: int) -> bool:
        """Whether a process belongs to this cluster: a daemon of it, or of a job."""
        return environment_of(process).get("SLURM_CONF") == str(self.config)

    def processes(self, program: str = "") -> set[int]:
        """A daemon with all that it has started, the jobs of a node among them; without a name, everything of the
        cluster."""
        children: dict[int, list[int]] = {}
        for number in (int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()):
            if parent := parent_of(number):
                children.setdefault(parent, []).append(number)
        todo = []
        for number in (n for found in children.values() for n in found):
            on = environment_of(number).get("SLURMD_NODENAME")
            if on and self.mine(number) and (not program or on == program):
                todo.append(number)
        found: set[int] = set()
        while todo:
            number = todo.pop()
            if number not in found:
                found.add(number)
                todo += children.get(number, [])
        return found

    def kill(self, program: str):
        """End munged, slurmctld or a node with all its jobs at once, as when the machine loses its power."""
        while found := self.processes(program):
            for number in found:
                try:
                    os.kill(number, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.1)

    def ask(self, *words: str) -> str:
        """What a command of SLURM answers."""
        environment = os.environ | {"PATH": PATH, "SLURM_CONF": str(self.config)}
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=PATIENCE).stdout.strip()

    def states(self) -> dict[str, str]:
        """Node -> idle, allocated, mixed, down, with a * where it does not answer."""
        return dict(
            line.split()
            for line in self.ask("sinfo", "--noheader", "--Node", "--partition=main", "--format=%N %t").splitlines()
        )

    def jobs(self, *states: str) -> list[int]:
        """Numbers of the jobs in these states: pending, running, completed, ... ."""
        return [
            int(line)
            for line in self.ask("squeue", "--noheader", f"--states={','.join(states)}", "--format=%A").split()
        ]

    def down(self):
        """End everything of the cluster and remove its folder."""
        self.kill("")
        for link in self.links:
            if link.is_symlink() and link.resolve() == self.folder / link.name:
                link.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("up", "down"):
        sys.exit(__doc__)
    cluster = Cluster(Path(sys.argv[2]))
    try:
        getattr(cluster, sys.argv[1])()
    except NoCluster as problem:
        sys.exit(f"cluster: {problem}")
    print("The cluster is up." if sys.argv[1] == "up" else "The cluster is gone.")
