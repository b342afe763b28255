"""What a person watching a campaign sees."""

from __future__ import annotations

import sys
import time

from joules.bench.record import Run


class Progress:
    """One line a run on standard error: where we are, what it read, how long is left."""

    def __init__(self, experiment: str, block: int, blocks: int) -> None:
        self._title = f"{experiment} block {block + 1}/{blocks}"
        self._missing = 0
        self._finished = 0
        self._done: dict[str, float] = {}
        self._energy_j: dict[str, float] = {}
        self._start_s = time.monotonic()

    def say(self, sentence: str) -> None:
        print(f"{self._title}: {sentence}", file=sys.stderr, flush=True)

    def plan(self, kept: int, missing: int) -> None:
        """Announces how many runs are already recorded and how many are to be measured."""
        self._missing = missing
        self._start_s = time.monotonic()
        kept_words = f", {kept} already recorded" if kept else ""
        self.say(f"{missing} runs to measure{kept_words}")

    def rests(self, arm: str, share: float, energy_j: float | None) -> None:
        """Notes that a run has done a share of its work so far, and the joules of it."""
        self._done[arm], self._energy_j[arm] = share, energy_j or 0.0

    def turn(self, number: int, runs: int) -> None:
        """Announces another turn of the runs that rest."""
        self.say(f"turn {number}, resting runs: {runs}; {self._so_far()}")

    def done(self, run: Run) -> None:
        """Reports one run."""
        self._finished += 1
        self._done[run.arm] = 1.0
        self._energy_j[run.arm] = run.total.energy_j if run.total else 0.0
        self.say(f"run {self._finished}/{self._missing} {run.arm}: {_outcome(run)}; {self._so_far()}")

    def _so_far(self) -> str:
        done = sum(self._done.values())
        left_s = (time.monotonic() - self._start_s) / done * (self._missing - done)
        energy_j = sum(self._energy_j.values())
        return f"{energy_j:.0f} J so far, about {_clock(left_s)} left in this block"


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
