"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from joules.analysis import plotting, records


def question_name_energy(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Energy of a product by arm: blocks, geometric mean with its interval, stars from the table."""
    runs = records.select_measured(tables["runs"])
    plotted = {"data": runs, "x": "arm", "y": "energy_per_pass_j", "order": list(tables["arms"]["arm"])}
    figure, axes = plt.subplots(figsize=(plotting.COLUMN_IN * 0.8, 2.8), layout="constrained")
    plotting.dots(axes, **plotted, geometric=True)
    axes.set(yscale="log")
    axes.set(xlabel="", ylabel=f"energy of a product in J\n({plotting.provenance(tables['arms'])})")
    plotting.stars(figure, [(axes, tables["statistics"], plotted)])
    return figure
