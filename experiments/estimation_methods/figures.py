"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from experiments.estimation_methods.methods import METHODS
from joules.analysis import plotting, records

Tables = Mapping[str, pd.DataFrame]


def methods_ratio(tables: Tables) -> Figure:
    """A panel a workload, a row a method, ratios on a common logarithmic axis; a grey line is what the ratio
    is under the other models of power, so that an estimate whose line crosses one lies inside the band."""
    contrasts = tables["statistics"]
    contrasts = contrasts[contrasts["test"] == "sign_flip"]
    arms = list(dict.fromkeys(contrasts["family"]))
    names = [name for name in METHODS if name in set(contrasts["group"])]
    figure, panels = plt.subplots(
        1,
        len(arms),
        figsize=(plotting.COLUMN_IN, 0.9 + 0.2 * len(names)),
        sharex=True,
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    high = contrasts[["estimate", "ci_high", "band_high"]].max(axis=None)
    is_banded = contrasts["band_low"].notna().any()
    for axes, arm in zip(panels[0], arms, strict=True):
        rows = contrasts[contrasts["family"] == arm].set_index("group").reindex(names)
        places = np.arange(len(names))
        spread = [rows["estimate"] - rows["ci_low"], rows["ci_high"] - rows["estimate"]]
        axes.hlines(places, rows["band_low"], rows["band_high"], color="0.75", linewidth=3)
        axes.errorbar(
            rows["estimate"],
            places,
            xerr=np.nan_to_num(np.abs(spread)),
            fmt="o",
            markersize=3,
            color="0.2",
            elinewidth=0.8,
        )
        axes.axvline(1, color="0.6", linewidth=0.8, linestyle=":")
        # A difference from a reading that is itself a model is no finding.
        for place, mark in zip(places, rows["stars"], strict=True):
            if isinstance(mark, str) and not is_banded:
                axes.annotate(mark, (1.8 * high, place), fontsize=7, va="center")
        axes.set(xscale="log", title=arm.replace("_", " "))
        axes.xaxis.set_major_locator(LogLocator(numticks=3))
    panels[0][0].set_yticks(np.arange(len(names)), [METHODS[name].words for name in names], fontsize=7)
    panels[0][0].invert_yaxis()
    panels[0][0].set_xlim(right=8 * high)
    figure.supxlabel(_axis_words(tables["runs"]), fontsize=8)
    return figure


def _axis_words(runs: pd.DataFrame) -> str:
    how = plotting.provenance(records.with_result(runs))
    words = f"estimate over whole-machine energy ({how})"
    if how == "counter":
        return words
    return f"{words};\ngrey: under other models of power, and a line that crosses 1 is inside the band"


def methods_carbon(tables: Tables) -> Figure:
    """Emissions by place, from the cleanest grid to the dirtiest; shades by level."""
    places = tables["carbon"].sort_values("intensity_g_per_kwh", kind="stable")
    shades = {"world": "0.1", "country": "0.5", "region": "0.8"}
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN * 0.8, 3.6))
    axes.barh(places["place"], places["emissions_g"], color=[shades[level] for level in places["level"]])
    for level, shade in shades.items():
        axes.barh([places["place"].iloc[0]], [0], color=shade, label=level)
    axes.legend(title="intensity of")
    how = plotting.provenance(records.with_result(tables["runs"]))
    plotting.spans(axes, places["place"], places, "emissions_g")
    axes.set_xlabel(f"emissions in g CO$_2$e (energy {how})")
    return figure
