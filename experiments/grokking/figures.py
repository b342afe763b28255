"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from experiments.grokking.frontier import OURS, SAFE_POINTS
from experiments.grokking.outcomes import published
from joules.analysis import plotting, records

Tables = Mapping[str, pd.DataFrame]

_ARCHITECTURES = ("transformer", "mlp")


def grokking_curves(tables: Tables) -> Figure:
    """One training of each architecture against energy, on a linear axis, so that the shaded width is the
    share of energy after grokking; steps on the upper axis."""
    runs = tables["runs"]
    fixed = records.select_measured(runs[runs["rule"] == "fixed"])
    # The task first in the design, on its own schedule's settings.
    plain = fixed[fixed["arm"] == fixed["task"] + "_" + fixed["architecture"]]
    first = next(arm for arm in tables["arms"]["arm"] if arm in set(plain["arm"])).partition("_")[0]
    shown = [
        group.sort_values("block").iloc[0]
        for _, group in plain[plain["task"] == first].groupby("architecture", sort=False)
    ]
    figure, panels = plt.subplots(
        1, len(shown), figsize=(plotting.COLUMN_IN, 2.8), layout="constrained", squeeze=False, sharey=True
    )
    curves = tables["curves"].set_index(["arm", "block"]).sort_index()
    for axes, run in zip(panels[0], shown, strict=True):
        curve = curves.loc[(run["arm"], run["block"])]
        energy_j = curve["energy_j"].to_numpy()
        axes.plot(energy_j, curve["train_accuracy"], "--", color="0.5", label="training pairs")
        axes.plot(energy_j, curve["validation_accuracy"], color=plotting.BLUE, label="held-out pairs")
        if np.isfinite(run["grok_step"]):
            grokked_j = np.interp(run["grok_step"], curve["step"], energy_j)
            axes.axvspan(
                grokked_j, energy_j[-1], color=plotting.VERMILION, alpha=0.15, linewidth=0, label="waste"
            )
        axes.set(
            xlabel=f"energy in J ({run['provenance']})",
            title=f"{run['architecture']}, {run['task']}",
            xlim=(0, energy_j[-1]),
            ylim=(0, 1.05),
        )
        upper = axes.secondary_xaxis("top", functions=_steps_of(energy_j, curve["step"].to_numpy()))
        upper.set_xlabel("optimiser step", fontsize=7)
        upper.tick_params(labelsize=7)
    panels[0][0].set_ylabel("accuracy")
    panels[0][0].legend(fontsize=7, loc="center right")
    return figure


def _steps_of(energy_j: np.ndarray, steps: np.ndarray) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Joules to steps at the training's mean energy of a step, and back."""
    per_j = (steps[-1] - steps[0]) / (energy_j[-1] - energy_j[0])
    return (lambda joules: per_j * joules), (lambda taken: taken / per_j)


def grokking_waste(tables: Tables) -> Figure:
    """A panel an architecture: blocks, means with their intervals, stars from the table."""
    arms = tables["arms"]
    runs = tables["runs"]
    fixed = records.select_measured(runs[runs["rule"] == "fixed"]).assign(percent=100 * runs["waste"])
    families = tables["statistics"].query("family == 'waste'")
    present = [name for name in _ARCHITECTURES if name in set(arms["architecture"])]
    figure, panels = plt.subplots(
        1, len(present), figsize=(plotting.COLUMN_IN, 3.4), sharey=True, layout="constrained", squeeze=False
    )
    compared = []
    for axes, architecture in zip(panels[0], present, strict=True):
        order = [
            row["arm"]
            for row in arms.to_dict("records")
            if row["architecture"] == architecture and row["grokked"] > 0
        ]
        axes.set_title(architecture)
        axes.set_ylim(0, 100)
        axes.set_yticks(range(0, 101, 20))
        if not order:
            axes.text(0.5, 0.5, "no training grokked", transform=axes.transAxes, ha="center")
            axes.set_xticks([])
            continue
        plotted = {"data": fixed[fixed["arm"].isin(order)], "x": "arm", "y": "percent", "order": order}
        plotting.dots(axes, **plotted)
        compared.append((axes, families, plotted))
        words = [name.replace(f"_{architecture}", "").replace("_", "\n") for name in order]
        axes.set_xticks(axes.get_xticks(), words, rotation=60, fontsize=7)
        axes.set_xlabel("")
    panels[0][0].set_ylabel(f"energy after grokking in %\n({plotting.provenance(arms)})")
    plotting.stars(figure, compared)
    return figure


def grokking_schedule(tables: Tables) -> Figure:
    """Waste by length of schedule, with the shares that others report, and how many trainings grok in it."""
    table = tables["schedules"].dropna(subset=["waste"])
    if table.empty:
        return plotting.nothing("no training grokked")
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN * 0.7, 3.0))
    run, share = table[table["extrapolated"] == 0], 100 * table["grokked_share"]
    axes.plot(table["schedule"], 100 * table["waste"], "--", color=plotting.VERMILION, linewidth=1)
    axes.plot(
        run["schedule"],
        100 * run["waste"],
        "o-",
        color=plotting.VERMILION,
        markersize=3,
        label="energy after grokking",
    )
    axes.fill_between(
        table["schedule"],
        100 * table["waste_low"],
        100 * table["waste_high"],
        color=plotting.VERMILION,
        alpha=0.15,
        linewidth=0,
    )
    axes.plot(table["schedule"], share, "s:", color="0.4", markersize=3, label="grokked by then")
    for row in published().itertuples():
        axes.axhline(row.percent, color="0.7", linewidth=0.8)
        place = (table["schedule"].max(), row.percent)
        axes.annotate(f"{row.what}, published", place, fontsize=7, ha="right", va="bottom")
    axes.set(
        xscale="log",
        ylim=(0, 102),
        xlabel="length of the schedule in optimiser steps",
        ylabel=f"%\n(energy {plotting.provenance(tables['arms'])})",
    )
    axes.legend(fontsize=7, loc="lower right")
    return figure


def grokking_rules(tables: Tables) -> Figure:
    """A line a rule, a point a setting with the intervals of both its means."""
    table = tables["frontier"]
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN * 0.8, 3.4))
    for number, (rule, rows) in enumerate(table.groupby("rule", sort=False)):
        shape = "osD^"[number % 4]
        x, y = 100 * rows["saved"], rows["lost_points"]
        colour = "black" if rule == "oracle" else plotting.COLOURS[number - 1]
        axes.errorbar(
            x,
            y,
            xerr=np.abs(np.nan_to_num([x - 100 * rows["saved_low"], 100 * rows["saved_high"] - x])),
            yerr=np.abs(np.nan_to_num([y - rows["lost_points_low"], rows["lost_points_high"] - y])),
            fmt="*-" if rule == "oracle" else f"{shape}-",
            color=colour,
            markerfacecolor=colour if rule == "oracle" else "white",
            markersize=8 if rule == "oracle" else 4,
            linewidth=0.8,
            elinewidth=0.5,
            label=rule,
        )
        for row in rows.itertuples():
            if (row.rule, row.setting) == OURS:
                axes.plot(100 * row.saved, row.lost_points, shape, color=colour, markersize=5)
    axes.axhline(SAFE_POINTS, color="0.7", linewidth=0.8, linestyle=":")
    axes.set_yscale("symlog", linthresh=1)
    axes.set(
        xlabel=f"energy saved in % of the schedule ({plotting.provenance(tables['arms'])})",
        ylabel="validation accuracy lost in points",
    )
    axes.yaxis.set_major_formatter(ScalarFormatter())
    if len(table):
        axes.legend(fontsize=7)
    return figure


def grokking_predictor(tables: Tables) -> Figure:
    """True against predicted steps, both logarithmic; the diagonal is a perfect prediction."""
    predictions = tables["predictions"].dropna(subset=["unseen_task"])
    if predictions.empty:
        return plotting.nothing("too few trainings to predict from")
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN * 0.65, 3.4))
    sns.scatterplot(
        predictions, x="unseen_task", y="grok_step", hue="task", style="architecture", ax=axes, s=28
    )
    ends = [
        0.9 * predictions[["unseen_task", "grok_step"]].min(axis=None),
        1.1 * predictions[["unseen_task", "grok_step"]].max(axis=None),
    ]
    axes.plot(ends, ends, color="0.6", linewidth=0.8, linestyle=":")
    axes.set(xscale="log", yscale="log", xlabel="predicted step, task not seen", ylabel="step of grokking")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter(NullFormatter())
    axes.legend(fontsize=7)
    return figure
