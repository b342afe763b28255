"""What a person watching a campaign sees."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from joules.bench.record import Run
from joules.study.campaign import Campaign, other_releases
from joules.study.design import Scale


@dataclass(frozen=True)
class Expectation:
    """What runs took in a released campaign at the same scale: seconds and joules by arm, set-up included,
    and how the joules were read. Arms whose energy could not be read there have no joules."""

    campaign: str
    machine: str
    seconds: Mapping[str, float]
    energy_j: Mapping[str, float]
    provenance: str

    def words(self, arms: Iterable[str]) -> str:
        """What that makes for `arms`, as a clause; empty where it has none of them."""
        known = [self.seconds[arm] for arm in arms if arm in self.seconds]
        return f"about {clock(sum(known))} as in {self.campaign} (on {self.machine})" if known else ""


def expectation(campaign: Campaign, experiment: str, scale: Scale) -> Expectation | None:
    """What runs took in the newest released campaign at this scale; None where there is none."""
    newest: tuple[str, Expectation] | None = None
    for other in other_releases(campaign):
        seconds: dict[str, list[float]] = {}
        energy_j: dict[str, list[float]] = {}
        machine, measured_at = "", ""
        kinds: dict[str, None] = {}
        for entry in _entries(other, experiment):
            if entry.get("kind") == "run" and entry["scale"] == scale:
                seconds.setdefault(entry["arm"], []).append(entry["spent"]["duration_s"])
                if entry["spent"]["energy_j"] is not None:
                    energy_j.setdefault(entry["arm"], []).append(entry["spent"]["energy_j"])
                kinds[entry["total"]["provenance"] if entry["total"] else "missing"] = None
                machine = entry["machine"]["processor"]
                measured_at = max(measured_at, entry["measured_at"])
        if seconds and (newest is None or measured_at > newest[0]):
            provenance = "/".join(kinds)
            newest = (
                measured_at,
                Expectation(other.name, machine, _means(seconds), _means(energy_j), provenance),
            )
    return newest[1] if newest else None


def _means(numbers: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: statistics.fmean(each) for name, each in numbers.items()}


def _entries(campaign: Campaign, experiment: str) -> Iterator[dict[str, Any]]:
    """Records as they stand there: an estimate of a duration needs no proof of them."""
    for path in sorted((campaign.runs / experiment).glob("block-*.jsonl")):
        # A torn file of a released campaign is for its own steps to complain about.
        with suppress(OSError, ValueError, KeyError, TypeError):
            for line in path.read_text(encoding="utf-8").splitlines():
                yield json.loads(line)


@dataclass(frozen=True)
class Times:
    """Seconds that measuring one block took, those apart in which it waited."""

    experiment: str
    block: int
    finished_at_s: float
    measured_s: float
    waited_s: float


class Progress:
    """One line a run on standard error: where we are, what it read, how long is left."""

    def __init__(self, experiment: str, block: int, blocks: int) -> None:
        self._experiment, self._block = experiment, block
        self._title = f"{experiment} block {block + 1}/{blocks}"
        self._missing = 0
        self._finished = 0
        self._done: dict[str, float] = {}
        self._energy_j: dict[str, float] = {}
        self._begun_s = self._start_s = time.monotonic()
        self._waited_s = 0.0

    def say(self, sentence: str) -> None:
        print(f"{self._title}: {sentence}", file=sys.stderr, flush=True)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time of the body counts as waited."""
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
        words = expected.words(names) if expected else ""
        self.say(f"{len(names)} runs to measure{kept_words}" + (f"; {words}" if words else ""))

    def begin(self) -> None:
        """Notes that set-up is over, which takes longer than a short run and is not done again."""
        self._start_s = time.monotonic()

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

    def finish(self, file: Path) -> None:
        """Says what the block took, and adds it to a file for the summary of the whole campaign."""
        whole_s = time.monotonic() - self._begun_s
        times = Times(self._experiment, self._block, time.time(), whole_s - self._waited_s, self._waited_s)
        if self._missing:
            self.say(f"measured in {clock(times.measured_s)}, and waited {clock(times.waited_s)}")
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(times)) + "\n")

    def _so_far(self) -> str:
        done = sum(self._done.values())
        left_s = (time.monotonic() - self._start_s) / done * (self._missing - done)
        energy_j = sum(self._energy_j.values())
        return f"{energy_j:.0f} J so far, about {clock(left_s)} left in this block"


def summary(file: Path, since_s: float, now_s: float) -> str:
    """What a workflow begun at `since_s` (Unix clock) spent its time on; empty where nothing was measured.

    `file` is the one that `Progress.finish` adds to.
    """
    measured_s = waited_s = 0.0
    # A line that a full disk has torn is worth no complaint.
    with suppress(OSError, ValueError, TypeError):
        for line in file.read_text(encoding="utf-8").splitlines():
            times = Times(**json.loads(line))
            if times.finished_at_s >= since_s:
                measured_s += times.measured_s
                waited_s += times.waited_s
    if not measured_s:
        return ""
    built_s = max(now_s - since_s - measured_s - waited_s, 0.0)
    return (
        f"{clock(now_s - since_s)} in all: measured for {clock(measured_s)}, waited {clock(waited_s)} for "
        f"other measurements and a quiet machine, built tables, figures and paper in {clock(built_s)}"
    )


def _outcome(run: Run) -> str:
    if run.failure:
        return f"FAILED, {run.failure}"
    if run.total is None:
        return "energy missing"
    flags = f" [{', '.join(flag.split(':')[0] for flag in run.flags)}]" if run.flags else ""
    return f"{run.total.energy_j:.1f} J {run.total.provenance} in {run.duration_s:.1f} s{flags}"


def clock(seconds: float) -> str:
    """A duration in words, to the second."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
