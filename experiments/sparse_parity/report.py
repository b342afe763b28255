"""What the paper prints about this experiment: values of the prose and tables of printed cells."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.sparse_parity.tables import ENERGY, PROXIES, SOLVED, WORDS
from joules.paper.values import Value, banded_cell, cell, known, statistic_values

_KEY = "sparse_parity"


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The numbers the paper prints about this experiment."""
    agreement, regret = tables["agreement"], tables["regret"]
    # Those of the board of language models are counted there.
    arms = tables["arms"].dropna(subset=["bits"])
    failed = arms[~arms["solved"].astype(bool)]
    with_energy = agreement[agreement["other"] == ENERGY].dropna(subset=["tau"])
    winners = regret[regret["metric"] == ENERGY]
    return [
        Value(f"{_KEY}.blocks", int(arms["blocks"].max()), "arms.csv blocks, largest"),
        Value(f"{_KEY}.processes", int(arms["process"].nunique()), "arms.csv process, different"),
        Value(f"{_KEY}.problems", int(arms["problem"].nunique()), "arms.csv problem, different"),
        Value(f"{_KEY}.arms", len(arms), "arms.csv rows"),
        Value(f"{_KEY}.failed", len(failed), "arms.csv rows that are not solved"),
        Value(f"{_KEY}.solved_from", 100 * SOLVED, "experiments/sparse_parity/tables.py", 2, r"\percent"),
        Value(
            f"{_KEY}.winners",
            "; ".join(f"{row.problem}: {_words(row.winner)}" for row in winners.itertuples()) or "none",
            "regret.csv winner by energy",
        ),
        *known(
            *(
                Value(f"{_KEY}.tau.{row.metric}", row.tau, f"agreement.csv {row.metric}", 2, on_demand=True)
                for row in with_energy.itertuples()
            )
        ),
        *statistic_values(_KEY, tables["statistics"]),
    ]


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Processes, regret and proxies as the paper prints them."""
    rows = tables["arms"].dropna(subset=["bits"]).to_dict("records")
    arms = [
        {
            "problem": row["problem"],
            "process": _words(row["process"]),
            "right in %": cell(100 * row["right_share"]),
            "ms": cell(1e3 * row["time_per_solve_s"]),
            "processor ms": cell(1e3 * row["cpu_per_solve_s"]),
            "mJ": banded_cell(row, ENERGY, 1e3),
        }
        for row in rows
    ]
    counts = [
        {
            "problem": row["problem"],
            "process": _words(row["process"]),
            "operations": cell(row["operations"]),
            "bytes": cell(row["bytes_moved"]),
            "launches": cell(row["launches"]),
            "reuse": cell(row["average_reuse_distance_bytes"]),
            "movement": cell(row["data_movement_distance"]),
            "peak": cell(row["peak_bytes"]),
        }
        for row in rows
    ]
    regret = tables["regret"]
    by_problem = [
        {"chosen by": WORDS[metric]}
        | {
            row["problem"]: f"{_words(row['winner'])} ({cell(row['regret'])})"
            for row in regret[regret["metric"] == metric].to_dict("records")
        }
        for metric in (*PROXIES, ENERGY)
    ]
    taus = tables["agreement"].query("other == @ENERGY").set_index("metric")
    proxies = [
        {
            "proxy": WORDS[row["proxy"]],
            "tau with energy": cell(taus.loc[row["proxy"], "tau"], 2),
            "from": cell(taus.loc[row["proxy"], "tau_low"], 2),
            "to": cell(taus.loc[row["proxy"], "tau_high"], 2),
            "share explained": cell(row["r2"]),
            "off by a factor of": cell(row["error_factor"]),
            "rank correlation": cell(row["spearman"]),
        }
        for row in tables["proxies"].to_dict("records")
    ]
    return {
        "parity_arms": pd.DataFrame(arms),
        "parity_counts": pd.DataFrame(counts),
        "parity_regret": pd.DataFrame(by_problem).fillna("--"),
        "parity_proxies": pd.DataFrame(proxies),
    }


def _words(name: str) -> str:
    return name.replace("_", " ")
