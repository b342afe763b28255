"""The part of the machine's energy that a job answers for.

The attributed energy of a job is what the machine would have used for it had it been alone. It therefore
does not move when a neighbour works, and equals the machine's reading when there is none:

- processor, modelled: CodeCarbon's load model at the job's own load. The model is convex in load, so
  sharing its output by CPU time would charge a job more the busier its neighbours are.
- processor, counted: idle energy, plus what lies above it in proportion to CPU time,
  `e_idle + (e_cpu - e_idle) * job_cpu_s / busy_cpu_s`.
- GPU: the same with the job's share of streaming-multiprocessor use in place of CPU time.
- whole machine: the same with the shares of its GPUs and, for the rest, of the CPU time, by their energy.
- memory: the energy times the job's proportional set size (PSS) over the installed memory.

A job slowed down by its neighbours is charged for the longer time it held the machine; the bench flags
such runs. Shares of CPU time and PSS follow Henderson et al. 2020, section 4; charging by the job alone
instead of by the sum of all jobs is ours.
"""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from joules.instrument.host.limits import installed_memory_bytes
from joules.instrument.host.processes import DESCENDANTS, Job, resident_bytes
from joules.instrument.reading import Reading, primary
from joules.instrument.source import MACHINE, Channel, Source

_PSS_EVERY_S = 5.0


class JobModel(Source):
    """Modelled power of a job, as channels of scope 'job'.

    `processor_w` maps a load between 0 and 1 to watts; `memory_w` is the power of all installed memory.
    """

    period_s = 1.0

    def __init__(
        self,
        processor_w: Callable[[float], float],
        memory_w: float,
        job: Job = DESCENDANTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._processor_w = processor_w
        self._memory_w = memory_w
        self._job = job
        self._clock = clock
        self._cores = os.cpu_count() or 1
        self._last = (job.cpu_s(), clock())
        self._installed_bytes = installed_memory_bytes()
        self._working: set[int] = set()
        self._memory_share, self._memory_read_s = 0.0, -_PSS_EVERY_S
        self._cpu_channel = _job_channel("cpu", "load model at the job's own load")
        self._memory_channel = _job_channel("dram", "memory model times the job's share (PSS)")

    @property
    def channels(self) -> tuple[Channel, ...]:
        return (self._cpu_channel, self._memory_channel)

    def read(self) -> Mapping[Channel, float]:
        used_s, now_s = self._job.cpu_s(), self._clock()
        last_used_s, last_s = self._last
        self._last = (used_s, now_s)
        elapsed_s = now_s - last_s
        load = (used_s - last_used_s) / (elapsed_s * self._cores) if elapsed_s > 0 else 0.0
        # Walking the page tables of a large process takes milliseconds: not on every read, but whenever
        # processes came or went.
        working, paused = self._job.working_and_stopped()
        if working != self._working or now_s - self._memory_read_s >= _PSS_EVERY_S:
            held_bytes = sum_memory_bytes(working, shared_with_paused=bool(paused))
            self._memory_share = held_bytes / self._installed_bytes
            self._memory_read_s, self._working = now_s, working
        return {
            self._cpu_channel: self._processor_w(min(max(load, 0.0), 1.0)),
            self._memory_channel: self._memory_w * self._memory_share,
        }


def job_readings(
    readings: Sequence[Reading],
    idle_power_w: Mapping[str, float],
    duration_s: float,
    cpu_share: float,
    gpu_shares: Mapping[str, float],
    invisible: Collection[str] = (),
) -> list[Reading]:
    """The job's readings, one a domain of the machine's primary readings.

    Modelled domains keep the job channels the meter sampled. Counted and sampled ones are divided:
    `cpu_share` is the job's part of the busy CPU time, `gpu_shares` its part of SM use by domain,
    `idle_power_w` the machine's measured idle power by domain; its share of the memory is that of the
    modelled readings. A domain whose share is not known is charged to the job, and its detail says so; a GPU
    that is `invisible` to the job is not.
    """
    jobs = {reading.domain: reading for reading in readings if reading.scope == "job"}
    attributed = []
    for whole in primary(readings):
        own = jobs.get(whole.domain)
        if whole.energy_j is None:
            continue
        if whole.provenance == "modelled" and own is not None:
            attributed.append(own)
        elif whole.domain in invisible:
            detail = f"{whole.detail}; not visible to the job"
            nothing = {"scope": "job", "energy_j": 0.0, "uncertainty_j": 0.0, "calibration_j": 0.0}
            attributed.append(whole.model_copy(update={**nothing, "detail": detail}))
        elif whole.domain == "dram" and own is not None:
            attributed.append(_divided(whole, _share(own, readings), 0.0))
        else:
            shares = {"cpu": cpu_share, MACHINE: _machine_share(whole, readings, cpu_share, gpu_shares)}
            share = (shares | dict(gpu_shares)).get(whole.domain)
            attributed.append(_divided(whole, share, idle_power_w.get(whole.domain, 0.0) * duration_s))
    return attributed


def _machine_share(
    whole: Reading, readings: Sequence[Reading], cpu_share: float, gpu_shares: Mapping[str, float]
) -> float:
    """The job's part of a reading of the whole machine: of each GPU that was read its share (all of one whose
    share is not known), of the rest that of the processor time, weighted by their energy."""
    gpus = [
        reading
        for reading in primary([each for each in readings if each.domain != MACHINE])
        if reading.domain.startswith("gpu") and reading.provenance in ("counter", "sampled")
    ]
    of_gpus_j = sum(reading.energy_j or 0.0 for reading in gpus)
    rest_j = max((whole.energy_j or 0.0) - of_gpus_j, 0.0)
    own_j = sum(gpu_shares.get(reading.domain, 1.0) * (reading.energy_j or 0.0) for reading in gpus)
    return (own_j + cpu_share * rest_j) / (of_gpus_j + rest_j or 1.0)


def _share(own: Reading, readings: Sequence[Reading]) -> float | None:
    """The job's part of its domain, as the model of both has it."""
    modelled_j = [
        reading.energy_j
        for reading in readings
        if (reading.domain, reading.scope, reading.provenance) == (own.domain, "machine", "modelled")
    ]
    if own.energy_j is None or not modelled_j or not modelled_j[0]:
        return None
    return own.energy_j / modelled_j[0]


def _divided(whole: Reading, share: float | None, idle_j: float) -> Reading:
    energy_j = whole.energy_j or 0.0
    above_j = max(energy_j - idle_j, 0.0)
    divided = "the energy above idle" if idle_j else "the energy"
    said = f"100 % of {divided} (share unknown)" if share is None else f"{share:.0%} of {divided}"
    return whole.model_copy(
        update={
            "scope": "job",
            "energy_j": min(energy_j, idle_j) + (1.0 if share is None else share) * above_j,
            "detail": f"{whole.detail}; {said}",
        }
    )


def _job_channel(domain: str, detail: str) -> Channel:
    return Channel(
        domain=domain,
        source=f"job-{domain}",
        provenance="modelled",
        form="mean_w",
        detail=detail,
        scope="job",
    )


def sum_memory_bytes(job: Iterable[int], shared_with_paused: bool) -> float:
    """Memory that the processes of a job use, pages they share counted once.

    This is the sum of their proportional set sizes. Paused runs, which were forked from the same image, share
    pages with the job and would reduce this sum. With paused runs the result is therefore the job's private
    pages plus the largest shared part of one of its processes: the memory that the job would use alone.
    """
    sizes = [_set_sizes(pid) for pid in job]
    if not shared_with_paused:
        return sum(size["Pss"] for size in sizes)
    private = sum(size["Private_Clean"] + size["Private_Dirty"] for size in sizes)
    return private + max((size["Shared_Clean"] + size["Shared_Dirty"] for size in sizes), default=0)


def _set_sizes(pid: int) -> Mapping[str, int]:
    """Bytes by name of a process's memory; none where it has ended. Where the kernel does not tell how pages
    are shared, all that are resident count as the process's own."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(errors="replace")
    except OSError:
        held_bytes = resident_bytes(pid)
        return defaultdict(int, Pss=held_bytes, Private_Dirty=held_bytes)
    sizes = re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)
    return defaultdict(int, {name: int(kib) * 1024 for name, kib in sizes})
