"""What may be wrong with a run, said in the record and never acted on by dropping it."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.bench.record import Run

# A quiet two-core machine shows a few hundredths of a core of foreign use; one busy thread shows from
# a half to one.
FOREIGN_CORES = 0.1
STEAL_CORES = 0.05
SENTINEL_DRIFT = 0.25
CLOCK_STEP_S = 0.1
# The kernel counts processor time in hundredths of a second: shorter windows are coarser than 1 %.
SHORT_WINDOW_S = 1.0
COUNTER_RESOLUTION = 0.01
COUNTER_DISAGREEMENT = 0.01


def flags_of(run: Run, quiet_sentinel_s: float, faults: Sequence[str]) -> list[str]:
    """One word with its evidence for each doubt about `run`.

    `quiet_sentinel_s` is the least the sentinel took in this session; `faults` are the sentences of
    reads that failed during the run.
    """
    flags = [f"failed: {run.failure}"] if run.failure else []
    flags += [f"read-failed: {fault}" for fault in faults]
    flags += [
        f"missing-reading: {reading.domain} from {reading.source}, {reading.detail}"
        for reading in run.readings
        if reading.provenance == "missing"
    ]
    slowest_s = max(run.sentinel.before_s, run.sentinel.after_s)
    if slowest_s > quiet_sentinel_s * (1 + SENTINEL_DRIFT):
        flags.append(f"sentinel-drift: {slowest_s / quiet_sentinel_s - 1:.0%} slower than at its best")
    use = run.contention
    if use is not None:
        if use.foreign_cores > FOREIGN_CORES:
            flags.append(f"foreign-cpu: other programs or the kernel used {use.foreign()}")
        if use.steal_cores > STEAL_CORES:
            flags.append(f"cpu-steal: the hypervisor took {use.steal_cores:.2f} cores")
        if use.suspended_s > CLOCK_STEP_S:
            flags.append(f"suspended: the machine slept for {use.suspended_s:.1f} s")
        if abs(use.clock_step_s) > CLOCK_STEP_S:
            flags.append(f"clock-step: the wall clock jumped by {use.clock_step_s:.1f} s")
    for gpu in run.gpu_use:
        if gpu.foreign_processes:
            pids = ", ".join(map(str, gpu.foreign_processes))
            flags.append(f"foreign-gpu: processes {pids} also used {gpu.domain}")
        if gpu.throttling:
            flags.append(f"throttled: {gpu.domain} by {', '.join(gpu.throttling)}")
    if run.duration_s is not None and run.duration_s < SHORT_WINDOW_S:
        flags.append(f"short-window: {run.duration_s:.2f} s")
    return flags + _coarse_counters(run) + _disagreements(run)


def _coarse_counters(run: Run) -> list[str]:
    """Counters whose own uncertainty is more than a hundredth of what they read."""
    return [
        f"short-window: {reading.source} is certain to {reading.uncertainty_j / reading.energy_j:.1%}"
        for reading in run.readings
        if reading.provenance == "counter"
        and reading.scope == "machine"
        and reading.energy_j
        and reading.uncertainty_j is not None
        and reading.uncertainty_j / reading.energy_j > COUNTER_RESOLUTION
    ]


def _disagreements(run: Run) -> list[str]:
    """Counters that differ from the integral of sampled power of the same domain."""
    by_kind = {
        (reading.domain, reading.provenance): reading.energy_j
        for reading in run.readings
        if reading.scope == "machine"
    }
    found = []
    for (domain, provenance), counted_j in by_kind.items():
        sampled_j = by_kind.get((domain, "sampled"))
        if provenance != "counter" or not counted_j or sampled_j is None:
            continue
        gap = sampled_j / counted_j - 1
        if abs(gap) > COUNTER_DISAGREEMENT:
            found.append(f"counter-integral: {domain} integral is {gap:+.1%} off its counter")
    return found
