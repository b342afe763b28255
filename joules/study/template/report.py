"""What the paper prints about this experiment: values of the prose and tables of printed cells."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from joules.paper.values import Value, banded_cell, cell, significant, statistic_values


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
        "ms": [cell(1e3 * seconds) for seconds in arms["time_per_pass_s"]],
        "processor ms": [cell(1e3 * seconds) for seconds in arms["cpu_per_pass_s"]],
        "mJ": [banded_cell(row, "energy_per_pass_j", 1e3) for row in arms.to_dict("records")],
    }
    return {"question_name_arms": pd.DataFrame(printed)}
