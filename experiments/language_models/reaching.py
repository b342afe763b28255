"""Energy to reach each accuracy, and the ratio of networks to tables over the accuracy."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from joules.analysis import statistics
from joules.analysis.inference import ExtremeSample
from joules.means import MeanSample

KINDS = {
    "kneser_ney": "tables",
    "device_tables": "tables",
    "context_mixing": "tables",
    "nanogpt": "network",
    "modern": "network",
    "lwta": "network",
    "state_space": "network",
    "token_network": "network",
    "mixture": "both",
    "interpolation": "both",
    "chunker": "both",
    "chunker_unrouted": "both",
}
# Prefix of the statistics of networks over tables.
RATIO = "reached.network_over_tables"
# Accuracies for which the energy to reach them is tabulated.
LEVELS = tuple(round(0.3 + 0.025 * step, 3) for step in range(13))


def reached_table(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """One row per level, arm and block: networks at a checkpoint, tables at the end of training."""
    rows = []
    watched = dict(list(curves.groupby(["arm", "block"])))
    for run in runs.to_dict("records"):
        curve = watched.get((run["arm"], run["block"]))
        for level in LEVELS:
            if curve is not None:
                energy_j, time_s = (
                    first_reached(curve[name], curve["accuracy"], level)
                    for name in ("energy_j", "duration_s")
                )
            elif run["validation_accuracy"] >= level:
                energy_j, time_s = run["energy_per_training_j"], run["time_per_training_s"]
            else:
                continue
            if math.isfinite(energy_j):
                rows.append([level, run["arm"], KINDS[run["entry"]], run["block"], energy_j, time_s])
    return pd.DataFrame(rows, columns=["level", "arm", "kind", "block", "energy_j", "time_s"])


def first_reached(spent: pd.Series, accuracy: pd.Series, level: float) -> float:
    """Cost at which a curve first reached `level`, interpolated between checkpoints.

    The curve begins with nothing spent and nothing predicted. A higher level never costs less.

    Returns:
        The cost; NaN if the curve never reached the level.
    """
    spends, accuracies = (np.concatenate([[0.0], of.to_numpy(dtype=np.float64)]) for of in (spent, accuracy))
    above = np.flatnonzero(accuracies >= level)
    if not len(above):
        return math.nan
    ends = slice(max(above[0] - 1, 0), above[0] + 1)
    return float(np.interp(level, accuracies[ends], spends[ends]))


def compare_kinds(
    runs: pd.DataFrame, reached: pd.DataFrame, rules: Mapping[str, float]
) -> list[statistics.Row]:
    """Energy of the cheapest network divided by that of the cheapest tables, at each level.

    The last rows are the least of these ratios from `least_level` to `most_level` (tables are cheaper over
    the whole declared range if it is large enough), and the ratio at the last of these levels divided by that
    at the first.

    Args:
        runs: Runs with a result.
        reached: Energy to each level.
        rules: Numbers that the design declares for the analysis.
    """
    ratios = {level: _ratios_at(level, runs, reached) for level in LEVELS}
    rows = []
    for level, (logs, network, tables) in ratios.items():
        cells = _cells(f"{level:g}", f"energy to an accuracy of {level:g}")
        if len(logs) < 2:
            rows.append(cells | {"n": 0, "note": "not reached in every block by a network and by tables"})
            continue
        sample = MeanSample.from_logs(logs)
        rows.append(cells | {"group": network, "base": tables} | statistics.estimate_cells(sample))
    inside = [
        logs
        for level, (logs, _, _) in ratios.items()
        if rules.get("least_level", math.inf) <= level <= rules.get("most_level", -math.inf)
    ]
    least = _cells("least", "least ratio over the declared levels", test="intersection_union")
    growth = _cells("growth", "ratio at the last declared level over that at the first")
    if not inside or min(map(len, inside)) < 2:
        note = {"n": 0, "note": "not reached at a declared level by networks and by tables"}
        return [*rows, least | note, growth | note]
    parts = tuple(map(MeanSample.from_logs, inside))
    rows.append(least | statistics.estimate_cells(ExtremeSample(parts, is_largest=False)))
    grown = (inside[-1] - inside[0]).dropna()
    if len(inside) < 2 or len(grown) < 2:
        return [*rows, growth | {"n": 0, "note": "fewer than two declared levels in two common blocks"}]
    return [*rows, growth | statistics.estimate_cells(MeanSample.from_logs(grown))]


def _cells(name: str, metric: str, test: str = "none") -> statistics.Row:
    return statistics.row(
        statistic=f"{RATIO}.{name}",
        family="reached",
        test=test,
        metric=metric,
        group="cheapest network",
        base="cheapest tables",
        contrast="ratio",
    )


def _ratios_at(level: float, runs: pd.DataFrame, reached: pd.DataFrame) -> tuple[pd.Series, str, str]:
    """Logarithms of the ratio of the cheapest network to the cheapest tables by block, and the names of both.

    Only arms count that reached the level in every block in which they were measured.
    """
    wide = np.log(reached[reached["level"] == level].pivot(index="block", columns="arm", values="energy_j"))
    able = wide.columns[wide.count() == runs["arm"].value_counts().reindex(wide.columns)]
    means = wide[able].mean().groupby(reached.drop_duplicates("arm").set_index("arm")["kind"])
    cheapest = means.idxmin()
    if not {"network", "tables"} <= set(cheapest.index):
        return pd.Series(dtype=float), "", ""
    network, tables = str(cheapest["network"]), str(cheapest["tables"])
    return (wide[network] - wide[tables]).dropna(), network, tables
