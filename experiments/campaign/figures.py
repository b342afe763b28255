"""Figures of the power of the machine, one function each."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from joules.analysis import plotting
from joules.power.models import DEFAULT_MODEL, POWER_MODELS

Tables = Mapping[str, pd.DataFrame]

_STATES = {"rest_w": "at rest", "one_core_w": "one core", "all_cores_w": "all cores"}
_MARKERS = ("o", "s", "^")


def power_watts(tables: Tables) -> Figure:
    """A row a model, a marker a state of the machine, joined by a line."""
    watts = tables["watts"].set_index("power_model").reindex(list(POWER_MODELS)).reset_index()
    places = np.arange(len(watts))
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN, 1.1 + 0.22 * len(watts)), layout="constrained")
    states = watts[list(_STATES)]
    axes.hlines(places, states.min(axis=1), states.max(axis=1), color="0.7", linewidth=1)
    for (column, words), marker, shade in zip(_STATES.items(), _MARKERS, plotting.COLOURS, strict=False):
        axes.plot(watts[column], places, marker, color=shade, markersize=4, label=words)
    for place, gap in zip(places, watts["gap"], strict=True):
        if isinstance(gap, str):
            axes.text(0.01, place, gap, transform=axes.get_yaxis_transform(), fontsize=7, va="center")
    axes.set_yticks(places, watts["words"], fontsize=8)
    axes.set(xlabel="modelled power of the whole machine in W", xlim=(0, None))
    axes.invert_yaxis()
    figure.legend(fontsize=7, loc="outside lower center", ncols=len(_STATES))
    return figure


def power_headlines(tables: Tables) -> Figure:
    """A line a ratio, a dot a model with its interval; black, as the energy was read."""
    ratios = tables["headlines"].query("unit == 'ratio'").dropna(subset=["estimate"])
    # What is off by orders of magnitude would leave the others no room.
    spread = ratios.groupby("claim")["estimate"].agg(lambda each: np.log(each.max() / each.min()))
    order = list(spread.sort_values(ascending=False, kind="stable").index)
    if not order:
        return plotting.nothing("no ratio was measured")
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN, 1.4 + 0.24 * len(order)), layout="constrained")
    models = [name for name in POWER_MODELS if name in set(ratios["power_model"])]
    others = [name for name in models if name != DEFAULT_MODEL]
    marks = plotting.marks(others) | {DEFAULT_MODEL: {"color": "black", "marker": "*"}}
    for number, model in enumerate(models):
        rows = ratios[ratios["power_model"] == model].set_index("claim").reindex(order)
        places = np.arange(len(order)) + 0.7 * ((number + 0.5) / len(models) - 0.5)
        reach = [rows["estimate"] - rows["ci_low"], rows["ci_high"] - rows["estimate"]]
        axes.errorbar(
            rows["estimate"],
            places,
            xerr=np.nan_to_num(np.abs(np.array(reach, dtype=np.float64))),
            linestyle="",
            markersize=3,
            elinewidth=0.7,
            **marks[model],
            label=POWER_MODELS[model].words,
        )
    axes.axvline(1, color="0.6", linewidth=0.8, linestyle=":")
    axes.set_yticks(np.arange(len(order)), [name.replace("_", " ") for name in order], fontsize=7)
    axes.set(xscale="log", xlabel="ratio")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.invert_yaxis()
    figure.legend(fontsize=7, loc="outside lower center", ncols=4)
    return figure
