"""Messages and times of a campaign in progress."""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from joules.bench.record import Run, Spent
from joules.errors import UserError
from joules.models import printable
from joules.study.campaign import Campaign, other_releases
from joules.study.design import Scale
from joules.study.files import read_content


@dataclass(frozen=True)
class Expectation:
    """What runs took in a released campaign at the same scale, set-up included.

    Args:
        campaign: Name of the campaign.
        machine: Its processor.
        seconds: Mean duration by arm, in seconds.
        energy_j: Mean energy by arm, in joules; arms whose energy was not read are left out.
        provenance: How the energy was read.
    """

    campaign: str
    machine: str
    seconds: Mapping[str, float]
    energy_j: Mapping[str, float]
    provenance: str

    def describe(self, arms: Iterable[str]) -> str:
        """The expected duration of some arms, in words; empty if none of them is known."""
        known = [self.seconds[arm] for arm in arms if arm in self.seconds]
        return (
            f"about {format_duration(sum(known))} as in {self.campaign} (on {self.machine})" if known else ""
        )


class _Processor(BaseModel):
    processor: str


class _Provenance(BaseModel):
    provenance: str


class _Run(BaseModel):
    """What of a run's record an expectation needs."""

    kind: Literal["run"]
    arm: str
    scale: str
    measured_at: str
    machine: _Processor
    spent: Spent
    total: _Provenance | None


def load_expectation(campaign: Campaign, experiment: str, scale: Scale) -> Expectation | None:
    """What runs took in the newest other released campaign at a scale; None if there is none."""
    newest: tuple[str, Expectation] | None = None
    for other in other_releases(campaign):
        seconds: dict[str, list[float]] = {}
        energy_j: dict[str, list[float]] = {}
        machine, measured_at = "", ""
        kinds: dict[str, None] = {}
        for run in _read_unverified(other, experiment):
            if run.scale == scale:
                seconds.setdefault(run.arm, []).append(run.spent.duration_s)
                if run.spent.energy_j is not None:
                    energy_j.setdefault(run.arm, []).append(run.spent.energy_j)
                kinds[run.total.provenance if run.total else "missing"] = None
                machine = run.machine.processor
                measured_at = max(measured_at, run.measured_at)
        if seconds and (newest is None or measured_at > newest[0]):
            provenance = "/".join(kinds)
            newest = (
                measured_at,
                Expectation(other.name, machine, _means(seconds), _means(energy_j), provenance),
            )
    return newest[1] if newest else None


def _means(numbers: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: statistics.fmean(each) for name, each in numbers.items()}


def _read_unverified(campaign: Campaign, experiment: str) -> Iterator[_Run]:
    """Runs without a check of their hashes, which an estimate of a duration does not need."""
    for path in sorted((campaign.runs / experiment).glob("block-*")):
        # The campaign's own steps report a bad file.
        with suppress(UserError, OSError):
            for line in read_content(path).splitlines():
                with suppress(ValidationError):
                    yield _Run.model_validate_json(line)


@dataclass(frozen=True)
class Times:
    """Time that measuring one block took, and time that it waited, in seconds."""

    experiment: str
    block: int
    finished_at_s: float
    measured_s: float
    waited_s: float


class Progress:
    """Reports progress on standard error: one line for each run, with its energy and the time left.

    Args:
        experiment: Name of the experiment.
        block: Number of the block, from 0.
        blocks: Number of blocks.
    """

    def __init__(self, experiment: str, block: int, blocks: int) -> None:
        self._experiment, self._block = experiment, block
        self._title = f"{experiment} block {block + 1}/{blocks}"
        self._missing = 0
        self._finished = 0
        self._done: dict[str, float] = {}
        self._energy_j: dict[str, float] = {}
        self._begun_s = self._start_s = time.monotonic()
        self._waited_s = 0.0

    def say(self, message: str) -> None:
        """Prints a message about this block."""
        print(f"{self._title}: {message}", file=sys.stderr, flush=True)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the time of the body as waiting."""
        start_s = time.monotonic()
        try:
            yield
        finally:
            self._waited_s += time.monotonic() - start_s

    def plan(self, kept: int, missing: Iterable[str], expected: Expectation | None) -> None:
        """Announces how many runs are already recorded and which are to be measured."""
        names = list(missing)
        self._missing = len(names)
        self._start_s = time.monotonic()
        kept_words = f", {kept} already recorded" if kept else ""
        words = expected.describe(names) if expected else ""
        self.say(f"{len(names)} runs to measure{kept_words}" + (f"; {words}" if words else ""))

    def begin(self) -> None:
        """Starts the clock of the runs, after the set-up of the block."""
        self._start_s = time.monotonic()

    def note_pause(self, arm: str, share: float, energy_j: float | None) -> None:
        """Notes the share of its work that a paused run has done, and its energy so far in joules."""
        self._done[arm], self._energy_j[arm] = share, energy_j or 0.0

    def announce_turn(self, number: int, runs: int) -> None:
        """Announces another turn of a number of paused runs."""
        self.say(f"turn {number}, paused runs: {runs}; {self._so_far()}")

    def report(self, run: Run) -> None:
        """Reports a run that has ended."""
        self._finished += 1
        self._done[run.arm] = 1.0
        self._energy_j[run.arm] = run.total.energy_j if run.total else 0.0
        self.say(f"run {self._finished}/{self._missing} {run.arm}: {_outcome(run)}; {self._so_far()}")

    def finish(self, file: Path) -> None:
        """Reports what the block took, and appends it to a file for the summary of the workflow."""
        whole_s = time.monotonic() - self._begun_s
        times = Times(self._experiment, self._block, time.time(), whole_s - self._waited_s, self._waited_s)
        if self._missing:
            measured, waited = format_duration(times.measured_s), format_duration(times.waited_s)
            self.say(f"measured in {measured}, waited {waited}")
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(times)) + "\n")

    def _so_far(self) -> str:
        done = sum(self._done.values())
        left_s = (time.monotonic() - self._start_s) / done * (self._missing - done)
        energy_j = sum(self._energy_j.values())
        return f"{energy_j:.0f} J so far, about {format_duration(left_s)} left in this block"


def summarize_times(file: Path, since_s: float, now_s: float) -> str:
    """What a workflow spent its time on.

    Args:
        file: The file that `Progress.finish` appends to.
        since_s: Start of the workflow (Unix clock, seconds).
        now_s: Now (Unix clock, seconds).

    Returns:
        A message; empty if nothing was measured.
    """
    measured_s = waited_s = 0.0
    # A full disk may have left a line incomplete; the message is not worth a failure.
    with suppress(OSError, ValueError, TypeError, RecursionError):
        for line in file.read_text(encoding="utf-8").splitlines():
            times = Times(**json.loads(line))
            if times.finished_at_s >= since_s:
                measured_s += times.measured_s
                waited_s += times.waited_s
    if not measured_s or not math.isfinite(measured_s + waited_s):
        return ""
    built_s = max(now_s - since_s - measured_s - waited_s, 0.0)
    return (
        f"took {format_duration(now_s - since_s)}: measuring {format_duration(measured_s)}, "
        f"waiting for other measurements and a quiet machine {format_duration(waited_s)}, "
        f"tables, figures and paper {format_duration(built_s)}"
    )


def _outcome(run: Run) -> str:
    if run.failure:
        return f"failed: {printable(run.failure)}"
    if run.total is None:
        return "energy missing"
    flags = f" [{', '.join(flag.split(':')[0] for flag in run.flags)}]" if run.flags else ""
    return f"{run.total.energy_j:.1f} J {run.total.provenance} in {run.duration_s:.1f} s{flags}"


def format_duration(seconds: float) -> str:
    """A duration in minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
