"""What the paper prints about this experiment: values of the prose and tables of printed cells."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.estimation_methods.advice import positions, recommendations
from experiments.estimation_methods.methods import METHODS, REFERENCE
from joules.paper.values import Value, cell, significant, statistic_values


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The numbers the paper prints about this experiment."""
    runs, methods, places = tables["runs"], tables["methods"], tables["carbon"]
    agreement = tables["agreement"].set_index("method")
    others = methods[(methods["runs"] > 0) & (methods["method"] != REFERENCE)]
    collapsed = others.dropna(subset=["same_as"])
    distinct = others[others["same_as"].isna()]
    placed = positions(tables["statistics"])
    blind = sorted(agreement.index[agreement["tau_reference"].isna() & (agreement["runs"] > 0)])
    return [
        Value("methods.count", len(others), "methods.csv rows with an estimate, the reference excluded"),
        Value("methods.missing", int((methods["runs"] == 0).sum()), "methods.csv rows without an estimate"),
        Value("methods.collapsed", len(collapsed), "methods.csv same_as, present"),
        Value("methods.identities", _identities(collapsed), "methods.csv same_as and multiple"),
        Value("methods.distinct", len(distinct), "methods.csv rows with an estimate and no same_as"),
        Value("methods.independent", len(placed), "methods.csv distinct rows that need no meter"),
        Value(
            "methods.inside",
            int((placed["inside"] == placed["workloads"]).sum()),
            "statistics.csv, methods whose band_low to band_high spans 1 on every workload",
        ),
        Value("methods.workloads", runs["arm"].nunique(), "runs.csv arm, distinct"),
        Value("methods.blocks", runs["block"].nunique(), "runs.csv block, distinct"),
        Value("methods.window", runs["duration_s"].median(), "runs.csv duration_s, median", 2, r"\second"),
        Value("methods.lowest", distinct["bias"].min(), "methods.csv bias, smallest", 2),
        Value("methods.highest", distinct["bias"].max(), "methods.csv bias, largest", 2),
        Value("methods.blind", len(blind), "agreement.csv rows with runs and no tau_reference"),
        Value("carbon.lowest", places["ratio_to_world"].min(), "carbon.csv ratio_to_world, smallest", 2),
        Value("carbon.highest", places["ratio_to_world"].max(), "carbon.csv ratio_to_world, largest", 2),
        *statistic_values("methods", tables["statistics"]),
    ]


def _identities(collapsed: pd.DataFrame) -> str:
    return (
        "; ".join(
            f"{row.words} is {'' if abs(row.multiple - 1) < 1e-6 else f'{row.multiple:.3g} times '}"
            f"{METHODS[row.same_as].words}"
            for row in collapsed.itertuples()
        )
        or "none"
    )


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Where each method stands against the band, how it orders work, and what to use with what, as the paper
    prints them."""
    methods, statistics, agreement = (tables[name] for name in ("methods", "statistics", "agreement"))
    placed, tau = positions(statistics), agreement.set_index("method")["tau_busy_cores"]
    rows = []
    for row in methods[methods["same_as"].isna() & (methods["method"] != REFERENCE)].to_dict("records"):
        name = row["method"]
        place = placed.loc[name] if name in placed.index else None
        rows.append(
            {
                "estimate": row["words"],
                "over the reading": cell(row["bias"]),
                "inside the band": "--"
                if place is None
                else f"{place['inside']:.0f} of {place['workloads']:.0f}",
                "outside by a factor of": "--" if place is None else significant(place["worst"], 3),
                "tau": f"{tau[name]:.2f}" if pd.notna(tau[name]) else "--",
                "needs": row["needs"] if row["runs"] else str(row["gap"]),
            }
        )
    advice = [
        {
            "you have": row["you_have"],
            "use": f"{row['use']}, as without it" if row["same_as_before"] else row["use"],
            "inside the band": f"{row['inside']} of {row['workloads']}",
            "outside by a factor of": significant(float(str(row["worst"])), 3),
            "tau": f"{row['tau']:.2f}" if pd.notna(row["tau"]) else "--",
        }
        for row in recommendations(methods, statistics, agreement)
    ]
    return {
        "methods": pd.DataFrame(rows),
        "methods_advice": pd.DataFrame(advice or [{"you have": "nothing that could be compared"}]),
    }
