"""CPU use by other processes during a window."""

from __future__ import annotations

import functools
import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil
from pydantic import Field

from joules.instrument.host.instructions import DescendantCounter, NotCountedError
from joules.instrument.host.processes import DESCENDANTS, Job, adopt_orphans, cpu_clock_s, name_of
from joules.models import Closed

# Number of foreign programs that are named, and the least use for which one is.
_MOST_NAMED = 3
_LEAST_NAMED_CORES = 0.01


def watch_descendants() -> None:
    """Makes `snapshot` count all descendants; call it before the first is started.

    Orphaned descendants are adopted, and their instructions are counted if the processor counts any.
    """
    adopt_orphans()
    _instructions()


@functools.cache
def _instructions() -> DescendantCounter | None:
    try:
        return DescendantCounter()
    except NotCountedError:
        return None


@dataclass(frozen=True)
class Snapshot:
    """Clocks and processor seconds at one instant, each counted since some fixed origin.

    `job_cpu_s` and `job_instructions` are the job's, processes that have ended included; `own_cpu_s` is this
    process's where it is not part of the job; `others_cpu_s` every other process there is, the kernel's
    threads among them, by its id. `discarding` are programs of the job that ignore SIGCHLD.
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
    discarding: frozenset[str] = frozenset()


class Contention(Closed):
    """Processor use over a window: seconds of processor time, and shares in processors (1 is one core).

    `job_instructions` are those in user mode; null where the processor counts none. `foreign_programs` are
    the busiest of those behind `foreign_cores`, by name; programs that ended within the window have none.
    `discarding_programs` belong to the job and ignore SIGCHLD: of their children, what ran too briefly to be
    seen is counted as foreign.
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
    discarding_programs: list[str] = Field(default_factory=list)

    @property
    def job_share(self) -> float:
        """The job's part of the busy processor time, between 0 and 1."""
        return min(self.job_cpu_s / (self.busy_cores * self.duration_s or 1.0), 1.0)

    @property
    def foreign_words(self) -> str:
        """Use by other programs, for messages."""
        who = ", ".join(f"{name} {cores:.2f}" for name, cores in self.foreign_programs.items())
        return f"{self.foreign_cores:.2f} cores" + (f" ({who})" if who else "")


def snapshot(job: Job = DESCENDANTS) -> Snapshot:
    """The state now. With many descendants it takes some milliseconds; all clocks are read at the end, within
    a millisecond."""
    instructions = None if job.includes_self else _instructions()
    everyone, members = set(psutil.pids()), job.processes()
    job_s, cpu, own_s = job.cpu_s(members), psutil.cpu_times(), time.process_time()
    idle_s = cpu.idle + getattr(cpu, "iowait", 0.0)
    steal_s = getattr(cpu, "steal", 0.0)
    guest_s = getattr(cpu, "guest", 0.0) + getattr(cpu, "guest_nice", 0.0)
    return Snapshot(
        monotonic_s=time.monotonic(),
        boottime_s=_boot_clock_s(),
        wall_s=time.time(),
        busy_s=sum(cpu) - guest_s - idle_s - steal_s,
        steal_s=steal_s,
        job_cpu_s=job_s,
        job_instructions=instructions.read() if instructions else None,
        own_cpu_s=0.0 if job.includes_self else own_s,
        others_cpu_s={pid: cpu_clock_s(pid) for pid in everyone - members - {os.getpid()}},
        discarding=frozenset(job.discarding),
    )


def _boot_clock_s() -> float:
    """Seconds since the machine started, sleep included where the system counts it."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def between(start: Snapshot, end: Snapshot) -> Contention:
    """Processor use from `start` to `end`."""
    return over([(start, end)])


def over(parts: Sequence[tuple[Snapshot, Snapshot]]) -> Contention:
    """Processor use in a window that was open from the first to the second of each pair.

    Raises ValueError if there is no pair.
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
        discarding_programs=sorted(set().union(*(end.discarding for _, end in parts))),
    )


def _busiest(parts: Sequence[tuple[Snapshot, Snapshot]], duration_s: float) -> dict[str, float]:
    """Processors that other programs kept busy by name, the busiest first."""
    used_s: dict[int, float] = defaultdict(float)
    for start, end in parts:
        for pid, cpu_s in end.others_cpu_s.items():
            used_s[pid] += max(cpu_s - start.others_cpu_s.get(pid, 0.0), 0.0)
    cores: dict[str, float] = defaultdict(float)
    for pid, cpu_s in used_s.items():
        if cpu_s / duration_s >= _LEAST_NAMED_CORES and (name := name_of(pid)):
            cores[name] += cpu_s / duration_s
    return dict(sorted(cores.items(), key=lambda item: -item[1])[:_MOST_NAMED])


def _counted(parts: Sequence[tuple[Snapshot, Snapshot]]) -> int | None:
    counts = [(start.job_instructions, end.job_instructions) for start, end in parts]
    known = [end - start for start, end in counts if start is not None and end is not None]
    # On some virtual machines the counter does not move.
    return sum(known) or None if len(known) == len(counts) else None
