"""Values of the text and printed tables of this experiment's section of the paper."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from experiments.rl_ranking.tables import ALGORITHMS
from joules.paper.printing import banded, cell, lay_out, listed, number
from joules.paper.rows import Rows, declared, derive, pick
from joules.paper.values import Value, cell_values, statistic_values

# Columns of arms.csv that are printed, by the last part of their keys.
_NUMBERS = {
    "steps": "steps",
    "rate": "steps_per_s",
    "final_return": "final_return",
    "random_return": "random_return",
}


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """Values that the paper prints about this experiment."""
    runs, arms, ranks, statistics = (pick(tables, name) for name in ("runs", "arms", "ranks", "statistics"))
    below = statistics.where("ci_high < 0", family="above_random")
    return [
        Value("rl.runs", runs.count()),
        Value("rl.blocks", arms.max("blocks")),
        Value(
            "rl.budget",
            derive(declared, "rl_ranking", runs.frame["scale"].iloc[0], "budget_s"),
            2,
            r"\second",
        ),
        *(
            Value(
                f"rl.budget.{end}",
                derive(declared, "rl_ranking", runs.frame["scale"].iloc[0], f"{end}_budget_s"),
                2,
                r"\second",
            )
            for end in ("least", "most")
        ),
        *(
            Value(f"rl.over_budgets.{_slug(game)}", derive(describe_first_places, game), on_demand=True)
            for game in pick(tables, "budgets").where(in_range=True).each("game")
        ),
        Value("rl.failed", runs.where("failure.notna()").count()),
        Value("rl.not_learned", derive(list_arms, arms.where("final_return.notna()", learned=False))),
        Value("rl.below_random", derive(list_named, arms, below)),
        *cell_values("rl", arms, ["arm"], {"time_per_step": "time_per_step_s"}, 3, r"\milli\second", 1e3),
        *cell_values("rl", arms, ["arm"], {"energy_per_step": "energy_per_step_j"}, 3, r"\milli\joule", 1e3),
        *cell_values("rl", arms, ["arm"], _NUMBERS, 3),
        *(
            Value(f"rl.{row['arm']}.{key}", row.cell(column) / 1e6, 3, on_demand=True)
            for row in arms.each("arm")
            for key, column in (("flops", "flops_per_decision"), ("step_flops", "flops_per_step"))
        ),
        Value("rl.place_error", 100 * ranks.max("place_error"), 1, r"\percent", on_demand=True),
        *(
            Value(f"rl.{which}.{_slug(game)}.{game['spent']}", derive(name_algorithm, row), on_demand=True)
            for game in ranks.each("game", "spent")
            for which, row in (("first", game.least("place")), ("last", game.largest("place")))
        ),
        *(
            value
            for game in ranks.where(spent="energy").each("game")
            for value in _best(f"rl.best.{_slug(game)}", game.least("place"))
        ),
        *statistic_values("rl", tables),
    ]


def _best(key: str, row: Rows) -> list[Value]:
    """The best algorithm of a game at equal energy, and the probability of its place."""
    return [
        Value(key, derive(name_algorithm, row), on_demand=True),
        Value(f"{key}.probability", 100 * row.cell("place_1"), 3, r"\percent", on_demand=True),
        Value(f"{key}.clear", derive(describe_overlap, row), on_demand=True),
    ]


def _slug(ranks: Rows) -> str:
    return str(ranks.frame["game"].iloc[0]).lower().replace(" ", "_")


def name_algorithm(ranks: pd.DataFrame) -> str:
    """The algorithm of the first row."""
    return ALGORITHMS[ranks["algorithm"].iloc[0]]


def describe_first_places(budgets: pd.DataFrame) -> str:
    """The algorithms in first place at the budgets of a game, in order of the budget."""
    first = budgets[budgets["place"] == 1].sort_values("budget_s")
    changes = first[first["algorithm"] != first["algorithm"].shift()]
    return ", then ".join(
        f"{ALGORITHMS[row.algorithm]} from {row.budget_s:.3g} s" for row in changes.itertuples()
    )


def describe_overlap(ranks: pd.DataFrame) -> str:
    """Whether the interval of the first row overlaps another interval."""
    if ranks["inconclusive"].iloc[0]:
        return "its interval overlaps another algorithm's, so that the first place is inconclusive"
    return "its interval overlaps no other algorithm's"


def list_arms(arms: pd.DataFrame) -> str:
    """List algorithm and game of arms; 'none' without arms."""
    return listed(f"{ALGORITHMS[row.algorithm]} on {row.game}" for row in arms.itertuples())


def list_named(arms: pd.DataFrame, statistics: pd.DataFrame) -> str:
    """List algorithm and game of the arms that statistics are about; 'none' without any."""
    return list_arms(arms[arms["arm"].isin(statistics["group"])])


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Printed tables: outcomes by arm, places with their probabilities, and the published leaderboard."""
    every = tables["ranks"]
    ranks = every[every["spent"] == "energy"]
    places = [column for column in ranks if re.fullmatch(r"place_\d+", column)]
    return {
        "rl_places": _places(every),
        "rl_improvements": _improvements(tables["improvements"]),
        "rl_costs": lay_out(
            tables["arms"],
            {
                "game": lambda row: row["game"].removeprefix("MinAtar "),
                "algorithm": _name,
                "steps": number("steps"),
                "MFLOPs/step": number("flops_per_step", 1e-6),
                "ms/step": number("time_per_step_s", 1e3),
                "processor ms/step": number("cpu_per_step_s", 1e3),
                "s": number("training_s"),
                "mJ/step": banded("energy_per_step_j", 1e3),
                "kJ": banded("training_energy_j", 1e-3),
            },
        ),
        "rl_outcomes": lay_out(
            tables["arms"],
            {
                "game": "{game}",
                "algorithm": _name,
                "random": number("random_return"),
                "return": number("final_return"),
                "area": number("area_score", digits=2),
                "return/kWh": banded("average_return_per_kwh"),
            },
        ),
        "rl_ranks": lay_out(
            ranks,
            {
                "game": "{game}",
                "algorithm": _algorithm,
                "area": number("mean", digits=2),
                "IQM": number("iqm", digits=2),
                "interval": lambda row: "overlaps" if row["inconclusive"] else "apart",
                **{f"{column.replace('_', ' ')} in %": number(column, 100) for column in places},
            },
        ),
        "rl_published": lay_out(
            tables["published"],
            {
                "game": "{game}",
                "algorithm": _algorithm,
                "place": "{place}",
                "return/kWh": number("average_return_per_kwh"),
                "average return": number("average_return"),
                "kWh": number("energy_kwh"),
            },
        ),
    }


def _places(ranks: pd.DataFrame) -> pd.DataFrame:
    """Places at equal energy, time and steps, each with its probability, in adjacent columns."""
    rows = [
        {"game": game, "algorithm": ALGORITHMS[algorithm]}
        | {
            f"for equal {row['spent']}": f"{row['place']} ({100 * row['place_' + str(row['place'])]:.0f} %)"
            for row in group.to_dict("records")
        }
        for (game, algorithm), group in ranks.groupby(["game", "algorithm"], sort=False)
    ]
    return pd.DataFrame(rows or [{"game": "nothing was learned"}])


def _improvements(table: pd.DataFrame) -> pd.DataFrame:
    """Probabilities of improvement, with one column per compared algorithm."""
    if table.empty:
        return pd.DataFrame([{"game": "nothing was learned"}])
    wide = table.pivot(index=["game", "algorithm"], columns="other", values="probability")
    printed = wide.map(lambda share: cell(share, 2)).rename(columns=ALGORITHMS).reset_index()
    return printed.assign(algorithm=[ALGORITHMS[name] for name in printed["algorithm"]])


def _algorithm(row: Mapping[str, Any]) -> str:
    return ALGORITHMS[row["algorithm"]]


def _name(row: Mapping[str, Any]) -> str:
    return f"{_algorithm(row)}, separable" if row["network"] == "separable" else _algorithm(row)
