"""Figures of the power of the machine, one function each."""

from __future__ import annotations

import numpy as np

from joules.analysis.drawing.description import Axis, Figure, Layer, Panel, Tables, draw_reference, to_words
from joules.analysis.drawing.palette import BLUE, GREEN, INK, PALE, VERMILION, Look, assign_looks
from joules.power.models import DEFAULT_MODEL, POWER_MODELS

_STATES = {"rest_w": "idle", "one_core_w": "one core", "all_cores_w": "all cores"}


def power_watts(tables: Tables) -> Figure:
    """Power of this machine by model: one row per power model, one marker per state of the machine."""
    watts = tables["watts"].set_index("power_model").reindex(list(POWER_MODELS)).reset_index()
    watts = watts.assign(place=np.arange(len(watts)), nothing=0.0)
    states = watts.assign(low=watts[list(_STATES)].min(axis=1), high=watts[list(_STATES)].max(axis=1))
    points = watts.melt(["words", "source", "place"], list(_STATES), "state", "watts").replace(
        {"state": _STATES}
    )
    tips = ("words", "source", "state", "watts")
    layers = [
        Layer("rule", states, "low", "place", x2="high", look=Look(PALE)),
        Layer("point", points, "watts", "place", by="state", tips=tips),
        Layer("text", watts, "nothing", "place", text="gap", size=7, look=Look(INK)),
    ]
    series = {
        "idle": Look(BLUE),
        "one core": Look(VERMILION, "square"),
        "all cores": Look(GREEN, "triangle-up"),
    }
    x = Axis("modelled power of the whole machine in W", limits=(0, None))
    return Figure([Panel(layers, x, Axis(names=list(watts["words"])))], 1.1 + 0.22 * len(watts), series)


def power_headlines(tables: Tables) -> Figure:
    """Ratios that decide claims: one row per ratio, one point with interval per power model."""
    ratios = tables["headlines"].query("unit == 'ratio'").dropna(subset=["estimate"])
    ratios = ratios[ratios["power_model"].isin(POWER_MODELS)]
    # Rows are sorted by their spread between models, the largest first.
    spread = ratios.groupby("claim")["estimate"].agg(lambda each: np.log(each.max() / each.min()))
    order = list(spread.sort_values(ascending=False, kind="stable").index)
    if not order:
        return Figure((), note="no ratio was measured")
    models = [name for name in POWER_MODELS if name in set(ratios["power_model"])]
    aside = {name: 0.7 * ((number + 0.5) / len(models) - 0.5) for number, name in enumerate(models)}
    place = ratios["claim"].map(order.index) + ratios["power_model"].map(aside)
    ratios = ratios.assign(
        place=place.astype(float), model=[POWER_MODELS[name].words for name in ratios["power_model"]]
    )
    tips = ("claim", "experiment", "model", "n", "estimate", "ci_low", "ci_high", "p_holm")
    layers = [
        draw_reference(x=1),
        Layer("rule", ratios, "ci_low", "place", x2="ci_high", by="model", size=0.7, tips=tips),
        Layer("point", ratios, "estimate", "place", by="model", size=3, tips=tips),
    ]
    words = {name: POWER_MODELS[name].words for name in models}
    every = assign_looks(word for name, word in words.items() if name != DEFAULT_MODEL)
    series = {word: every.get(word, Look(INK, "diamond")) for word in words.values()}
    return Figure(
        [Panel(layers, Axis("ratio", "log"), Axis(names=to_words(order)))], 1.4 + 0.24 * len(order), series
    )
