"""Who else used the processor during a window: the first enemy of a measurement on a small machine."""

from __future__ import annotations

import ctypes
import functools
import math
import os
import resource
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from pydantic import Field

from experiments.energy import limits
from experiments.energy.instructions import DescendantCounter, NotCountedError
from experiments.schema import Closed

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PR_SET_CHILD_SUBREAPER = 36
# With a process id above it, the id of that process's clock (clock_getcpuclockid(3), as glibc makes it).
_CPUCLOCK_SCHED = 2
# Of what disturbs a window so many programs are named, and none that used less.
_MOST_NAMED = 3
_LEAST_NAMED_CORES = 0.01
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
    process; `others_cpu_s` every other process there is, the kernel's threads among them, by its id.
    """

    monotonic_s: float
    boottime_s: float
    wall_s: float
    busy_s: float
    steal_s: float
    job_cpu_s: float
    job_instructions: int | None
    own_cpu_s: float
    others_cpu_s: Mapping[int, float]


class Contention(Closed):
    """CPU use over a window: seconds of processor time, and shares in processors (1 is one core).

    `job_instructions` are those in user mode; null where the processor counts none. `foreign_programs` are
    the busiest of those behind `foreign_cores`, by name; programs that ended within the window have none.
    """

    duration_s: float
    job_cpu_s: float
    job_instructions: int | None = None
    busy_cores: float
    foreign_cores: float
    foreign_programs: dict[str, float] = Field(default_factory=dict)
    steal_cores: float
    suspended_s: float
    clock_step_s: float

    def foreign(self) -> str:
        """What others used, in words."""
        who = ", ".join(f"{name} {cores:.2f}" for name, cores in self.foreign_programs.items())
        return f"{self.foreign_cores:.2f} cores" + (f" ({who})" if who else "")


def snapshot() -> Snapshot:
    """The state now. Takes some milliseconds where there are many descendants; all its clocks are read at the
    end of them, within a millisecond."""
    instructions, everyone, job = _instructions(), set(psutil.pids()), descendants()
    job_s, cpu, own_s = _cpu_s(job), psutil.cpu_times(), time.process_time()
    idle_s = cpu.idle + getattr(cpu, "iowait", 0.0)
    steal_s = getattr(cpu, "steal", 0.0)
    guest_s = getattr(cpu, "guest", 0.0) + getattr(cpu, "guest_nice", 0.0)
    return Snapshot(
        monotonic_s=time.monotonic(),
        boottime_s=time.clock_gettime(time.CLOCK_BOOTTIME),
        wall_s=time.time(),
        busy_s=sum(cpu) - guest_s - idle_s - steal_s,
        steal_s=steal_s,
        job_cpu_s=job_s,
        job_instructions=instructions.read() if instructions else None,
        own_cpu_s=own_s,
        others_cpu_s={pid: _cpu_clock_s(pid) for pid in everyone - job - {os.getpid()}},
    )


def job_cpu_s() -> float:
    """CPU seconds of this process's descendants up to the return, those that have ended included.

    What a descendant has reaped is in its own count, and what this process has reaped in its, so that
    short-lived grandchildren are not lost.
    """
    return _cpu_s(descendants())


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
        foreign_programs=_busiest(parts, duration_s),
        steal_cores=grown("steal_s") / duration_s,
        suspended_s=boot_s - duration_s,
        clock_step_s=grown("wall_s") - boot_s,
    )


def _busiest(parts: Sequence[tuple[Snapshot, Snapshot]], duration_s: float) -> dict[str, float]:
    """Processors that other programs kept busy by name, the busiest first."""
    used_s: dict[int, float] = defaultdict(float)
    for start, end in parts:
        for pid, cpu_s in end.others_cpu_s.items():
            used_s[pid] += max(cpu_s - start.others_cpu_s.get(pid, 0.0), 0.0)
    cores: dict[str, float] = defaultdict(float)
    for pid, cpu_s in used_s.items():
        if cpu_s / duration_s >= _LEAST_NAMED_CORES and (name := _name(pid)):
            cores[name] += cpu_s / duration_s
    return dict(sorted(cores.items(), key=lambda item: -item[1])[:_MOST_NAMED])


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


def _cpu_s(job: set[int]) -> float:
    reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
    reaped_s = reaped.ru_utime + reaped.ru_stime + sum(map(_reaped_s, job))
    # Last and at once: a descendant works on while the others are looked at, and a window that opens at its
    # work and closes at its rest would lack that.
    return reaped_s + sum(map(_cpu_clock_s, job))


def _reaped_s(pid: int) -> float:
    return sum(int(ticks) for ticks in _stat(pid)[13:15]) * _TICK_S


def _cpu_clock_s(pid: int) -> float:
    """CPU seconds of a process to the nanosecond; 0 where it has been reaped."""
    try:
        return time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)
    except OSError:
        return 0.0


def _name(pid: int) -> str:
    """Name of a process; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """Fields of a process from its state on; empty where it has ended."""
    try:
        # The command name in parentheses may hold spaces; fields are counted after it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
