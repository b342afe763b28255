"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from experiments.layer_kinds.tables import KINDS
from joules.analysis import plotting, records

Tables = Mapping[str, pd.DataFrame]


def layers_equal(tables: Tables) -> Figure:
    """Energy per GFLOP of single layers: geometric mean as a bar, blocks as points, stars from the table."""
    runs = tables["runs"]
    alone = records.with_result(runs[runs["model"].isna()])
    alone = alone.assign(energy_per_gflop_mj=1e12 * alone["energy_per_pass_j"] / alone["flops"])
    plotted = {
        "data": alone,
        "x": "kind",
        "y": "energy_per_gflop_mj",
        "order": [kind for kind in KINDS if kind in set(alone["kind"])],
    }
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN * 0.8, 3.4))
    sns.barplot(**plotted, ax=axes, estimator=_geometric_mean, errorbar=None, color="0.85", width=0.6)
    sns.stripplot(**plotted, ax=axes, color="0.2", size=3.5, jitter=False)
    axes.set(yscale="log")
    plotting.annotate(axes, tables["statistics"].query("family == 'equal_flops_layers'"), **plotted)
    axes.set_xticks(axes.get_xticks(), [KINDS[kind] for kind in plotted["order"]])
    axes.set(xlabel="", ylabel=f"energy per GFLOP in mJ\n({plotting.provenance(tables['arms'])})")
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


def _geometric_mean(values: pd.Series) -> float:
    return float(np.exp(np.log(values).mean()))
