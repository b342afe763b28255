"""Values of the text and printed tables of this experiment's section of the paper."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from experiments.sparse_parity import tables as made
from experiments.sparse_parity.agreement import RANKED
from experiments.sparse_parity.parameters import QUERIES
from experiments.sparse_parity.tables import ENERGY, WORDS
from joules.paper.printing import banded, cell, lay_out, name, number, spaced
from joules.paper.quantities import constant
from joules.paper.rows import derive, pick
from joules.paper.values import Value, cell_values, statistic_values

_KEY = "sparse_parity"
# Metrics by which the printed table chooses; the table of regret has all.
_CHOSEN_BY = ("operations", "data_movement_distance", "time_per_solve_s", ENERGY)


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """Values that the paper prints about this experiment."""
    # Arms without bits are runs of the language models, which that experiment counts.
    arms = pick(tables, "arms").where("bits.notna()")
    with_energy = pick(tables, "agreement").where(other=ENERGY)
    cheapest = pick(tables, "regret").where(metric=ENERGY)
    inside, outside = (with_energy.where(memory=name) for name in ("within", "beyond"))
    read_twice = pick(tables, "statistics").where(statistic="instruments.agreement")
    return [
        Value(f"{_KEY}.blocks", arms.max("blocks")),
        Value(f"{_KEY}.processes", arms.nunique("process")),
        Value(f"{_KEY}.problems", arms.nunique("problem")),
        Value(f"{_KEY}.arms", arms.count()),
        Value(f"{_KEY}.failed", arms.where(solved=False).count()),
        Value(f"{_KEY}.solved_from", 100 * constant(made, "SOLVED"), 2, r"\percent"),
        Value(f"{_KEY}.told", arms.where(f"access != {QUERIES!r}").nunique("process")),
        Value(f"{_KEY}.asking", arms.where(access=QUERIES).nunique("process")),
        Value(f"{_KEY}.winners", derive(list_winners, cheapest.where(f"access != {QUERIES!r}"))),
        Value(f"{_KEY}.traced", 100 * derive(find_least_traced, arms), 3, r"\percent", on_demand=True),
        Value(f"{_KEY}.complete_from", 100 * constant(made, "COMPLETE"), 2, r"\percent", on_demand=True),
        Value(f"{_KEY}.instruments", read_twice.cell("note"), on_demand=True),
        Value(f"{_KEY}.within.problems", inside.max("problems"), on_demand=True),
        Value(f"{_KEY}.beyond.problems", outside.max("problems"), on_demand=True),
        *cell_values(f"{_KEY}.tau", with_energy.where(memory="all"), ["metric"], {"": "tau"}, 2),
        *cell_values(f"{_KEY}.tau.within", inside, ["metric"], {"": "tau"}, 2),
        *cell_values(f"{_KEY}.tau.beyond", outside, ["metric"], {"": "tau"}, 2),
        *statistic_values(_KEY, tables),
    ]


def list_winners(regret: pd.DataFrame) -> str:
    """The cheapest process of each problem; 'none' without problems."""
    return "; ".join(f"{row.problem}: {spaced(row.winner)}" for row in regret.itertuples()) or "none"


def find_least_traced(arms: pd.DataFrame) -> float:
    """The least share of array work that is traced; NaN unless all arms say it and reach `COMPLETE`."""
    least = float(arms["traced_share"].min(skipna=False)) if len(arms) else math.nan
    return least if least >= made.COMPLETE else math.nan


def instruments_missing(statistics: pd.DataFrame) -> str:
    """Why there is no order by two instruments; empty where there is one."""
    (note,) = statistics.loc[statistics["statistic"] == "instruments.agreement", "note"]
    return note if isinstance(note, str) else ""


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Printed tables: processes, regret and proxies."""
    arms = tables["arms"].dropna(subset=["bits"])
    chosen_by = [
        {"problem": problem, "access": access, "processes": str(group["processes"].iloc[0])}
        | dict.fromkeys((WORDS[metric] for metric in _CHOSEN_BY), "--")
        | {
            WORDS[row["metric"]]: f"{spaced(row['winner'])} ({cell(row['regret'])})"
            for row in group[group["metric"].isin(_CHOSEN_BY)].to_dict("records")
        }
        for (problem, access), group in tables["regret"].groupby(RANKED, sort=False)
    ]
    heads = ["problem", "access", "processes", *(WORDS[metric] for metric in _CHOSEN_BY)]
    taus = tables["agreement"].query("other == @ENERGY and memory == 'all'").drop(columns="other")
    return {
        "parity_arms": lay_out(
            arms,
            {
                "problem": "{problem}",
                "process": name("process"),
                "access": "{access}",
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
                "traced in %": number("traced_share", 100),
                "operations": number("operations", digits=2),
                "bytes": number("bytes_moved", digits=2),
                "launches": number("launches"),
                "reuse": number("average_reuse_distance", digits=2),
                "movement": number("data_movement_distance", digits=2),
                "ByteDMD": number("byte_movement_distance", digits=2),
                "live": number("live_byte_movement_distance", digits=2),
                "arrays": number("array_movement_distance", digits=2),
                "peak": number("peak_bytes", digits=2),
            },
        ),
        "parity_regret": pd.DataFrame(chosen_by, columns=heads),
        "parity_orders": lay_out(
            tables["orders"],
            {
                "problem": "{problem}",
                "access": "{access}",
                "instruments": "{instrument}, {other}",
                "order by the first": name("order"),
                "order by the second": name("other_order"),
                "agreement": number("tau", digits=2),
            },
            empty=instruments_missing(tables["statistics"]),
        ),
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
