"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from experiments.estimation_methods.methods import METHODS
from joules.analysis import plotting, records

Tables = Mapping[str, pd.DataFrame]

# An estimate that differs by no more than this from the reading is shown a second time, on a linear axis.
_CLOSE = 0.1


def methods_ratio(tables: Tables) -> Figure:
    """A column of panels a workload, a row a method. Above, ratios on a common logarithmic axis; a grey line
    is what the ratio is under the other models of power, so that an estimate whose line crosses one lies
    inside the band. Below, those close to one on a linear axis, with five per cent shaded."""
    contrasts = tables["statistics"]
    contrasts = contrasts[contrasts["test"] == "sign_flip"]
    arms = list(dict.fromkeys(contrasts["family"]))
    names = [name for name in METHODS if name in set(contrasts["group"])]
    far = contrasts.assign(far=np.abs(contrasts["estimate"] - 1) > _CLOSE).groupby("group")["far"].all()
    close = [name for name in names if not far[name]]
    heights = [len(names) + 1, len(close) + 1]
    figure, grid = plt.subplots(
        2,
        len(arms),
        figsize=(plotting.COLUMN_IN, 1.4 + 0.17 * sum(heights)),
        sharex="row",
        sharey="row",
        layout="constrained",
        squeeze=False,
        height_ratios=heights,
    )
    high = contrasts[["estimate", "ci_high", "band_high"]].max(axis=None)
    is_banded = contrasts["band_low"].notna().any()
    for number, arm in enumerate(arms):
        above, below = grid[:, number]
        rows = contrasts[contrasts["family"] == arm].set_index("group")
        _ratios(above, rows.reindex(names))
        # A difference from a reading that is itself a model is no finding.
        for place, mark in enumerate(rows.reindex(names)["stars"]):
            if isinstance(mark, str) and not is_banded:
                above.annotate(mark, (1.8 * high, place), fontsize=7, va="center")
        above.set(xscale="log", title=arm.replace("_", " "))
        above.xaxis.set_major_locator(LogLocator(numticks=3))
        below.axvspan(0.95, 1.05, color="0.92", linewidth=0)
        _ratios(below, rows.reindex(close))
        below.set_xlim(1 - _CLOSE, 1 + _CLOSE)
    grid[0][0].set_xlim(right=8 * high)
    for axes, shown in ((grid[0][0], names), (grid[1][0], close)):
        axes.set_yticks(np.arange(len(shown)), [METHODS[name].words for name in shown], fontsize=7)
        axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)
    figure.supxlabel(_axis_words(tables["runs"]), fontsize=8)
    return figure


def _ratios(axes: Axes, rows: pd.DataFrame) -> None:
    places = np.arange(len(rows))
    spread = [rows["estimate"] - rows["ci_low"], rows["ci_high"] - rows["estimate"]]
    axes.axvline(1, color="0.6", linewidth=0.8, linestyle=":")
    axes.hlines(places, rows["band_low"], rows["band_high"], color="0.75", linewidth=3)
    axes.errorbar(
        rows["estimate"],
        places,
        xerr=np.nan_to_num(np.abs(spread)),
        fmt="o",
        markersize=3,
        color=plotting.BLUE,
        elinewidth=0.8,
    )


def _axis_words(runs: pd.DataFrame) -> str:
    how = plotting.provenance(records.select_measured(runs))
    words = f"estimate over whole-machine energy ({how})"
    if how == "counter":
        return words
    return f"{words};\ngrey: under other models of power, and a line that crosses 1 is inside the band"


def methods_carbon(tables: Tables) -> Figure:
    """Emissions by place, from the cleanest grid to the dirtiest; shades by level, and beside countries the
    source that generates most of their electricity."""
    places = tables["carbon"].sort_values("intensity_g_per_kwh", kind="stable")
    shades = {"world": "0.1", "country": "0.5", "region": "0.8"}
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN * 0.8, 3.6))
    axes.barh(places["place"], places["emissions_g"], color=[shades[level] for level in places["level"]])
    for level, shade in shades.items():
        axes.barh([places["place"].iloc[0]], [0], color=shade, label=level)
    axes.legend(title="intensity of")
    how = plotting.provenance(records.select_measured(tables["runs"]))
    plotting.spans(axes, places["place"], places, "emissions_g")
    for row in places.dropna(subset=["generated_by"]).itertuples():
        words = f" {row.generated_by} {row.generated_percent:.0f} %"
        axes.annotate(words, (row.emissions_g, row.place), fontsize=7, va="center")
    axes.set_xlabel(f"emissions in g CO$_2$e (energy {how})")
    return figure
