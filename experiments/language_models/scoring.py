"""Scores a model on a text that it has not seen."""

from __future__ import annotations

import numpy as np

from experiments.language_models.contracts import Model
from experiments.language_models.keys import Indices, Symbols

# Symbols in a stretch, and symbols of context before the first one: the longest context of any entry.
STRETCH = 32
_BEFORE = 64


def stretches(text: Symbols, number: int) -> Indices:
    """First places of `number` stretches, evenly spread over the text; the same for every model.

    There are fewer stretches if the text has no room for `number` without overlap.
    """
    last = len(text) - STRETCH
    room = (last - _BEFORE) // STRETCH + 1
    return np.linspace(_BEFORE, last, min(number, room)).astype(np.int64)


def score(model: Model, text: Symbols, number: int) -> tuple[float, float]:
    """Score a model over `number` stretches.

    Returns:
        (share of symbols that the model considered most likely, bits per symbol).
    """
    starts = stretches(text, number)
    targets = text[starts[:, None] + np.arange(STRETCH)]
    chances = model.probabilities(text, starts, STRETCH)
    right = chances.argmax(axis=-1) == targets
    of_target = np.take_along_axis(chances, targets[..., None].astype(np.int64), axis=-1)
    return float(right.mean()), float(-np.log2(of_target).mean())
