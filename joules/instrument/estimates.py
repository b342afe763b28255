"""The whole machine's energy over a window under every power model."""

from __future__ import annotations

import math

from joules.instrument.reading_arrays import ReadingArrays
from joules.models import Closed
from joules.power.models import POWER_MODELS, PowerModel
from joules.power.use import NotCovered


class Estimate(Closed):
    """Joules of the whole machine under a model, or why it says nothing of it."""

    model: str
    words: str
    energy_j: float | None
    gap: str | None


def estimate_energies(window: ReadingArrays) -> list[Estimate]:
    """The energy of a single window under every model; none where nothing of it is modelled, or where a
    domain could not be read."""
    if not window.modelled or math.isnan(window.total_j[0]):
        return []
    return [_estimate(window, name, model) for name, model in POWER_MODELS.items()]


def _estimate(window: ReadingArrays, name: str, model: PowerModel) -> Estimate:
    try:
        energy_j = float(window.apply(window.change_power(model)).total_j[0])
    except NotCovered as gap:
        return Estimate(model=name, words=model.words, energy_j=None, gap=str(gap))
    return Estimate(model=name, words=model.words, energy_j=energy_j, gap=None)
