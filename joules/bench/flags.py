"""What may be wrong with a run, said in the record and never acted on by dropping it."""

from __future__ import annotations

from collections.abc import Sequence

from joules.bench.record import Run
from joules.instrument import flags

SENTINEL_DRIFT = 0.25


def flags_of(run: Run, quiet_sentinel_s: float, faults: Sequence[str]) -> list[str]:
    """One word with its evidence for everything that speaks against `run`.

    `quiet_sentinel_s` is the least the sentinel took in this session; `faults` are the sentences of
    reads that failed during the run.
    """
    failed = [f"failed: {run.failure}"] if run.failure else []
    slowest_s = max(run.sentinel.before_s, run.sentinel.after_s)
    drift = slowest_s / quiet_sentinel_s - 1
    drifted = [f"sentinel-drift: {drift:.0%} slower than at its best"] if drift > SENTINEL_DRIFT else []
    measured = flags.flags_of(run.readings, run.contention, run.gpu_use, run.duration_s, faults)
    return [*failed, *drifted, *measured]
