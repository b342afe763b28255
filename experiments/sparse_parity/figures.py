"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from experiments.sparse_parity.tables import ENERGY, PROXIES, WORDS
from joules.analysis import plotting

Tables = Mapping[str, pd.DataFrame]


def parity_metrics(tables: Tables) -> Figure:
    """A panel a problem, a line a process over all metrics."""
    # Of the board of language models nothing was traced.
    arms = tables["arms"].dropna(subset=["bits"])
    problems = list(dict.fromkeys(arms["problem"]))
    marks = plotting.marks(arms["process"])
    rows = -(-len(problems) // 2)
    figure, panels = plt.subplots(
        rows,
        min(2, len(problems)),
        figsize=(plotting.COLUMN_IN, 0.9 + 1.9 * rows),
        layout="constrained",
        squeeze=False,
        sharey=True,
    )
    metrics = [*PROXIES, ENERGY]
    for axes, problem in zip(panels.flat, problems, strict=False):
        group = arms[arms["problem"] == problem]
        least = group.loc[group["solved"], metrics].min() if group["solved"].any() else group[metrics].min()
        for row in group.to_dict("records"):
            relative = [row[metric] / least[metric] for metric in metrics]
            mark = marks[row["process"]]
            axes.plot(
                range(len(metrics)),
                relative,
                linestyle="-" if row["solved"] else ":",
                markerfacecolor=mark["color"] if row["solved"] else "white",
                markersize=3,
                linewidth=0.7,
                **mark,
            )
        axes.set(yscale="log", title=problem)
        axes.set_xticks(range(len(metrics)), [WORDS[metric] for metric in metrics], rotation=60, fontsize=7)
    for axes in panels[:, 0]:
        axes.set_ylabel("times the least of a\nprocess that solves it", fontsize=7)
    for axes in panels.flat[len(problems) :]:
        axes.set_axis_off()
    handles = [
        plt.Line2D([], [], markersize=3, label=name.replace("_", " "), **mark) for name, mark in marks.items()
    ]
    figure.legend(handles=handles, fontsize=7, ncols=4, loc="outside lower center")
    return figure


def parity_agreement(tables: Tables) -> Figure:
    """The matrix of taus, the upper half alone."""
    names = [*PROXIES, ENERGY]
    matrix = tables["agreement"].pivot(index="metric", columns="other", values="tau")
    matrix = matrix.reindex(index=names[:-1], columns=names[1:]).rename(index=WORDS, columns=WORDS)
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN * 0.9, 4.2))
    sns.heatmap(
        matrix,
        vmin=-1,
        vmax=1,
        cmap="vlag",
        annot=True,
        fmt=".2f",
        annot_kws={"fontsize": 7},
        mask=matrix.isna(),
        ax=axes,
        cbar_kws={"label": "Kendall's tau"},
    )
    axes.set(xlabel="", ylabel="")
    axes.tick_params(labelsize=7)
    return figure


def parity_regret(tables: Tables) -> Figure:
    """A group of points a metric, a point a problem with its interval."""
    regret = tables["regret"]
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN * 0.8, 3.2))
    problems = list(dict.fromkeys(regret["problem"]))
    marks = plotting.marks(problems)
    for number, problem in enumerate(problems):
        rows = regret[regret["problem"] == problem].set_index("metric").reindex(list(PROXIES))
        x = np.arange(len(PROXIES)) + 0.6 * (number - (len(problems) - 1) / 2) / max(len(problems), 1)
        axes.vlines(x, rows["regret_low"], rows["regret_high"], color=marks[problem]["color"], linewidth=0.8)
        axes.plot(x, rows["regret"], linestyle="", markersize=4, label=problem, **marks[problem])
    axes.axhline(1, color="0.6", linewidth=0.8)
    axes.set_xticks(
        range(len(PROXIES)), [WORDS[name] for name in PROXIES], rotation=45, ha="right", fontsize=7
    )
    kinds = plotting.provenance(tables["arms"]) if len(tables["arms"]) else "missing"
    axes.set(yscale="log", ylabel=f"energy over that of the cheapest\n({kinds})")
    if problems:
        axes.legend(fontsize=7)
    return figure
