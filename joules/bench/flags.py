"""Quality flags of a run. A flagged run is kept; tables report results with and without it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from joules.bench.record import Run
from joules.bench.window import Threads
from joules.instrument import flags
from joules.instrument.host.contention import Contention
from joules.instrument.source import Notice

SENTINEL_DRIFT = 0.25
# Processor seconds that a child may use after its window, apart from its evaluation.
AFTER_WINDOW_CPU_S = 0.25


def find_flags(
    run: Run,
    quiet_sentinel_s: float,
    faults: Sequence[str],
    notices: Sequence[Notice] = (),
    interference: Sequence[str] = (),
    threads: Threads | None = None,
    idle_use: Contention | None = None,
) -> list[str]:
    """Quality flags of a run.

    Args:
        run: The run.
        quiet_sentinel_s: Shortest duration of the sentinel in this session, in seconds.
        faults: Messages of reads that failed during the run.
        notices: What the sources say of themselves.
        interference: What of the user's environment changes the run.
        threads: Threads of its child.
        idle_use: Use of the processors by others while idle power was measured.

    Returns:
        Flags as `keyword: evidence`.
    """
    failed = [f"failed: {run.failure}"] if run.failure else []
    slowest_s = max(run.sentinel.before_s, run.sentinel.after_s)
    drift = slowest_s / quiet_sentinel_s - 1
    drifted = (
        [f"sentinel-drift: {drift:.0%} slower than the fastest of this session"]
        if drift > SENTINEL_DRIFT
        else []
    )
    left_s = run.after.cpu_s - run.after.evaluation_cpu_s if run.after else 0.0
    worked_on = (
        [f"after-window: {left_s:.2f} s of processor time after the window, apart from the evaluation"]
        if left_s > AFTER_WINDOW_CPU_S
        else []
    )
    measured = flags.flags_of(
        run.readings, run.contention, run.gpu_use, run.duration_s, faults, notices, idle_use
    )
    environment = [f"environment: {what}" for what in interference]
    disagreeing = _thread_flags(threads, run.threads) if threads else ()
    return [*failed, *environment, *disagreeing, *drifted, *worked_on, *measured]


def _thread_flags(threads: Threads, granted: int) -> Iterator[str]:
    if threads.given != granted:
        yield f"threads: PyTorch started with {threads.given} of {granted} threads"
    if threads.at_work not in (0, threads.asked):
        yield f"threads: {threads.at_work} worked, {threads.asked} were requested"
