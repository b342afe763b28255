"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.layer_kinds.tables import KINDS
from joules.analysis import plotting, records

Tables = Mapping[str, pd.DataFrame]


def layers_equal(tables: Tables) -> Figure:
    """Time and energy per GFLOP of single layers: blocks, geometric mean with its interval, stars from the
    table; grey lines are bands over models of power."""
    runs, arms = tables["runs"], tables["arms"]
    alone = records.select_measured(runs[runs["model"].isna() & runs["factor"].isna()])
    order = [kind for kind in KINDS if kind in set(alone["kind"])]
    means = arms[arms["model"].isna() & arms["factor"].isna()].set_index("kind").reindex(order)
    figure, panels = plt.subplots(1, 2, figsize=(plotting.COLUMN_IN, 3.4), layout="constrained")
    contents = [
        ("time_per_pass_s", "equal_flops_layers_time", "time per GFLOP in ms"),
        (
            "energy_per_pass_j",
            "equal_flops_layers",
            f"energy per GFLOP in mJ\n({plotting.provenance(arms)})",
        ),
    ]
    compared = []
    for axes, (column, family, words) in zip(panels, contents, strict=True):
        plotted = {
            "data": alone.assign(per_gflop=1e12 * alone[column] / alone["flops"]),
            "x": "kind",
            "y": "per_gflop",
            "order": order,
        }
        plotting.dots(axes, **plotted, geometric=True)
        axes.set(yscale="log")
        # Beside the dot, where neither points nor dot hide it. All these layers have the same operations.
        plotting.bands(axes, np.arange(len(order)) + 0.36, means, column, 1e12 / means["flops"].iloc[0])
        compared.append((axes, _of_family(tables, family), plotted))
        axes.set_xticks(axes.get_xticks(), [KINDS[kind].replace(" ", "\n") for kind in order])
        axes.set(xlabel="", ylabel=words)
    plotting.stars(figure, compared)
    return figure


def layers_mobilenet(tables: Tables) -> Figure:
    """Shares by kind in two panels: this campaign, and as published."""
    shares = tables["shares"]
    contents = [
        (
            f"MobileNet V2, inference, this campaign\n(energy {plotting.provenance(tables['arms'])})",
            shares[shares["origin"] == "this campaign"],
            ["flops_percent", "energy_percent", "time_percent"],
        ),
        (
            "MobileNet, training on Caffe\n(published)",
            shares[shares["origin"] == "published"],
            ["flops_percent", "time_percent"],
        ),
    ]
    figure, panels = plt.subplots(1, 2, figsize=(plotting.COLUMN_IN, 3.0), sharey=True, layout="constrained")
    for axes, (title, table, columns) in zip(panels, contents, strict=True):
        rows = table.set_index("kind").reindex(list(KINDS))
        width = 0.8 / len(columns)
        for number, column in enumerate(columns):
            places = np.arange(len(rows)) + (number - (len(columns) - 1) / 2) * width
            label = column.removesuffix("_percent").replace("flops", "operations")
            shade = {"operations": "0.85", "energy": "0.55", "time": "0.25"}[label]
            axes.bar(places, rows[column], width, color=shade, label=label)
        axes.set_xticks(np.arange(len(rows)), [words.replace(" ", "\n") for words in KINDS.values()])
        axes.set_title(title)
        axes.legend(fontsize=7)
    panels[0].set_ylabel("share in %")
    return figure


def _of_family(tables: Tables, family: str) -> pd.DataFrame:
    statistics = tables["statistics"]
    return statistics[statistics["family"] == family]
