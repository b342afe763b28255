"""The processes of a job and their processor time.

Text of the kernel is decoded with replacement characters everywhere: a program may call itself any bytes.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from joules.models import printable

_PROC = Path("/proc")
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_ROUNDING_S = 0.05
_PR_SET_CHILD_SUBREAPER = 36
# With a process id above it, the id of that process's clock (clock_getcpuclockid(3), as glibc makes it).
_CPUCLOCK_SCHED = 2
# The kernel's fixed number of the process id namespace it boots with (PROC_PID_INIT_INO).
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC


class Job:
    """The processes that energy is attributed to: the descendants of this process. Threads may share a job.

    Args:
        includes_self: This process is part of the job.
        has_pauses: Processes that are stopped are not at work; they only hold memory for later.
    """

    def __init__(self, *, includes_self: bool = False, has_pauses: bool = False) -> None:
        self.includes_self = includes_self
        self._has_pauses = has_pauses
        self._lock = threading.Lock()
        # Of each process that was there at the last look: its own time, and that of children it has reaped.
        self._seen: dict[int, tuple[float, float]] = {}
        self._reaped_here_s = 0.0
        self._lost_s = 0.0
        # Programs that let the kernel reap their children, whose time is then not counted anywhere.
        self.discarding: set[str] = set()

    def processes(self) -> set[int]:
        """Process ids of those that have not ended."""
        return descendants() | ({os.getpid()} if self.includes_self else set())

    def working_and_stopped(self) -> tuple[set[int], set[int]]:
        """Process ids of those that work, and of those that are stopped."""
        present = self.processes()
        if not self._has_pauses:
            return present, set()
        stopped = {pid for pid in present if stat_fields(pid)[:1] == ["T"]}
        return present - stopped, stopped

    def cpu_s(self, processes: set[int] | None = None) -> float:
        """Processor time in seconds up to the return, that of processes which have ended included.

        What a process has reaped is in its own count, so that short-lived grandchildren are not lost. Where a
        program ignores SIGCHLD its children are in no count once they have ended: what was seen of them is
        kept here, and the program is named in `discarding`. `processes` saves looking for them where they
        are known.
        """
        present = self.processes() if processes is None else processes
        self.discarding |= {name_of(pid) for pid in present if _ignores_child_signals(pid)}
        with self._lock:
            here = resource.getrusage(resource.RUSAGE_CHILDREN)
            reaped_here_s = here.ru_utime + here.ru_stime
            reaped_s = {pid: _reaped_s(pid) for pid in present - {os.getpid()}}
            # Last and at once: a process works on while the others are looked at, and a window that opens at
            # its work and closes at its pause would lack that.
            seen = {pid: (cpu_clock_s(pid), reaped_s.get(pid, 0.0)) for pid in present}
            if self.discarding:
                self._lost_s += self._lost_since_last_look_s(seen, reaped_here_s)
            self._seen, self._reaped_here_s = seen, reaped_here_s
            return reaped_here_s + self._lost_s + sum(own_s + their_s for own_s, their_s in seen.values())

    def _lost_since_last_look_s(self, seen: dict[int, tuple[float, float]], reaped_here_s: float) -> float:
        """Time of processes that have ended since the last look and that is not counted anywhere."""
        ended_s = sum(sum(counts) for pid, counts in self._seen.items() if pid not in seen)
        counted_s = reaped_here_s - self._reaped_here_s
        counted_s += sum(counts[1] - self._seen[pid][1] for pid, counts in seen.items() if pid in self._seen)
        lost_s = ended_s - counted_s
        # Counts of reaped time come in ticks of the kernel, for user and system each.
        return lost_s if lost_s > _ROUNDING_S else 0.0


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


def children(pid: int) -> list[int]:
    """Process ids of the live children of a process.

    No process but this one is looked into: others may be hidden (hidepid), and there may be thousands.
    """
    if not os.access(f"{_PROC}/thread-self/children", os.F_OK):
        return [each.pid for each in psutil.process_iter(["ppid"]) if each.info["ppid"] == pid]
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"{_PROC}/{pid}/task"):  # noqa: PTH208
            found.extend(map(int, _read_text(f"{pid}/task/{task}/children").split()))
    return found


def descendants(pid: int | None = None) -> set[int]:
    """Process ids of the live descendants of a process, by default of this one."""
    reached: set[int] = set()
    waiting = [os.getpid() if pid is None else pid]
    while waiting:
        found = children(waiting.pop())
        reached.update(found)
        waiting.extend(found)
    return reached


def signal_processes(pids: Iterable[int], number: signal.Signals) -> None:
    """Sends a signal to processes, of which some may have ended."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def end_child(pid: int, timeout_s: float) -> None:
    """Kills a child of this process, and waits until it has ended or the time is over."""
    signal_processes([pid], signal.SIGKILL)
    deadline_s = time.monotonic() + timeout_s
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(pid, os.WNOHANG) == (0, 0) and time.monotonic() < deadline_s:
            time.sleep(0.01)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 where it has ended."""
    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def cpu_clock_s(pid: int) -> float:
    """Processor time of a process in seconds, to the nanosecond; 0 where it has been reaped."""
    try:
        return time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)
    except OSError:
        return 0.0 if _PROC.exists() else _reported_cpu_s(pid)


def _reported_cpu_s(pid: int) -> float:
    """Processor time of a process where there is no /proc, in the ticks that the system reports."""
    try:
        used = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(used.user + used.system)


def name_of(pid: int) -> str:
    """Name of a process, fit for a terminal; empty where it has ended."""
    try:
        return printable(_read_text(f"{pid}/comm").strip())
    except OSError:
        return ""


def stat_fields(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the state on; empty where the process has ended."""
    try:
        # The command name in parentheses may hold spaces; fields are counted after it.
        return _read_text(f"{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return []


def _read_text(name: str) -> str:
    """Text of a file below /proc. A sample reads several; to make objects of their paths takes longer."""
    with open(f"{_PROC}/{name}", "rb", buffering=0) as file:  # noqa: PTH123
        return file.read().decode(errors="replace")


def _reaped_s(pid: int) -> float:
    return sum(int(ticks) for ticks in stat_fields(pid)[13:15]) * _TICK_S


def _ignores_child_signals(pid: int) -> bool:
    """Whether a process ignores SIGCHLD, so that its children leave no trace of their time with it."""
    try:
        text = _read_text(f"{pid}/status")
    except OSError:
        return False
    ignored = text.partition("SigIgn:")[2].split(maxsplit=1)[:1]
    return bool(ignored) and bool(int(ignored[0], 16) >> (signal.SIGCHLD - 1) & 1)
