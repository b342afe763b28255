"""Builds the tables of the experiment from its records."""

from __future__ import annotations

import pandas as pd

from joules.analysis import statistics
from joules.analysis.records import Records, runs_table, select_measured, sort_by_arm, weakest_provenance
from joules.study.design import Design


def tabulate(records: Records, design: Design) -> dict[str, pd.DataFrame]:
    """Build the tables of the experiment.

    Args:
        records: Records of the runs.
        design: The experiment's design.

    Returns:
        `runs` (one row per run), `arms` (one row per arm) and `statistics`.
    """
    runs = runs_table(records, parameters=("side",), metrics=("flops", "passes"))
    runs["energy_per_pass_j"] = runs["energy_j"] / runs["passes"]
    good = select_measured(runs)
    return {
        "runs": runs,
        "arms": sort_by_arm(_arms(good), design),
        "statistics": pd.DataFrame(
            [row for family in design.comparisons for row in statistics.compare(good, family)],
            columns=statistics.COLUMNS,
        ),
    }


def _arms(runs: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for arm, group in runs.groupby("arm", sort=False):
        mean_j, low_j, high_j = statistics.geometric_mean(group["energy_per_pass_j"].to_list())
        rows.append(
            {
                "arm": arm,
                "side": group["side"].iloc[0],
                "blocks": len(group),
                "flops": group["flops"].iloc[0],
                "time_per_pass_s": (group["duration_s"] / group["passes"]).mean(),
                "cpu_per_pass_s": (group["cpu_s"] / group["passes"]).mean(),
                "energy_per_pass_j": mean_j,
                "ci_low_j": low_j,
                "ci_high_j": high_j,
                "provenance": weakest_provenance(group),
            }
        )
    return pd.DataFrame(rows)
