"""What the paper prints about this experiment: values of the prose and tables of printed cells."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from joules.paper.values import Value, cell, significant, statistic_values


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The numbers of the section; every statistic is at hand as `question_name.<statistic>`."""
    arms = tables["arms"]
    return [
        Value("question_name.blocks", int(arms["blocks"].max()), "arms.csv blocks, largest"),
        *statistic_values("question_name", tables["statistics"]),
    ]


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The arms as the paper prints them."""
    arms = tables["arms"]
    printed = {
        "matrices": [f"{side} by {side}" for side in arms["side"]],
        "MFLOPs": [significant(flops / 1e6, 3) for flops in arms["flops"]],
        "mJ": [significant(1e3 * energy_j, 3) for energy_j in arms["energy_per_pass_j"]],
        "low": [cell(1e3 * energy_j) for energy_j in arms["ci_low_j"]],
        "high": [cell(1e3 * energy_j) for energy_j in arms["ci_high_j"]],
    }
    return {"question_name_arms": pd.DataFrame(printed)}
