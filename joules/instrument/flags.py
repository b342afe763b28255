"""Quality flags of a measurement: reported with it; no measurement is dropped because of one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from joules.instrument.host.contention import Contention
from joules.instrument.host.gpus import GpuUse
from joules.instrument.host.node import describe_share
from joules.instrument.reading import Reading, primary
from joules.instrument.source import MACHINE, Notice

# A quiet two-core machine shows a few hundredths of a core of foreign use; one busy thread shows from
# a half to one.
FOREIGN_CORES = 0.1
STEAL_CORES = 0.05
CLOCK_STEP_S = 0.1
# The kernel counts processor time in hundredths of a second: shorter windows are coarser than 1 %.
SHORT_WINDOW_S = 1.0
COUNTER_RESOLUTION = 0.01
COUNTER_DISAGREEMENT = 0.01


def flags_of(
    readings: Sequence[Reading],
    contention: Contention | None,
    gpu_use: Sequence[GpuUse],
    duration_s: float | None,
    faults: Sequence[str],
    notices: Sequence[Notice] = (),
    idle_use: Contention | None = None,
) -> list[str]:
    """Quality flags of a measurement.

    Args:
        readings: Its readings.
        contention: Use of the processors by others.
        gpu_use: Use of each GPU.
        duration_s: Its length in seconds.
        faults: Messages of reads that failed during it.
        notices: What its sources say of themselves.
        idle_use: Use of the processors by others while idle power was measured.

    Returns:
        Flags as `keyword: evidence`.
    """
    return [
        *(f"source-notice: {notice}" for notice in notices if notice.level == "flag"),
        *(f"read-failed: {fault}" for fault in faults),
        *(
            f"missing-reading: {reading.domain} from {reading.source}, {reading.detail}"
            for reading in readings
            if reading.provenance == "missing"
        ),
        *(_disturbances(contention) if contention else ()),
        *_shared_node(),
        *(_shared_idle(readings, idle_use) if idle_use else ()),
        *_gpu_disturbances(gpu_use),
        *(
            [f"short-window: {duration_s:.2f} s"]
            if duration_s is not None and duration_s < SHORT_WINDOW_S
            else ()
        ),
        *_coarse_counters(readings),
        *_disagreements(readings),
        *_excesses(readings),
    ]


def _disturbances(use: Contention) -> Iterator[str]:
    if use.foreign_cores > FOREIGN_CORES:
        yield f"foreign-cpu: other programs or the kernel used {use.foreign_words}"
    if use.discarding_programs:
        names = ", ".join(use.discarding_programs)
        yield f"discarded-children: {names} ignores SIGCHLD, so its brief children may count as foreign"
    if use.steal_cores > STEAL_CORES:
        yield f"cpu-steal: the hypervisor took {use.steal_cores:.2f} cores"
    if use.suspended_s > CLOCK_STEP_S:
        yield f"suspended: the machine slept for {use.suspended_s:.1f} s"
    if abs(use.clock_step_s) > CLOCK_STEP_S:
        yield f"clock-step: the wall clock jumped by {use.clock_step_s:.1f} s"


def _shared_node() -> Iterator[str]:
    if share := describe_share():
        yield f"shared-node: {share}: other jobs may use the rest, and counters read the whole node"


def _shared_idle(readings: Sequence[Reading], idle_use: Contention) -> Iterator[str]:
    """Idle power with the work of others in it, where the energy above it is what is attributed."""
    is_divided = any(reading.provenance in ("counter", "sampled") for reading in primary(readings))
    if is_divided and idle_use.foreign_cores > FOREIGN_CORES:
        yield (
            f"shared-idle: other programs or the kernel used {idle_use.foreign_words} while idle power was "
            "measured: attributed energy includes theirs up to this power"
        )


def _gpu_disturbances(gpu_use: Sequence[GpuUse]) -> Iterator[str]:
    for gpu in gpu_use:
        if gpu.foreign_processes:
            pids = ", ".join(map(str, gpu.foreign_processes))
            yield f"foreign-gpu: processes {pids} also used {gpu.domain}"
        for doubt in gpu.doubts:
            yield f"gpu-share: {gpu.domain}: {doubt}"
        if gpu.throttling:
            yield f"throttled: {gpu.domain} by {', '.join(gpu.throttling)}"


def _coarse_counters(readings: Sequence[Reading]) -> Iterator[str]:
    """Counters whose uncertainty without calibration is more than 1 % of their reading."""
    for reading in readings:
        if (reading.provenance, reading.scope) != ("counter", "machine") or not reading.energy_j:
            continue
        share = reading.random_j / reading.energy_j
        if share > COUNTER_RESOLUTION:
            yield f"short-window: {reading.source} has an uncertainty of {share:.1%}"


def _disagreements(readings: Sequence[Reading]) -> Iterator[str]:
    """Counters that differ from the integral of sampled power of the same domain."""
    by_kind = {
        (reading.domain, reading.provenance): reading for reading in readings if reading.scope == "machine"
    }
    for (domain, provenance), counted in by_kind.items():
        sampled = by_kind.get((domain, "sampled"))
        if provenance != "counter" or not counted.energy_j or sampled is None or sampled.energy_j is None:
            continue
        gap = sampled.energy_j / counted.energy_j - 1
        # Both use the same sensor, so its calibration does not explain a difference.
        expected = 2 * math.hypot(counted.random_j, sampled.random_j) / counted.energy_j
        if abs(gap) > max(COUNTER_DISAGREEMENT, expected):
            yield f"counter-integral: {domain} integral is {gap:+.1%} off its counter"


def _excesses(readings: Sequence[Reading]) -> Iterator[str]:
    """Readings of a whole machine that are less than the sum of its measured parts."""
    whole = next((reading for reading in primary(readings) if reading.domain == MACHINE), None)
    if whole is None or whole.energy_j is None:
        return
    parts = [
        reading
        for reading in primary([each for each in readings if each.domain != MACHINE])
        if reading.provenance in ("counter", "sampled")
    ]
    parts_j = sum(reading.energy_j or 0.0 for reading in parts)
    deviation_j = math.hypot(whole.uncertainty_j or 0.0, *(reading.uncertainty_j or 0.0 for reading in parts))
    if parts_j - whole.energy_j > 2 * deviation_j:
        names = ", ".join(reading.domain for reading in parts)
        yield f"machine-below-parts: {whole.source} read {whole.energy_j:.4g} J, {names} {parts_j:.4g} J"
