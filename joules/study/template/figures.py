"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from joules.analysis import plotting, records


def question_name_energy(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Energy of a product by arm, a point a block, with the stars of the table."""
    runs = records.with_result(tables["runs"])
    plotted = {"data": runs, "x": "arm", "y": "energy_per_pass_j", "order": list(tables["arms"]["arm"])}
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN * 0.6, 2.8))
    sns.stripplot(**plotted, ax=axes, color="0.2", size=4, jitter=False)
    axes.set(yscale="log")
    plotting.annotate(axes, tables["statistics"], **plotted)
    axes.set(xlabel="", ylabel=f"energy of a product in J\n({plotting.provenance(tables['arms'])})")
    return figure
