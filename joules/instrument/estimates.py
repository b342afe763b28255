"""The whole machine's energy over a window under every power model, and its prediction interval."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from joules.instrument.reading_arrays import LOAD_CURVE, ReadingArrays
from joules.models import Closed
from joules.power.models import (
    POWER_MODELS,
    PowerModel,
    load_curve,
    load_curve_high,
    load_curve_low,
    takes_part,
)
from joules.power.use import DOMAINS, NotCovered

# Half width of a 90 % interval in standard uncertainties.
REACH_90 = NormalDist().inv_cdf(0.95)


class Estimate(Closed):
    """Joules of the whole machine under a model, or why it says nothing of it; and whether wall meters do not
    refute the model at the load of the window, so that it takes part in ranges."""

    model: str
    words: str
    energy_j: float | None
    gap: str | None
    takes_part: bool


class Prediction(Closed):
    """The 90 % prediction interval of the whole machine's modelled energy in joules, for an unmetered server;
    with the uncertainty of those parts that were read.

    `servers` is the number of wall-metered servers that it is computed from, and `basis` the same in words.
    """

    low_j: float
    high_j: float
    servers: int
    basis: str


def estimate_energies(window: ReadingArrays) -> list[Estimate]:
    """The energy of a single window under every model; none where nothing of it is modelled, or where a
    domain could not be read."""
    if not window.modelled or math.isnan(window.total_j[0]):
        return []
    loads = np.ravel(window.use.load) if window.use is not None else np.empty(0)
    return [
        _estimate(window, name, model, bool(takes_part(name, loads).all()))
        for name, model in POWER_MODELS.items()
    ]


def _estimate(window: ReadingArrays, name: str, model: PowerModel, is_kept: bool) -> Estimate:
    try:
        energy_j = float(window.apply(window.change_power(model)).total_j[0])
    except NotCovered as gap:
        return Estimate(model=name, words=model.words, energy_j=None, gap=str(gap), takes_part=False)
    return Estimate(model=name, words=model.words, energy_j=energy_j, gap=None, takes_part=is_kept)


def predict_energy(window: ReadingArrays) -> Prediction | None:
    """The prediction interval of the energy of a single window whose processors and memory were read by the
    load curve of wall-metered servers; None of others.

    The modelled part has the relative interval of the load curve at the mean load of the window. The error of
    the parts that were read is independent of it.
    """
    modelled = [kind for kind in window.primary if kind.source == LOAD_CURVE]
    use = window.use
    if {kind.domain for kind in modelled} != DOMAINS or use is None or use.servers is None:
        return None
    whole_j = float(window.energy_j[0, [kind.place for kind in window.primary]].sum())
    if math.isnan(whole_j):
        return None
    point_w, low_w, high_w = (
        float(np.ravel(sum(model(use).values()))[0])
        for model in (load_curve, load_curve_low, load_curve_high)
    )
    modelled_j = float(window.energy_j[0, [kind.place for kind in modelled]].sum())
    floor_j = window.layout.floor_power_w * float(window.duration_s[0])
    read_j = REACH_90 * float(window.read_uncertainty_j[0])
    below_j, above_j = (math.hypot(modelled_j * (end_w / point_w - 1), read_j) for end_w in (low_w, high_w))
    return Prediction(
        low_j=max(whole_j - below_j, floor_j),
        high_j=max(whole_j + above_j, floor_j),
        servers=use.servers.count,
        basis=use.servers.basis,
    )
