"""What a person watching a campaign sees."""

from __future__ import annotations

import sys
import time

from experiments.bench.record import Run


class Progress:
    """One line a run on standard error: where we are, what it read, how long is left."""

    def __init__(self, experiment: str, block: int, blocks: int) -> None:
        self._title = f"{experiment} block {block + 1}/{blocks}"
        self._missing = 0
        self._finished = 0
        self._energy_j = 0.0
        self._start_s = time.monotonic()

    def say(self, sentence: str) -> None:
        print(f"{self._title}: {sentence}", file=sys.stderr, flush=True)

    def plan(self, kept: int, missing: int) -> None:
        """Announces how many runs are already recorded and how many are to be measured."""
        self._missing = missing
        self._start_s = time.monotonic()
        kept_words = f", {kept} already recorded" if kept else ""
        self.say(f"{missing} runs to measure{kept_words}")

    def done(self, run: Run) -> None:
        """Reports one run."""
        self._finished += 1
        if run.total is not None:
            self._energy_j += run.total.energy_j
        elapsed_s = time.monotonic() - self._start_s
        left_s = elapsed_s / self._finished * (self._missing - self._finished)
        self.say(
            f"run {self._finished}/{self._missing} {run.arm}: {_outcome(run)}; "
            f"{self._energy_j:.0f} J so far, about {_clock(left_s)} left in this block"
        )


def _outcome(run: Run) -> str:
    if run.failure:
        return f"FAILED, {run.failure}"
    if run.total is None:
        return "energy missing"
    flags = f" [{', '.join(flag.split(':')[0] for flag in run.flags)}]" if run.flags else ""
    return f"{run.total.energy_j:.1f} J {run.total.provenance} in {run.duration_s:.1f} s{flags}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
