"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from experiments.first_principles.tables import LAYERS, OUTCOMES, PREDICTORS, architectures, unseen_errors
from joules.analysis import plotting

Tables = Mapping[str, pd.DataFrame]

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
    """Attained rate against intensity, of what ran on one core, with the two roofs."""
    rooflines = tables["rooflines"]
    one = rooflines[rooflines["threads"] == 1]
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN * 0.8, 3.4), layout="constrained")
    networks, layers = architectures(one), one[one["question"] == LAYERS]
    for words, marker, shown in (("networks", "o", networks), ("single layers", "^", layers)):
        if len(shown):
            axes.plot(
                shown["flops"] / shown["bytes_moved"],
                shown["flops"] / shown["measured_s"],
                marker,
                markersize=4,
                color="0.2" if marker == "o" else "0.55",
                label=words,
            )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="floating-point operations for each byte moved",
        ylabel="floating-point operations a second",
    )
    if len(one):
        peak, stream = (one[name].iloc[0] for name in ("limit_flops_per_s", "limit_bytes_per_s"))
        intensities = one["flops"] / one["bytes_moved"]
        ends = np.geomspace(intensities.min() / 2, max(intensities.max(), peak / stream) * 2, 200)
        axes.plot(ends, np.minimum(peak, stream * ends), color="0.4", linewidth=1, label="limits, measured")
        axes.legend(fontsize=7)
        named = pd.concat([networks, layers])
        plotting.label_points(
            axes,
            (named["flops"] / named["bytes_moved"]).to_list(),
            (named["flops"] / named["measured_s"]).to_list(),
            [*map(plotting.plain, networks["arm"], networks["family"]), *layers["arm"]],
        )
    return figure


def first_principles_errors(tables: Tables) -> Figure:
    """A row a predictor, a point an architecture, a bar the geometric mean."""
    networks = architectures(tables["rooflines"])
    errors = unseen_errors(networks)[OUTCOMES["s"]]
    names = [name for name in PREDICTORS if name in errors]
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN * 0.8, 3.0), layout="constrained")
    for place, name in enumerate(names):
        factors = np.exp(errors[name].astype(float))
        axes.plot(factors, np.full(len(factors), place), "o", color="0.2", markersize=3, alpha=0.5)
        axes.plot(
            [np.exp(errors[name].mean())],
            [place],
            "|",
            color=plotting.VERMILION,
            markersize=14,
            markeredgewidth=2,
        )
    axes.axvline(1, color="0.6", linewidth=0.8)
    axes.set_yticks(range(len(names)), [WORDS[name] for name in names], fontsize=7)
    axes.set(xscale="log", xlabel="predicted over measured time of an inference")
    _plain_ticks(axes)
    axes.invert_yaxis()
    return figure


def first_principles_anchors(tables: Tables) -> Figure:
    """A row an anchor: what was published as a band around one, predictions over its middle."""
    anchors = tables["anchors"]
    middle = np.sqrt(anchors["published_low"] * anchors["published_high"])
    places = np.arange(len(anchors))
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN, 2.8), layout="constrained")
    axes.barh(
        places,
        (anchors["published_high"] - anchors["published_low"]) / middle,
        left=anchors["published_low"] / middle,
        height=0.6,
        color="0.85",
        label="published",
    )
    axes.axvline(1, color="0.7", linewidth=0.8)
    axes.hlines(
        places,
        anchors["unfitted_low"] / middle,
        anchors["unfitted_high"] / middle,
        color=plotting.BLUE,
        linewidth=2,
        label="predicted without a fit",
    )
    axes.plot(
        anchors["fitted"] / middle,
        places,
        "o",
        color=plotting.VERMILION,
        markersize=4,
        label="with its authors' constant",
    )
    axes.set_yticks(places, anchors["words"], fontsize=7)
    axes.set(xscale="log", xlabel="over what was published")
    _plain_ticks(axes)
    axes.invert_yaxis()
    axes.legend(fontsize=7, loc="best")
    return figure


def _plain_ticks(axes: Axes) -> None:
    """Ratios of a logarithmic axis as numbers, few enough to stand side by side."""
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.xaxis.set_minor_formatter(NullFormatter())
