"""Who else used the processor during a window: the first enemy of a measurement on a small machine."""

from __future__ import annotations

import ctypes
import functools
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from experiments.energy import limits
from experiments.energy.instructions import DescendantCounter, NotCountedError
from experiments.schema import Closed

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PR_SET_CHILD_SUBREAPER = 36
# The kernel's fixed number of the process id namespace it boots with (PROC_PID_INIT_INO).
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC


def watch_descendants() -> None:
    """Lets no descendant escape `snapshot`: to be called before the first is started.

    This process becomes the parent of those whose own parent died (Linux; elsewhere nothing happens), and
    their instructions are counted where the processor counts any.
    """
    if os.uname().sysname == "Linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _instructions()


@functools.cache
def _instructions() -> DescendantCounter | None:
    try:
        return DescendantCounter()
    except NotCountedError:
        return None


def usable_cores() -> int:
    """Logical processors this process may keep busy; a batch system or a container may grant fewer than the
    machine has."""
    granted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # More threads than a quota has whole cores would be stopped in the middle of their work.
    return max(math.floor(min(granted, limits.processor_quota_cores())), 1)


def in_initial_pid_namespace() -> bool:
    """Whether process ids here are the kernel's own; in most containers they are not."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino == _INITIAL_PID_NAMESPACE
    except OSError:
        return False


@dataclass(frozen=True)
class Snapshot:
    """Clocks and CPU seconds at one instant, each counted since some fixed origin.

    `job_cpu_s` and `job_instructions` are this process's descendants, reaped ones included; `own_cpu_s` this
    process.
    """

    monotonic_s: float
    boottime_s: float
    wall_s: float
    busy_s: float
    steal_s: float
    job_cpu_s: float
    job_instructions: int | None
    own_cpu_s: float


class Contention(Closed):
    """CPU use over a window: seconds of processor time, and shares in processors (1 is one core).

    `job_instructions` are those in user mode; null where the processor counts none.
    """

    duration_s: float
    job_cpu_s: float
    job_instructions: int | None = None
    busy_cores: float
    foreign_cores: float
    steal_cores: float
    suspended_s: float
    clock_step_s: float


def snapshot() -> Snapshot:
    """The state now. Costs well under a millisecond."""
    cpu = psutil.cpu_times()
    idle_s = cpu.idle + getattr(cpu, "iowait", 0.0)
    steal_s = getattr(cpu, "steal", 0.0)
    guest_s = getattr(cpu, "guest", 0.0) + getattr(cpu, "guest_nice", 0.0)
    own, instructions = os.times(), _instructions()
    return Snapshot(
        monotonic_s=time.monotonic(),
        boottime_s=time.clock_gettime(time.CLOCK_BOOTTIME),
        wall_s=time.time(),
        busy_s=sum(cpu) - guest_s - idle_s - steal_s,
        steal_s=steal_s,
        job_cpu_s=job_cpu_s(),
        job_instructions=instructions.read() if instructions else None,
        own_cpu_s=own.user + own.system,
    )


def job_cpu_s() -> float:
    """CPU seconds of this process's descendants so far, those that have ended included.

    What a descendant has reaped is in its own count, and what this process has reaped in its, so that
    short-lived grandchildren are not lost.
    """
    own = os.times()
    return own.children_user + own.children_system + sum(map(_cpu_s, descendants()))


def descendants() -> set[int]:
    """Process ids of the live descendants of this process."""
    found: set[int] = set()
    waiting = [os.getpid()]
    while waiting:
        children = _children(waiting.pop())
        found.update(children)
        waiting.extend(children)
    return found


def working_and_stopped() -> tuple[set[int], set[int]]:
    """Process ids of the live descendants, those that are stopped apart."""
    found = descendants()
    stopped = {pid for pid in found if _stat(pid)[:1] == ["T"]}
    return found - stopped, stopped


def between(start: Snapshot, end: Snapshot) -> Contention:
    """What happened from `start` to `end`."""
    return over([(start, end)])


def over(parts: Sequence[tuple[Snapshot, Snapshot]]) -> Contention:
    """What happened in a window open from the first to the second of each pair.

    Raises ValueError where there is no pair.
    """
    if not parts:
        raise ValueError("a window without parts")

    def grown(clock: str) -> float:
        return sum((getattr(end, clock) - getattr(start, clock) for start, end in parts), 0.0)

    duration_s, boot_s, busy_s = grown("monotonic_s"), grown("boottime_s"), grown("busy_s")
    foreign_s = busy_s - grown("job_cpu_s") - grown("own_cpu_s")
    return Contention(
        duration_s=duration_s,
        job_cpu_s=grown("job_cpu_s"),
        job_instructions=_counted(parts),
        busy_cores=busy_s / duration_s,
        # Ticks are coarser than the kernel's per-process clock: a small negative remainder is zero.
        foreign_cores=max(foreign_s, 0.0) / duration_s,
        steal_cores=grown("steal_s") / duration_s,
        suspended_s=boot_s - duration_s,
        clock_step_s=grown("wall_s") - boot_s,
    )


def _counted(parts: Sequence[tuple[Snapshot, Snapshot]]) -> int | None:
    counts = [(start.job_instructions, end.job_instructions) for start, end in parts]
    known = [end - start for start, end in counts if start is not None and end is not None]
    # Some virtual machines offer a counter that stands still.
    return sum(known) or None if len(known) == len(counts) else None


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found.extend(int(child) for child in (task / "children").read_text().split())
    except OSError:
        pass
    return found


def _cpu_s(pid: int) -> float:
    return sum(int(ticks) for ticks in _stat(pid)[11:15]) * _TICK_S


def _stat(pid: int) -> list[str]:
    """Fields of a process from its state on; empty where it has ended."""
    try:
        # The command name in parentheses may hold spaces; fields are counted after it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
