"""Stopping rules over the evaluations of a run so far.

The same functions stop a metered run and are replayed on the curves of runs that continued.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from experiments.grokking.parameters import RuleName

# Name of the phase in which the network is evaluated on held-out pairs.
EVALUATION = "evaluation"
# Held-out accuracy at which a network has grokked.
GROKKED = 0.95
# Least accuracy of a high plateau, and its least length in optimiser steps.
_HIGH = 0.98
_PLATEAU_STEPS = 100
# Optimiser steps without a better evaluation after which ordinary early stopping stops.
_PATIENCE_STEPS = 200


@dataclass(frozen=True)
class Evaluation:
    """Losses and accuracies (0 to 1) after `step` optimiser steps."""

    step: int
    train_loss: float
    train_accuracy: float
    loss: float
    accuracy: float


Rule = Callable[[Sequence[Evaluation]], bool]


def never(_history: Sequence[Evaluation]) -> bool:
    """Never stop: the fixed schedule."""
    return False


def patience(history: Sequence[Evaluation]) -> bool:
    """Stop if validation loss has not improved for 200 steps: ordinary early stopping."""
    best = min(history, key=lambda evaluation: evaluation.loss)
    return history[-1].step - best.step >= _PATIENCE_STEPS


def patience_accuracy(history: Sequence[Evaluation]) -> bool:
    """Stop if validation accuracy has not improved for 200 steps: early stopping on accuracy."""
    best = max(history, key=lambda evaluation: evaluation.accuracy)
    return history[-1].step - best.step >= _PATIENCE_STEPS


def plateau(history: Sequence[Evaluation]) -> bool:
    """Stop if validation accuracy has been high for a while.

    The plateau before grokking has a low accuracy and does not stop training.
    """
    since = history[-1].step
    for evaluation in reversed(history):
        if evaluation.accuracy < _HIGH:
            break
        since = evaluation.step
    else:
        since = history[0].step
    return history[-1].accuracy >= _HIGH and history[-1].step - since >= _PLATEAU_STEPS


RULES: dict[RuleName, Rule] = {
    "fixed": never,
    "patience": patience,
    "patience_accuracy": patience_accuracy,
    "plateau": plateau,
}


def stop_step(history: Sequence[Evaluation], rule: Rule) -> int:
    """The step at which `rule` stops a run with these evaluations; the last step if it never stops."""
    for place in range(len(history)):
        if rule(history[: place + 1]):
            return history[place].step
    return history[-1].step


def first_sustained(history: Sequence[Evaluation], accuracy: float) -> int | None:
    """The first evaluated step from which validation accuracy stays at or above `accuracy`.

    Returns:
        The step; None if the last evaluation is below.
    """
    sustained_from = None
    for evaluation in reversed(history):
        if evaluation.accuracy < accuracy:
            break
        sustained_from = evaluation.step
    return sustained_from
