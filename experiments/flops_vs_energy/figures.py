"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from joules.analysis import plotting, records

Tables = Mapping[str, pd.DataFrame]


def flops_scatter(tables: Tables) -> Figure:
    """FLOPs against time and against kWh per inference, all logarithmic, with a power law within each family
    of three or more; grey lines are bands over models of power."""
    arms = _architectures(tables)
    marks = plotting.marks(arms["family"])
    figure, panels = plt.subplots(1, 2, figsize=(plotting.COLUMN_IN, 3.6), layout="constrained")
    outcomes = {
        "time_per_inference_s": "time per inference in s",
        "energy_per_inference_kwh": f"energy per inference in kWh\n({plotting.provenance(arms)})",
    }
    for axes, (outcome, words) in zip(panels, outcomes.items(), strict=True):
        for family, members in arms.groupby("family"):
            axes.scatter(members["flops"], members[outcome], s=14, label=family, **marks[family])
            if len(members) >= 3:
                _power_law(axes, members, marks[family]["color"], outcome)
        plotting.bands(axes, arms["flops"], arms, outcome)
        axes.set(xscale="log", yscale="log", xlabel="FLOPs per inference", ylabel=words)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=7.5)
    figure.canvas.draw()
    names = [plotting.plain(*row) for row in zip(arms["arm"], arms["family"], strict=True)]
    for axes, outcome in zip(panels, outcomes, strict=True):
        plotting.label_points(axes, arms["flops"], arms[outcome], names)
    return figure


def flops_predictors(tables: Tables) -> Figure:
    """R squared of each count with its interval, and error factors of regressions on unseen families."""
    associations = tables["predictors"].query("group == 'all' and outcome == 'energy_per_inference_j'")
    regressions = tables["regressions"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(plotting.COLUMN_IN, 2.6), layout="constrained")
    places = np.arange(len(associations))
    left.hlines(places, associations["r2_low"], associations["r2_high"], color=plotting.BLUE, linewidth=1.2)
    left.plot(associations["r2"], places, "o", color=plotting.BLUE, markersize=5)
    left.set_yticks(places, [name.replace("_", " ") for name in associations["predictor"]])
    left.set(xlim=(0, 1), xlabel=f"R² with energy per inference\n({plotting.provenance(tables['arms'])})")
    right.plot(
        regressions["error_factor"], np.arange(len(regressions)), "o", color=plotting.BLUE, markersize=5
    )
    right.set_yticks(
        np.arange(len(regressions)), [name.replace("_", " ") for name in regressions["regression"]]
    )
    right.set(xlabel="median factor of error on unseen families", xlim=(1, None))
    for axes, rows in ((left, associations), (right, regressions)):
        axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    return figure


def flops_reference(tables: Tables) -> Figure:
    """This machine's arms and the published ones in two panels that share the axis of FLOPs."""
    panels = {
        f"this machine ({plotting.provenance(tables['arms'])})": _architectures(tables),
        "Titan V, published (sampled)": tables["reference"],
    }
    families = [family for arms in panels.values() for family in arms["family"]]
    marks = plotting.marks(families)
    figure, grid = plt.subplots(
        1, 2, figsize=(plotting.COLUMN_IN, 3.2), sharex=True, sharey=True, layout="constrained"
    )
    for axes, (title, arms) in zip(grid, panels.items(), strict=True):
        for family, members in arms.groupby("family"):
            axes.scatter(
                members["flops"], members["energy_per_inference_j"], s=18, label=family, **marks[family]
            )
            if len(members) >= 3:
                _power_law(axes, members, marks[family]["color"], "energy_per_inference_j")
        axes.set(xscale="log", yscale="log", title=title, xlabel="FLOPs per inference")
    grid[0].set_ylabel("energy per inference in J")
    handles = {
        label: handle
        for axes in grid
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5, fontsize=7.5)
    return figure


def flops_equal(tables: Tables) -> Figure:
    """Energy per inference of architectures compared at equal FLOPs: blocks, mean with interval, stars."""
    statistics = tables["statistics"].query("family == 'equal_flops'")
    compared = [*dict.fromkeys([*statistics["base"], *statistics["group"]])]
    runs = records.select_measured(tables["runs"]).query("arm in @compared")
    order = [arm for arm in compared if arm in set(runs["arm"])]
    runs = runs.assign(energy_mj=runs["energy_per_inference_j"] * 1e3)
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN * 0.8, 3.2), layout="constrained")
    plotted = {"data": runs, "x": "arm", "y": "energy_mj", "order": order}
    plotting.dots(axes, **plotted)
    names = runs.drop_duplicates("arm").set_index("arm")
    axes.set_xticks(range(len(order)), [plotting.plain(arm, names.loc[arm, "family"]) for arm in order])
    axes.set(
        xlabel="",
        ylabel=f"energy per inference in mJ\n({plotting.provenance(runs)})",
    )
    axes.set_ylim(bottom=0)
    plotting.stars(figure, [(axes, statistics, plotted)])
    return figure


def _architectures(tables: Tables) -> pd.DataFrame:
    """The arms at the scale's own batch and image size."""
    return tables["arms"].query("factor.isna()")


def _power_law(axes: Axes, members: pd.DataFrame, colour: object, outcome: str) -> None:
    x, y = np.log(members["flops"]), np.log(members[outcome])
    slope, intercept = np.polyfit(x, y, 1)
    ends = np.array([x.min(), x.max()])
    axes.plot(np.exp(ends), np.exp(intercept + slope * ends), color=colour, linewidth=1, alpha=0.7)
