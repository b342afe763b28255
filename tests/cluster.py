"""A Slurm cluster on this machine: munge, a controller, and nodes with processes and a disk of their own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from joules.bench.lock import lock_path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "unshare", "nsenter", "setpriv")
_CORES = 2
_DISK_MB = 16
# Seconds until something that has to happen is taken as not happening.
_PATIENCE_S = 180.0

_CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={folder}/disk/%n
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
SlurmdTimeout=5
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=0
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
{nodes}
"""
_NODE = "NodeName={name} NodeAddr=127.0.0.1 NodeHostname={host} Port={port} CPUs={cores} RealMemory=32000"
_PARTITION = "PartitionName={name} Nodes={nodes} Default={default}"


def missing_part() -> str:
    """Why there can be no cluster here; empty where there can."""
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    mounts = (
        "mount -t tmpfs none /tmp && mount --bind /tmp /etc/slurm && mount --bind /dev/null /proc/cpuinfo"
    )
    apart = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", mounts],
        capture_output=True,
        check=False,
    )
    return "" if apart.returncode == 0 else "nodes need mounts of their own, which need root"


def wait_until(happens: Callable[[], object], what: str) -> None:
    """Waits for something; fails with what has not happened."""
    deadline_s = time.monotonic() + _PATIENCE_S
    while not happens():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.2)


def start_daemon(folder: Path, *command: str) -> subprocess.Popen[bytes]:
    """Starts a program in a folder; it ends with this process, however that ends."""
    return subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *command],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


class Node:
    """A node: its own process ids, so that it can lose power, its own folder for temporary files and lock."""

    def __init__(self, cluster: Cluster, name: str, processor: str | None) -> None:
        self.name = name
        self._cluster = cluster
        self.processor = processor
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; its folder for temporary files is empty."""
        own = self._cluster.folder / f"own-{self.name}"
        own.mkdir(exist_ok=True)
        (own / "lock").touch()
        steps = [
            "set -e",
            f"mount -t tmpfs -o size={_DISK_MB}m none {self._cluster.disk}",
            f"mkdir {self._cluster.temporary}",
            f"mount --bind {own}/lock {lock_path()}",
            # Where commands within a job look, which the executor gives no other place.
            f"mount --bind {self._cluster.folder} /etc/slurm",
        ]
        if self.processor:
            cpuinfo = Path("/proc/cpuinfo").read_text()
            model = next(line for line in cpuinfo.splitlines() if line.startswith("model name"))
            (own / "cpuinfo").write_text(cpuinfo.replace(model, f"model name\t: {self.processor}"))
            steps.append(f"mount --bind {own}/cpuinfo /proc/cpuinfo")
        steps.append(f"exec slurmd -D -N {self.name} -f {self._cluster.folder}/slurm.conf")
        apart = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        self._process = start_daemon(self._cluster.folder, *apart, "sh", "-c", "\n".join(steps))

    def lose_power(self) -> None:
        """Ends all its processes at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def fill_disk(self) -> None:
        """Leaves no room on its disk."""
        self._run(f"head -c {_DISK_MB}M /dev/zero > {self._cluster.disk}/file || true")

    def empty_disk(self) -> None:
        """Makes room, and removes what Slurm has left of jobs that it could not start."""
        self._run(f"rm -r {self._cluster.disk}/file {self._cluster.disk}/{self.name}/job*")

    def _run(self, command: str) -> None:
        assert self._process is not None
        inside = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()[0]
        subprocess.run(["nsenter", "--target", inside, "--mount", "--pid", "sh", "-c", command], check=True)

    def set_state(self, state: str) -> None:
        """Sets the state of the node: 'drain', 'resume' or 'down'."""
        self._cluster.control("update", f"nodename={self.name}", f"state={state}", "reason=test")


class Cluster:
    """munge, a controller and nodes with free ports."""

    def __init__(self, folder: Path, processors: dict[str, str | None]) -> None:
        self.folder = folder
        self.disk = folder / "disk"
        self.temporary = self.disk / "temporary"
        self.nodes = {name: Node(self, name, processor) for name, processor in processors.items()}
        self._daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        (self.folder / "state").mkdir(parents=True)
        self.temporary.mkdir(parents=True)
        if not lock_path().exists():
            lock_path().touch()
            lock_path().chmod(0o666)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        host = socket.gethostname().partition(".")[0]
        controller, *ports = _free_ports(1 + len(self.nodes))
        alike = [name for name, node in self.nodes.items() if node.processor is None]
        lines = [
            *(
                _NODE.format(name=name, host=host, port=port, cores=_CORES)
                for name, port in zip(self.nodes, ports, strict=True)
            ),
            *(_PARTITION.format(name=name, nodes=name, default="NO") for name in self.nodes),
            _PARTITION.format(name="alike", nodes=",".join(alike), default="YES"),
        ]
        configuration = self.folder / "slurm.conf"
        configuration.write_text(
            _CONFIGURATION.format(folder=self.folder, host=host, port=controller, nodes="\n".join(lines))
        )
        self._daemon(
            "munged",
            *("--foreground", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket"),
            *(f"--pid-file={self.folder}/munge.pid", f"--log-file={self.folder}/munge.log"),
            f"--seed-file={self.folder}/munge.seed",
        )
        wait_until((self.folder / "munge.socket").exists, "munge does not answer")
        self._daemon("slurmctld", "-D", "-f", str(configuration))
        for node in self.nodes.values():
            node.start()
        wait_until(lambda: {self.state(name) for name in self.nodes} == {"idle"}, "nodes are not ready")

    def _daemon(self, *command: str) -> None:
        self._daemons.append(start_daemon(self.folder, *command))

    def state(self, node: str) -> str:
        """State of a node, as the controller has it."""
        return self.query("sinfo", "-h", "-p", node, "-o", "%T").strip()

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which commands find this cluster, and jobs their node's own disk."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "TMPDIR": str(self.temporary)}

    def query(self, *command: str) -> str:
        """What a command of Slurm's prints."""
        done = subprocess.run(
            command, env=os.environ | self.environment, capture_output=True, text=True, check=False
        )
        return done.stdout

    def control(self, *arguments: str) -> None:
        subprocess.run(["scontrol", *arguments], env=os.environ | self.environment, check=True)

    def stop(self) -> None:
        for node in self.nodes.values():
            node.lose_power()
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
            daemon.wait()


def _free_ports(count: int) -> list[int]:
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in opened]
    for each in opened:
        each.close()
    return ports
