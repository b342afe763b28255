"""Replays stopping rules on the evaluations of a run that continued to the end of its schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.grokking import step_model
from experiments.grokking.outcomes import energies_at, evaluations_of
from experiments.grokking.rules import EVALUATION, Evaluation
from joules.bench.record import Run

# A rule is safe if it loses at most this much of the final accuracy, in percentage points.
SAFE_POINTS = 0.5
PLATEAU_HIGH = 0.98
# Names of rules in figures and printed tables, where they differ.
WORDS = {"patience": "patience on loss", "patience_accuracy": "patience on accuracy"}
# Quantity of an evaluation that each patience watches; more is better.
PATIENCES: dict[str, Callable[[Course], Floats]] = {
    "patience": lambda of: -of.loss,
    "patience_accuracy": lambda of: of.accuracy,
}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Course:
    """The evaluations of a run as arrays with one element per evaluation."""

    step: Floats
    loss: Floats
    accuracy: Floats
    energy_j: Floats
    watching_j: Floats

    def saved(self, place: int, watched_steps: float = math.inf) -> float:
        """Share of the schedule's energy that remains if training stops at an evaluation.

        The schedule's energy excludes evaluations. Evaluations during the first `watched_steps` are charged
        to the rule that needs them.

        Args:
            place: Index of the evaluation at which training stops.
            watched_steps: Number of optimiser steps during which the rule needs evaluations.
        """
        unwatched_j = self.energy_j - self.watching_j
        seen = self.watching_j[self.step <= min(watched_steps, self.step[place])]
        return float(1 - (unwatched_j[place] + (seen[-1] if len(seen) else 0.0)) / unwatched_j[-1])

    @property
    def monitoring(self) -> float:
        """Energy of all evaluations divided by the energy of the schedule without them."""
        return float(self.watching_j[-1] / (self.energy_j[-1] - self.watching_j[-1]))

    @property
    def lost_points(self) -> Floats:
        """Accuracy at the end of the schedule minus accuracy at each evaluation, in percentage points."""
        return 100 * (self.accuracy[-1] - self.accuracy)


# Courses of runs by arm and block.
Courses = Mapping[tuple[str, int], Course]


def course_of(run: Run) -> Course:
    """Course of a recorded run. If the record does not separate evaluations, their energy counts as zero."""
    history = evaluations_of(run)
    energy_j = energies_at(run, [each.step for each in history])
    played = [phase.energy_j or 0.0 for phase in run.phases if phase.name == EVALUATION]
    watching_j = np.cumsum(played) if len(played) == len(history) else np.zeros(len(history))
    return course(history, energy_j, watching_j)


def course(history: Sequence[Evaluation], energy_j: Floats, watching_j: Floats) -> Course:
    """Combine evaluations with energies.

    Args:
        history: Evaluations of a run.
        energy_j: Energy until each evaluation, in joules.
        watching_j: Energy of all evaluations until each one, in joules.
    """
    step, loss, accuracy = (
        np.array([getattr(each, name) for each in history], dtype=np.float64)
        for name in ("step", "loss", "accuracy")
    )
    return Course(step, loss, accuracy, energy_j, watching_j)


def patience_place(of: Course, steps: float, rule: str = "patience") -> int:
    """Index of the first evaluation at which what `rule` watches has not improved for `steps` steps; else the
    last."""
    best = np.maximum.accumulate(PATIENCES[rule](of))
    # Step of the best value so far.
    since = of.step[np.searchsorted(best, best)]
    return first_place(of.step - since >= steps)


def plateau_place(of: Course, steps: float, high: float = PLATEAU_HIGH) -> int:
    """Index of the first evaluation at which validation accuracy has been at least `high` for `steps`."""
    is_low = of.accuracy < high
    last_low = np.maximum.accumulate(np.where(is_low, np.arange(len(of.step)), -1))
    since = of.step[np.minimum(last_low + 1, len(of.step) - 1)]
    return first_place(~is_low & (of.step - since >= steps))


def oracle_place(of: Course) -> int:
    """Index of the first evaluation that is as accurate as the end of the schedule, within `SAFE_POINTS`.

    A rule that is safe on this run cannot stop earlier.
    """
    return first_place(of.lost_points <= SAFE_POINTS)


def first_place(stops: NDArray[np.bool_]) -> int:
    """Index of the first evaluation at which training stops; else the last."""
    return int(np.argmax(stops)) if stops.any() else len(stops) - 1


def watched_steps(rule: str) -> float:
    """Number of optimiser steps during which a rule needs evaluations."""
    return {"oracle": 0.0, "fixed": 0.0, "predictor": float(step_model.WINDOW_STEPS)}.get(rule, math.inf)
