"""Values of the text and printed tables of this experiment's section of the paper."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from joules.paper.printing import banded, lay_out, number
from joules.paper.rows import pick
from joules.paper.values import Value, statistic_values


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """Values that the section prints; every statistic is available as `question_name.<statistic>`."""
    return [
        Value("question_name.blocks", pick(tables, "arms").max("blocks")),
        *statistic_values("question_name", tables),
    ]


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Printed table of the arms."""
    columns = {
        "matrices": "{side} by {side}",
        "MFLOPs": number("flops", 1e-6),
        "ms": number("time_per_pass_s", 1e3),
        "processor ms": number("cpu_per_pass_s", 1e3),
        "mJ": banded("energy_per_pass_j", 1e3),
    }
    return {"question_name_arms": lay_out(tables["arms"], columns)}
