"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.first_principles.tables import LAYERS, OUTCOMES, PREDICTORS, architectures, unseen_errors
from joules.analysis.drawing.description import (
    OF_ARM,
    Axis,
    Figure,
    Layer,
    Panel,
    Tables,
    draw_reference,
    name_model,
)
from joules.analysis.drawing.palette import BLUE, GREY, INK, PALE, VERMILION, Look

WORDS = {
    "flops": "operations at the peak rate",
    "whole": "roofline, whole network",
    "whole_launches": "the same with launches",
    "per_operator": "roofline by operator",
    "per_operator_launches": "the same with launches",
    "fitted_flops": "operations, fitted",
    "fitted_flops_bytes_layers": "operations, bytes and layers, fitted",
    "fitted_roofline": "roofline by operator, fitted",
}


def first_principles_roofline(tables: Tables) -> Figure:
    """Attained rate against operational intensity on one core, with the two limits of the machine."""
    rooflines = tables["rooflines"]
    one = rooflines[rooflines["threads"] == 1]
    networks, layers = architectures(one), one[one["question"] == LAYERS]
    labels = [*map(name_model, networks["arm"], networks["family"]), *layers["arm"]]
    kinds = ["networks"] * len(networks) + ["single layers"] * len(layers)
    points = pd.concat([networks, layers]).assign(kind=kinds, label=labels)
    points["intensity"] = points["flops"] / points["bytes_moved"]
    points["rate"] = points["flops"] / points["time_per_pass_s"]
    shown = []
    if len(one):
        peak, stream = (one[name].iloc[0] for name in ("limit_flops_per_s", "limit_bytes_per_s"))
        reach = one["flops"] / one["bytes_moved"]
        at = np.geomspace(reach.min() / 2, max(reach.max(), peak / stream) * 2, 200)
        roof = pd.DataFrame({"intensity": at, "rate": np.minimum(peak, stream * at)})
        shown.append(Layer("line", roof, "intensity", "rate", name="limits, measured", size=1))
    tips = (*OF_ARM, "family", "intensity", "rate")
    shown.append(Layer("point", points, "intensity", "rate", by="kind", tips=tips))
    shown.append(Layer("label", points, "intensity", "rate", text="label", look=Look(INK)))
    x = Axis("floating-point operations for each byte moved", "log")
    y = Axis("floating-point operations a second", "log")
    series = {
        "networks": Look(BLUE),
        "single layers": Look(VERMILION, "triangle-up"),
        "limits, measured": Look(GREY),
    }
    return Figure([Panel(shown, x, y)], 3.6, series, width=0.8)


def first_principles_errors(tables: Tables) -> Figure:
    """Errors by predictor: one point per architecture, one mark for the geometric mean."""
    networks = architectures(tables["rooflines"])
    errors = unseen_errors(networks)[OUTCOMES["s"]]
    names = [name for name in PREDICTORS if name in errors]
    points = (
        errors[names].astype(float).melt(var_name="predictor", value_name="log_factor", ignore_index=False)
    )
    points["factor"] = np.exp(points["log_factor"])
    points["place"] = points["predictor"].map({name: place for place, name in enumerate(names)}).astype(float)
    points = points.join(networks[["arm", "family"]])
    means = points.groupby("predictor")[["place", "log_factor"]].mean().reset_index()
    means = means.assign(factor=np.exp(means["log_factor"]), n=points.groupby("predictor").size().to_numpy())
    means = means.assign(top=means["place"] - 0.35, bottom=means["place"] + 0.35)
    layers = [
        draw_reference(x=1),
        Layer(
            "point",
            points,
            "factor",
            "place",
            name="an architecture",
            size=3,
            opacity=0.6,
            tips=("arm", "family", "predictor", "factor"),
        ),
        Layer(
            "rule",
            means,
            "factor",
            "top",
            y2="bottom",
            name="geometric mean",
            size=2,
            tips=("predictor", "factor", "n"),
        ),
    ]
    x, y = (
        Axis("predicted over measured time of an inference", "log"),
        Axis(names=[WORDS[name] for name in names]),
    )
    series = {"an architecture": Look(GREY), "geometric mean": Look(VERMILION)}
    return Figure([Panel(layers, x, y)], 3.2, series, width=0.8)


def first_principles_anchors(tables: Tables) -> Figure:
    """Predictions of anchors divided by the middle of the published range: one row per anchor."""
    anchors = tables["anchors"]
    ends = ["published_low", "published_high", "unfitted_low", "unfitted_high", "fitted"]
    middle = np.sqrt(anchors["published_low"] * anchors["published_high"])
    over = anchors[ends].div(middle, axis=0).add_suffix("_ratio")
    rows = anchors.join(over).assign(place=np.arange(len(anchors)), top=np.arange(len(anchors)) - 0.3)
    rows["bottom"] = rows["top"] + 0.6
    low, high, unfitted_low, unfitted_high, fitted = over.columns
    tips = ("words", "kind", "unit", *ends, "source", "note")
    layers = [
        Layer("rect", rows, low, "top", high, "bottom", name="published", tips=tips),
        draw_reference(x=1),
        Layer(
            "rule",
            rows,
            unfitted_low,
            "place",
            x2=unfitted_high,
            name="predicted without a fit",
            size=2,
            tips=tips,
        ),
        Layer("point", rows, fitted, "place", name="with its authors' constant", tips=tips),
    ]
    series = {
        "published": Look(PALE),
        "predicted without a fit": Look(BLUE),
        "with its authors' constant": Look(VERMILION),
    }
    return Figure(
        [Panel(layers, Axis("over what was published", "log"), Axis(names=list(rows["words"])))], 3.0, series
    )
