"""Values of the text and printed tables of this experiment's section of the paper."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.sparse_parity import tables as made
from experiments.sparse_parity.tables import ENERGY, PROXIES, WORDS
from joules.paper.printing import banded, cell, lay_out, name, number, spaced
from joules.paper.quantities import constant
from joules.paper.rows import derive, pick
from joules.paper.values import Value, cell_values, statistic_values

_KEY = "sparse_parity"


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """Values that the paper prints about this experiment."""
    # Arms without bits are runs of the language models, which that experiment counts.
    arms = pick(tables, "arms").where("bits.notna()")
    with_energy = pick(tables, "agreement").where(other=ENERGY)
    return [
        Value(f"{_KEY}.blocks", arms.max("blocks")),
        Value(f"{_KEY}.processes", arms.nunique("process")),
        Value(f"{_KEY}.problems", arms.nunique("problem")),
        Value(f"{_KEY}.arms", arms.count()),
        Value(f"{_KEY}.failed", arms.where(solved=False).count()),
        Value(f"{_KEY}.solved_from", 100 * constant(made, "SOLVED"), 2, r"\percent"),
        Value(f"{_KEY}.winners", derive(list_winners, pick(tables, "regret").where(metric=ENERGY))),
        *cell_values(f"{_KEY}.tau", with_energy, ["metric"], {"": "tau"}, 2),
        *statistic_values(_KEY, tables),
    ]


def list_winners(regret: pd.DataFrame) -> str:
    """The cheapest process of each problem; 'none' without problems."""
    return "; ".join(f"{row.problem}: {spaced(row.winner)}" for row in regret.itertuples()) or "none"


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Printed tables: processes, regret and proxies."""
    arms, regret = tables["arms"].dropna(subset=["bits"]), tables["regret"]
    by_problem = [
        {"chosen by": WORDS[metric]}
        | {
            row["problem"]: f"{spaced(row['winner'])} ({cell(row['regret'])})"
            for row in regret[regret["metric"] == metric].to_dict("records")
        }
        for metric in (*PROXIES, ENERGY)
    ]
    taus = tables["agreement"].query("other == @ENERGY").drop(columns="other")
    return {
        "parity_arms": lay_out(
            arms,
            {
                "problem": "{problem}",
                "process": name("process"),
                "correct in %": number("right_share", 100),
                "ms": number("time_per_solve_s", 1e3),
                "processor ms": number("cpu_per_solve_s", 1e3),
                "mJ": banded(ENERGY, 1e3),
            },
        ),
        "parity_counts": lay_out(
            arms,
            {
                "problem": "{problem}",
                "process": name("process"),
                "operations": number("operations"),
                "bytes": number("bytes_moved"),
                "launches": number("launches"),
                "reuse": number("average_reuse_distance_bytes"),
                "movement": number("data_movement_distance"),
                "peak": number("peak_bytes"),
            },
        ),
        "parity_regret": pd.DataFrame(by_problem).fillna("--"),
        "parity_proxies": lay_out(
            tables["proxies"].merge(taus, left_on="proxy", right_on="metric", how="left"),
            {
                "proxy": lambda row: WORDS[row["proxy"]],
                "tau with energy": number("tau", digits=2),
                "from": number("tau_low", digits=2),
                "to": number("tau_high", digits=2),
                "share explained": number("r2"),
                "error factor": number("error_factor"),
                "rank correlation": number("spearman"),
            },
        ),
    }
