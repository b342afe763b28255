"""Which machine this is, and which of its processes meters it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path

# Where launchers say which process of its node this one is, counted from 0: torchrun, Slurm, Open MPI, MPICH
# and Intel MPI, MVAPICH.
RANK_VARIABLES = (
    "LOCAL_RANK",
    "SLURM_LOCALID",
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "MPI_LOCALRANKID",
    "MV2_COMM_WORLD_LOCAL_RANK",
)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def local_rank(environment: Mapping[str, str] = os.environ) -> tuple[int, str] | None:
    """The number of this process among those of its node, and the variable that says so; None outside of a
    launcher."""
    for name in RANK_VARIABLES:
        value = environment.get(name, "")
        if value.isdecimal():
            return int(value), name
    return None


def describe_share(environment: Mapping[str, str] = os.environ) -> str:
    """The part of a node that Slurm gave this job, in words; empty if that is the node, or without Slurm."""
    granted = environment.get("SLURM_CPUS_ON_NODE", "")
    cores = os.cpu_count() or 1
    if not granted.isdecimal() or int(granted) >= cores:
        return ""
    return f"Slurm granted {granted} of {cores} logical processors of this node"


def host_name() -> str:
    """Name of this machine on its network."""
    return platform.node()


def boot_id() -> str:
    """The kernel's number of this start of the machine, the same in all its containers; empty where there is
    none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


class MachineClaim:
    """A claim to be the meter of this machine, among this user's processes.

    The kernel gives it up when the process ends. `other` is the process that has the claim already; None
    where this one has it, and where nobody can say.
    """

    def __init__(self) -> None:
        self.other: int | None = None
        self._file = -1
        path = Path(tempfile.gettempdir(), f"joules-meter-{os.getuid()}.lock")
        with contextlib.suppress(OSError, ValueError):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = int(os.pread(self._file, 20, 0) or b"0")
                self.other = holder if holder != os.getpid() else None
            else:
                os.ftruncate(self._file, 0)
                os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def close(self) -> None:
        """Gives the claim up; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
