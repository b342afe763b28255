"""The processes that a measurement is about: who they are and what processor time they took.

Text of the kernel is decoded with replacement characters everywhere: a program may call itself any bytes.
"""

from __future__ import annotations

import ctypes
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PR_SET_CHILD_SUBREAPER = 36
# With a process id above it, the id of that process's clock (clock_getcpuclockid(3), as glibc makes it).
_CPUCLOCK_SCHED = 2
# The kernel's fixed number of the process id namespace it boots with (PROC_PID_INIT_INO).
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC


@dataclass(frozen=True)
class Job:
    """The processes whose energy is asked for: all descendants of this process, and where the work is done
    in this process itself (`includes_self`), this process too."""

    includes_self: bool = False

    def processes(self) -> set[int]:
        """Process ids of those that live."""
        return descendants() | ({os.getpid()} if self.includes_self else set())

    def working_and_stopped(self) -> tuple[set[int], set[int]]:
        """Process ids of those that live, the stopped ones apart."""
        present = self.processes()
        stopped = {pid for pid in present if stat_fields(pid)[:1] == ["T"]}
        return present - stopped, stopped

    def cpu_s(self, processes: set[int] | None = None) -> float:
        """Processor time in seconds up to the return, that of processes which have ended included.

        What a process has reaped is in its own count, so that short-lived grandchildren are not lost.
        `processes` saves looking for them where they are known.
        """
        present = self.processes() if processes is None else processes
        reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
        others = present - {os.getpid()}
        reaped_s = reaped.ru_utime + reaped.ru_stime + sum(map(_reaped_s, others))
        # Last and at once: a process works on while the others are looked at, and a window that opens at its
        # work and closes at its rest would lack that.
        return reaped_s + sum(map(cpu_clock_s, present))


DESCENDANTS = Job()
WITH_THIS_PROCESS = Job(includes_self=True)


def adopt_orphans() -> None:
    """Makes this process the parent of descendants whose own parent ends (Linux; elsewhere nothing happens),
    so that they stay its descendants."""
    if os.uname().sysname == "Linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def in_initial_pid_namespace() -> bool:
    """Whether process ids here are the kernel's own; in most containers they are not."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino == _INITIAL_PID_NAMESPACE
    except OSError:
        return False


def descendants() -> set[int]:
    """Process ids of the live descendants of this process."""
    reached: set[int] = set()
    waiting = [os.getpid()]
    while waiting:
        children = _children(waiting.pop())
        reached.update(children)
        waiting.extend(children)
    return reached


def cpu_clock_s(pid: int) -> float:
    """Processor time of a process in seconds, to the nanosecond; 0 where it has been reaped."""
    try:
        return time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)
    except OSError:
        return 0.0


def name_of(pid: int) -> str:
    """Name of a process; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return ""


def stat_fields(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the state on; empty where the process has ended."""
    try:
        # The command name in parentheses may hold spaces; fields are counted after it.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            children.extend(int(child) for child in (task / "children").read_text().split())
    except OSError:
        pass
    return children


def _reaped_s(pid: int) -> float:
    return sum(int(ticks) for ticks in stat_fields(pid)[13:15]) * _TICK_S
