"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from joules.analysis import plotting, records
from joules.study.design import load_design

Tables = Mapping[str, pd.DataFrame]

_MARKS: dict[str, dict[str, Any]] = {
    "tables": {"color": plotting.BLUE, "marker": "o"},
    "network": {"color": plotting.VERMILION, "marker": "s"},
    "both": {"color": plotting.GREEN, "marker": "D"},
}
_SPENT = {
    "energy_per_training_j": "energy of a training in J",
    "time_per_training_s": "time of a training in s",
    "cpu_per_training_s": "processor time of a training in s",
    "model_bytes": "size of the model in bytes",
}


def language_board(tables: Tables) -> Figure:
    """Accuracy against energy, time, processor time and size, a panel each."""
    board = tables["board"]
    gate = _rules(tables["runs"])["gate_accuracy"]
    figure, panels = plt.subplots(2, 2, figsize=(plotting.COLUMN_IN, 5.2), sharey=True, layout="constrained")
    for axes, (column, label) in zip(panels.flat, _SPENT.items(), strict=True):
        _points(axes, board, column)
        axes.axhline(gate, color="0.6", linewidth=0.8, linestyle=":")
        is_energy = column == "energy_per_training_j"
        axes.set(xscale="log", xlabel=f"{label}\n({plotting.provenance(board)})" if is_energy else label)
        if is_energy:
            front = board[board["on_front"].astype(bool)].sort_values(column)
            axes.step(front[column], front["validation_accuracy"], where="post", color="0.5", linewidth=0.8)
            plotting.label_points(
                axes, board[column], board["validation_accuracy"], board["arm"].str.replace("_", " ")
            )
    for axes in panels[:, 0]:
        axes.set_ylabel("validation accuracy")
    marks = [plt.Line2D([], [], linestyle="", label=kind, **mark) for kind, mark in _MARKS.items()]
    hollow = {"marker": "o", "linestyle": "", "markerfacecolor": "white", "color": "0.3"}
    marks.append(plt.Line2D([], [], label="disqualified", **hollow))
    panels[1][1].legend(handles=marks, fontsize=7, loc="lower right")
    return figure


def _points(axes: Axes, board: pd.DataFrame, column: str) -> None:
    for row in board.to_dict("records"):
        mark, out = _MARKS[row["kind"]], row["disqualified_blocks"] > 0
        low, high = row["validation_accuracy_low"], row["validation_accuracy_high"]
        accuracy = row["validation_accuracy"]
        if np.isfinite(low):
            axes.errorbar(
                row[column],
                accuracy,
                yerr=[[accuracy - low], [high - accuracy]],
                color=mark["color"],
                elinewidth=0.8,
            )
        fill = "white" if out else mark["color"]
        axes.plot(row[column], accuracy, markersize=4.5, markerfacecolor=fill, **mark)
    plotting.spans(axes, board["validation_accuracy"], board, column)


def language_reached(tables: Tables) -> Figure:
    """Curves of networks, and the tables of all orders on the same text joined by a line."""
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN * 0.8, 3.6))
    curves, board, runs = tables["curves"], tables["board"], tables["runs"]
    marks = plotting.marks(curves["arm"])
    for arm, of_arm in curves.groupby("arm", sort=False):
        for number, (_, curve) in enumerate(of_arm.groupby("block")):
            axes.plot(
                curve["energy_j"],
                curve["accuracy"],
                color=marks[arm]["color"],
                linewidth=0.8,
                label=arm.replace("_", " ") if number == 0 else None,
            )
    whole = runs[(runs["entry"] == "kneser_ney") & (runs["share"] == 1)]
    chain = board[board["arm"].isin(set(whole["arm"]) - {"deep_backoff"})]
    axes.plot(
        chain["energy_per_training_j"],
        chain["validation_accuracy"],
        "o-",
        color="0.2",
        markersize=3,
        label="tables, by order",
    )
    axes.set(xscale="log", xlabel=f"energy in J ({plotting.provenance(board)})", ylabel="validation accuracy")
    axes.legend(fontsize=7)
    return figure


def language_ranking(tables: Tables) -> Figure:
    """Energy of a training by entry on the board, the cheapest first, with the stars of the table."""
    board = tables["board"]
    on_board = board[board["disqualified_blocks"] == 0].sort_values("energy_per_training_j")
    if on_board.empty:
        return plotting.nothing("every entry is disqualified")
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN * 0.8, 3.6), layout="constrained")
    order = list(on_board["arm"])
    runs = records.select_measured(tables["runs"])
    plotted = {
        "data": runs[runs["arm"].isin(order)],
        "x": "arm",
        "y": "energy_per_training_j",
        "order": order,
    }
    plotting.dots(axes, **plotted, geometric=True)
    axes.set(yscale="log")
    plotting.bands(axes, np.arange(len(order)) + 0.36, on_board, "energy_per_training_j")
    axes.set_xticks(range(len(order)), [name.replace("_", "\n") for name in order], fontsize=7)
    axes.set(xlabel="", ylabel=f"energy of a training in J\n({plotting.provenance(board)})")
    plotting.stars(figure, [(axes, tables["statistics"].query("family == 'board'"), plotted)])
    return figure


def _rules(runs: pd.DataFrame) -> dict[str, float]:
    return load_design("language_models").at(runs["scale"].iloc[0]).analysis
