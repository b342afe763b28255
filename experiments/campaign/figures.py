"""Figures of power models at the wall and of claims under each, one function each."""

from __future__ import annotations

import numpy as np
import pandas as pd

from joules.analysis.drawing.description import Axis, Figure, Layer, Panel, Tables, draw_reference, to_words
from joules.analysis.drawing.palette import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Look,
    assign_looks,
)
from joules.power.models import DEFAULT_MODEL, POWER_MODELS

_LOADS = {
    0.0: ("idle", Look(BLUE)),
    0.1: ("10 % load", Look(SKY, "square")),
    0.5: ("50 % load", Look(ORANGE, "triangle-up")),
    1.0: ("full load", Look(VERMILION, "triangle-down")),
}
_HERE, _LEARNING = "this machine, predicted", "MLPerf, processor only"
_OVER, _NOT_SEEN = "all machines", "a machine not seen"
_KNOWN, _UNKNOWN = "generation known", "generation unknown, by TDP"
_PANELS_A_ROW = 5
_STATES = {"idle": "rest_w", "one core": "one_core_w", "all cores": "all_cores_w"}


def power_calibration(tables: Tables) -> Figure:
    """Wall-metered servers beside their predictions, and the ratio of both over load with its interval."""
    wall = tables["wall"]
    wall = wall[wall["load"].isin(_LOADS)]
    wall = wall.assign(state=[_LOADS[load][0] for load in wall["load"]])
    systems = tables["processor_only"]
    here = _predict_here(tables["watts"])
    ends = [wall["predicted_w"], wall["wall_w"], here["watts"], here["low"], systems["least_w"]]
    least_w, most_w = (getattr(pd.concat(ends), end)() for end in ("min", "max"))
    identity = pd.DataFrame({"x": [least_w, most_w], "y": [least_w, most_w]})
    tips = ("processor", "generation", "vendor", "year", "load", "wall_w", "predicted_w", "low_w", "high_w")
    learning = ("processor", "network", "runs", "least_w", "median_w", "most_w", "predicted_w")
    layers = [
        Layer("line", identity, "x", "y", look=Look(GREY, dash="dotted")),
        Layer("point", wall, "predicted_w", "wall_w", by="state", size=2.5, opacity=0.6, tips=tips),
        Layer("rule", systems, "predicted_w", "least_w", y2="most_w", name=_LEARNING),
        Layer("point", systems, "predicted_w", "median_w", name=_LEARNING, size=3, tips=learning),
        Layer("rule", here, "watts", "low", y2="high", name=_HERE),
        Layer("point", here, "watts", "watts", name=_HERE, tips=("state", "watts", "low", "high")),
    ]
    series = {
        **dict(_LOADS.values()),
        _LEARNING: Look(GREEN, "cross"),
        _HERE: Look(INK, "diamond"),
        _KNOWN: Look(PURPLE),
        _UNKNOWN: Look(PURPLE, dash="dashed"),
    }
    watts = Panel(
        layers,
        Axis("predicted power in W", "log"),
        Axis("power at the wall in W", "log"),
        "servers left out",
    )
    return Figure([watts, _draw_ratios(tables["calibration"])], 3.6, series, columns=2)


def _predict_here(watts: pd.DataFrame) -> pd.DataFrame:
    """States of this machine under the default model with its interval; no rows where it is not covered."""
    by_model = watts.set_index("power_model")
    rows = {
        "watts": by_model.loc[DEFAULT_MODEL],
        "low": by_model.loc["load_curve_low"],
        "high": by_model.loc["load_curve_high"],
    }
    return pd.DataFrame(
        [
            {"state": state} | {name: row[column] for name, row in rows.items()}
            for state, column in _STATES.items()
        ]
    ).dropna()


def _draw_ratios(calibration: pd.DataFrame) -> Panel:
    curve = calibration[calibration["power_model"] == DEFAULT_MODEL]
    layers = [draw_reference(y=1)]
    for name, evidence, unit in ((_KNOWN, "generation", "processor"), (_UNKNOWN, "tdp", "generation")):
        rows = curve[(curve["evidence"] == evidence) & (curve["left_out"] == unit)]
        tips = ("load", "servers", "factor", "bias", "ratio_p05", "ratio_p95", "coverage", "width")
        ends = ("ratio_p05", "ratio_p95")
        layers += [
            *(Layer("line", rows, "load", end, name=name, size=0.8, tips=tips) for end in ends),
            Layer("line", rows, "load", "bias", name=name, size=1.6, tips=tips),
        ]
    y = Axis("prediction over wall", "log", limits=(0.45, 2.2))
    return Panel(layers, Axis("load", limits=(0, 1)), y, "median, 5th and 95th percentile")


def energy_operations(tables: Tables) -> Figure:
    """Operations against joules, a panel a system, families coloured: this machine and meters of others."""
    # EfficientNet-lite is among them.
    networks = tables["networks"].replace({"family": {"EfficientNet": "EfficientNets"}})
    x, y = "multiply_adds_m", "energy_per_inference_j"
    limits = {name: (0.7 * networks[name].min(), 1.4 * networks[name].max()) for name in (x, y)}
    tips = ("network", "family", "meter", x, y)
    panels = []
    for number, (system, own) in enumerate(networks.groupby("system", sort=False)):
        name, *software = str(system).split(", ")
        left = "J per inference" if number % _PANELS_A_ROW == 0 else ""
        below = "M multiply-adds" if number >= _PANELS_A_ROW else ""
        panels.append(
            Panel(
                [Layer("point", own, x, y, by="family", size=3, tips=tips)],
                Axis(below, "log", limits=limits[x], most_ticks=3),
                Axis(left, "log", limits=limits[y]),
                f"{name}\n{', '.join([*software, *sorted(set(own['meter']))])}",
            )
        )
    if not panels:
        return Figure((), note="no network was measured and none published")
    return Figure(panels, 4.4, assign_looks(networks["family"]), columns=_PANELS_A_ROW)


def power_headlines(tables: Tables) -> Figure:
    """Ratios that decide claims: one row per ratio, one point with interval per power model."""
    ratios = tables["headlines"].query("contrast == 'ratio'").dropna(subset=["estimate"])
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


def replication(tables: Tables) -> Figure:
    """Ratios over the bounds of their claims: a point a campaign, and mean and prediction over machines."""
    ratios = tables["replication"].query("contrast == 'ratio' and value > 0")
    counts = ratios[ratios["level"] == "campaign"]["claim"].value_counts()
    order = [claim for claim in dict.fromkeys(ratios["claim"]) if counts.get(claim, 0) > 1]
    if not order:
        return Figure((), note="no ratio was measured in two campaigns")
    ratios = ratios[ratios["claim"].isin(order)]
    ends = ["estimate", "ci_low", "ci_high", "predicted_low", "predicted_high"]
    ratios = ratios.assign(
        place=ratios["claim"].map(order.index).astype(float), **ratios[ends].div(ratios["value"], axis=0)
    )
    campaigns = ratios[ratios["level"] == "campaign"]
    looks = assign_looks(campaigns["machine"])
    aside = {name: 0.5 * ((number + 1) / (len(looks) + 1) - 0.5) for number, name in enumerate(looks)}
    campaigns = campaigns.assign(place=campaigns["place"] + campaigns["machine"].map(aside))
    over = ratios[ratios["level"] == "machines"]
    tips = ("claim", "campaign", "machine", "scale", "measured_on", "first_seed", "n", *ends[:3], "verdict")
    of_machines = ("claim", "replicates", *ends, "tau_campaigns", "tau_machines", "p_equal", "verdict")
    layers = [
        draw_reference(x=1),
        Layer(
            "rule", over, "predicted_low", "place", x2="predicted_high", name=_NOT_SEEN, size=5, opacity=0.4
        ),
        Layer("rule", over, "ci_low", "place", x2="ci_high", name=_OVER, size=1.2),
        Layer("point", over, "estimate", "place", name=_OVER, size=4, tips=of_machines),
        Layer("point", campaigns, "estimate", "place", by="machine", size=3, tips=tips),
    ]
    series = {**looks, _OVER: Look(INK, "diamond"), _NOT_SEEN: Look(GREY)}
    panel = Panel(
        layers,
        Axis("ratio over the bound of its claim", "log", limits=(0.05, 50)),
        Axis(names=to_words(order)),
    )
    return Figure([panel], 1.4 + 0.24 * len(order), series)
