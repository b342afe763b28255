"""Values of the text and printed tables of this experiment's section of the paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from experiments.estimation_methods.advice import positions, recommendations
from experiments.estimation_methods.methods import METHODS, REFERENCE
from joules.paper.printing import Cell, lay_out, number
from joules.paper.rows import derive, pick, published
from joules.paper.values import Value, statistic_values


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """Values that the paper prints about this experiment."""
    runs, methods, statistics, carbon = (
        pick(tables, name) for name in ("runs", "methods", "statistics", "carbon")
    )
    others = methods.where("runs > 0", f"method != {REFERENCE!r}")
    distinct = others.where("same_as.isna()")
    collapsed = others.where("same_as.notna()")
    blind = pick(tables, "agreement").where("workloads > 0", "tau_reference.isna()")
    return [
        Value("methods.count", others.count()),
        Value("methods.missing", methods.where(runs=0).count()),
        Value("methods.collapsed", collapsed.count()),
        Value("methods.identities", derive(identities, collapsed)),
        Value("methods.distinct", distinct.count()),
        Value("methods.independent", derive(count_without_meter, statistics)),
        Value("methods.inside", derive(count_inside, statistics)),
        Value("methods.workloads", runs.nunique("arm")),
        Value("methods.blocks", runs.nunique("block")),
        Value("methods.window", runs.median("duration_s"), 2, r"\second"),
        Value("methods.lowest", distinct.min("bias"), 2),
        Value("methods.highest", distinct.max("bias"), 2),
        Value("methods.blind", blind.count()),
        Value(
            "methods.published.operations", derive(published, "estimation_methods", "operations_miss_half"), 2
        ),
        Value("carbon.lowest", carbon.min("ratio_to_world"), 2),
        Value("carbon.highest", carbon.max("ratio_to_world"), 2),
        *statistic_values("methods", tables),
    ]


def count_without_meter(statistics: pd.DataFrame) -> int:
    """Number of distinct estimates that need no meter."""
    return len(positions(statistics))


def count_inside(statistics: pd.DataFrame) -> int:
    """Number of those estimates that agree with some power model on every workload."""
    placed = positions(statistics)
    return int((placed["inside"] == placed["workloads"]).sum())


def identities(collapsed: pd.DataFrame) -> str:
    """Sentence that names the estimates that are a multiple of another one."""
    return (
        "; ".join(
            f"{row.words} is {'' if abs(row.multiple - 1) < 1e-6 else f'{row.multiple:.3g} times '}"
            f"{METHODS[row.same_as].words}"
            for row in collapsed.itertuples()
        )
        or "none"
    )


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Printed tables: each estimate against the range over power models, and the recommended estimates."""
    methods, statistics, agreement = (tables[name] for name in ("methods", "statistics", "agreement"))
    rows = (
        methods[methods["same_as"].isna() & (methods["method"] != REFERENCE)]
        .merge(agreement[["method", "tau_busy_cores"]], on="method", how="left")
        .merge(positions(statistics), left_on="method", right_index=True, how="left")
    )
    advice = pd.DataFrame(recommendations(methods, statistics, agreement))
    return {
        "methods": lay_out(
            rows,
            {
                "estimate": "{words}",
                "over the reading": number("bias"),
                "inside the range": _inside,
                "outside by a factor of": number("worst"),
                "tau": _tau("tau_busy_cores"),
                "needs": lambda row: str(row["needs"] if row["runs"] else row["gap"]),
            },
        ),
        "methods_advice": lay_out(
            advice,
            {
                "you have": "{you_have}",
                "use": lambda row: f"{row['use']}, as without it" if row["same_as_before"] else row["use"],
                "inside the range": _inside,
                "outside by a factor of": number("worst"),
                "tau": _tau("tau"),
            },
            empty="nothing that could be compared",
        ),
    }


def _inside(row: Mapping[str, Any]) -> str:
    return "--" if pd.isna(row["inside"]) else f"{row['inside']:.0f} of {row['workloads']:.0f}"


def _tau(column: str) -> Cell:
    return lambda row: "--" if pd.isna(row[column]) else f"{row[column]:.2f}"
