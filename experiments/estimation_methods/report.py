"""What the paper prints about this experiment: values of the prose and tables of printed cells."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.estimation_methods.methods import REFERENCE
from joules.paper.values import Value, significant, statistic_values


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The numbers the paper prints about this experiment."""
    runs, methods, places = tables["runs"], tables["methods"], tables["carbon"]
    agreement = tables["agreement"].set_index("method")
    usable = methods.dropna(subset=["worst_factor"]).set_index("method")
    others = usable.drop(index=REFERENCE)
    exported = [
        Value("methods.count", len(others), "methods.csv rows with an estimate, the reference excluded"),
        Value("methods.missing", int((methods["runs"] == 0).sum()), "methods.csv rows without an estimate"),
        Value("methods.workloads", runs["arm"].nunique(), "runs.csv arm, distinct"),
        Value("methods.blocks", runs["block"].nunique(), "runs.csv block, distinct"),
        Value("methods.window", runs["duration_s"].median(), "runs.csv duration_s, median", 2, r"\second"),
        Value("methods.lowest", others["bias"].min(), "methods.csv bias, smallest", 2),
        Value("methods.highest", others["bias"].max(), "methods.csv bias, largest", 2),
        Value("carbon.lowest", places["ratio_to_world"].min(), "carbon.csv ratio_to_world, smallest", 2),
        Value("carbon.highest", places["ratio_to_world"].max(), "carbon.csv ratio_to_world, largest", 2),
        *statistic_values("methods", tables["statistics"]),
    ]
    blind = sorted(agreement.index[agreement["tau_reference"].isna() & (agreement["runs"] > 0)])
    exported.append(Value("methods.blind", len(blind), "agreement.csv rows with runs and no tau_reference"))
    return exported


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Bias, spread and needs of each method, and what to use with what, as the paper prints them."""
    agreement = tables["agreement"].set_index("method")
    rows = []
    for row in tables["methods"].to_dict("records"):
        present = pd.notna(row["worst_factor"])
        tau = agreement.loc[row["method"], "tau_busy_cores"]
        rows.append(
            {
                "estimate": row["words"],
                "bias": significant(row["bias"], 3) if present else "--",
                "spread": significant(row["spread"], 3) if present else "--",
                "worst": significant(row["worst_factor"], 3) if present else "--",
                "tau": f"{tau:.2f}" if pd.notna(tau) else "--",
                "needs": row["needs"] if present else str(row["gap"]),
            }
        )
    advice = [
        {
            "you have": row["you_have"],
            "use": row["use"],
            "bias": significant(row["bias"], 3),
            "off by a factor of up to": significant(row["off_by_factor"], 3),
        }
        for row in tables["recommendations"].to_dict("records")
    ]
    return {"methods": pd.DataFrame(rows), "methods_advice": pd.DataFrame(advice)}
