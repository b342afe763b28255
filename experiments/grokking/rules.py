"""When to stop a training: rules over what evaluations have shown so far.

The same functions stop a metered training and are replayed on the curves of trainings that went on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from experiments.grokking.parameters import RuleName

# The phase of a run in which its network is evaluated on the held-out pairs.
EVALUATION = "evaluation"
# Held-out accuracy from which a network counts as having grokked.
GROKKED = 0.95
# A plateau is high from here, and is one when it has lasted this many optimiser steps.
_HIGH = 0.98
_PLATEAU_STEPS = 100
# Optimiser steps without a better validation loss after which ordinary early stopping gives up.
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
    """The fixed schedule."""
    return False


def patience(history: Sequence[Evaluation]) -> bool:
    """Ordinary early stopping: validation loss has not been better for a while."""
    best = min(history, key=lambda evaluation: evaluation.loss)
    return history[-1].step - best.step >= _PATIENCE_STEPS


def plateau(history: Sequence[Evaluation]) -> bool:
    """Validation accuracy has been high for a while: the plateau before grokking is low and is not meant."""
    since = history[-1].step
    for evaluation in reversed(history):
        if evaluation.accuracy < _HIGH:
            break
        since = evaluation.step
    else:
        since = history[0].step
    return history[-1].accuracy >= _HIGH and history[-1].step - since >= _PLATEAU_STEPS


RULES: dict[RuleName, Rule] = {"fixed": never, "patience": patience, "plateau": plateau}


def stop_step(history: Sequence[Evaluation], rule: Rule) -> int:
    """The step at which `rule` would have stopped a training with these evaluations: the last where never."""
    for place in range(len(history)):
        if rule(history[: place + 1]):
            return history[place].step
    return history[-1].step


def first_sustained(history: Sequence[Evaluation], accuracy: float) -> int | None:
    """First evaluated step from which validation accuracy stays at `accuracy` or above; None where it does
    not at the end."""
    sustained_from = None
    for evaluation in reversed(history):
        if evaluation.accuracy < accuracy:
            break
        sustained_from = evaluation.step
    return sustained_from
