"""What the paper prints about this experiment: values of the prose and tables of printed cells."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from experiments.rl_ranking.tables import ALGORITHMS
from joules.paper.values import Value, band_of, banded_cell, cell, significant, statistic_values
from joules.study.design import load_design


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The numbers the paper prints about this experiment."""
    runs, arms, ranks = tables["runs"], tables["arms"], tables["ranks"]
    exported = [
        Value("rl.runs", len(runs), "runs.csv, rows"),
        Value("rl.blocks", int(arms["blocks"].max()), "arms.csv blocks, largest"),
        Value(
            "rl.budget",
            load_design("rl_ranking").at(runs["scale"].iloc[0]).analysis["budget_s"],
            "design.yaml budget_s",
            2,
            r"\second",
        ),
        Value("rl.failed", int(runs["failure"].notna().sum()), "runs.csv failure, count"),
        Value("rl.not_learned", _not_learned(arms), "arms.csv learned, false"),
        *statistic_values("rl", tables["statistics"]),
    ]
    for row in arms.to_dict("records"):
        key = f"rl.{row['arm']}"
        cells = {
            "time_per_step": (1e3 * row["time_per_step_s"], r"\milli\second", "time_per_step_s"),
            "energy_per_step": (1e3 * row["energy_per_step_j"], r"\milli\joule", "energy_per_step_j"),
            "steps": (float(row["steps"]), "", "steps"),
            "rate": (row["steps_per_s"], "", "steps_per_s"),
            "final_return": (row["final_return"], "", "final_return"),
            "random_return": (row["random_return"], "", "random_return"),
            "flops": (row["flops_per_decision"] / 1e6, "", "flops_per_decision, millions"),
            "step_flops": (row["flops_per_step"] / 1e6, "", "flops_per_step, millions"),
        }
        exported += [
            Value(
                f"{key}.{name}",
                number,
                f"arms.csv {row['arm']} {source}",
                3,
                unit,
                on_demand=True,
                band=band_of(row, source, 1e3) if unit == r"\milli\joule" else None,
            )
            for name, (number, unit, source) in cells.items()
            if np.isfinite(number)
        ]
    exported.append(
        Value("rl.below_random", _below_random(tables["statistics"]), "statistics.csv above_random")
    )
    for (game, spent), group in ranks.groupby(["game", "spent"]):
        best, worst = group.loc[group["place"].idxmin()], group.loc[group["place"].idxmax()]
        slug = str(game).lower().replace(" ", "_")
        exported += [
            Value(
                f"rl.{which}.{slug}.{spent}",
                ALGORITHMS[row["algorithm"]],
                f"ranks.csv {game} {spent}",
                on_demand=True,
            )
            for which, row in (("first", best), ("last", worst))
        ]
    for game, group in ranks[ranks["spent"] == "energy"].groupby("game"):
        best = group.loc[group["place"].idxmin()]
        slug = str(game).lower().replace(" ", "_")
        source = f"ranks.csv {game}"
        exported += [
            Value(f"rl.best.{slug}", ALGORITHMS[best["algorithm"]], f"{source}, place 1", on_demand=True),
            Value(
                f"rl.best.{slug}.probability",
                100 * best["place_1"],
                f"{source}, place_1",
                3,
                r"\percent",
                on_demand=True,
            ),
            Value(
                f"rl.best.{slug}.clear",
                "its interval overlaps another algorithm's, so that the first place is inconclusive"
                if best["inconclusive"]
                else "its interval overlaps no other algorithm's",
                f"{source}, inconclusive",
                on_demand=True,
            ),
        ]
    if len(ranks):
        error = 100 * ranks["place_error"].max()
        exported.append(
            Value("rl.place_error", error, "ranks.csv place_error, largest", 1, r"\percent", on_demand=True)
        )
    return exported


def _below_random(statistics: pd.DataFrame) -> str:
    below = statistics[(statistics["family"] == "above_random") & (statistics["ci_high"] < 0)]
    return ", ".join(str(arm).replace("_", " ") for arm in below["group"]) or "none"


def _not_learned(arms: pd.DataFrame) -> str:
    evaluated = arms[arms["final_return"].notna()]
    names = [
        f"{ALGORITHMS[row.algorithm]} on {row.game}"
        for row in evaluated.itertuples()
        if row.learned is not None and not row.learned
    ]
    return ", ".join(names) if names else "none"


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Outcomes by arm, places with their probabilities, and the published leaderboard."""
    arms = tables["arms"]
    rows = arms.to_dict("records")
    costs = pd.DataFrame(
        {
            "game": arms["game"].str.removeprefix("MinAtar "),
            "algorithm": [_name(row) for row in arms.itertuples()],
            "steps": [significant(steps, 3) for steps in arms["steps"]],
            "MFLOPs/step": [cell(flops / 1e6) for flops in arms["flops_per_step"]],
            "ms/step": [cell(1e3 * seconds) for seconds in arms["time_per_step_s"]],
            "processor ms/step": [cell(1e3 * seconds) for seconds in arms["cpu_per_step_s"]],
            "s": [cell(seconds) for seconds in arms["training_s"]],
            "mJ/step": [banded_cell(row, "energy_per_step_j", 1e3) for row in rows],
            "kJ": [banded_cell(row, "training_energy_j", 1e-3) for row in rows],
        }
    )
    outcomes = pd.DataFrame(
        {
            "game": arms["game"],
            "algorithm": [_name(row) for row in arms.itertuples()],
            "random": [cell(value) for value in arms["random_return"]],
            "return": [cell(value) for value in arms["final_return"]],
            "area": [cell(value, 2) for value in arms["area_score"]],
            "return/kWh": [banded_cell(row, "average_return_per_kwh") for row in rows],
        }
    )
    every = tables["ranks"]
    ranks = every[every["spent"] == "energy"]
    chances = [column for column in ranks.columns if re.fullmatch(r"place_\d+", column)]
    printed_ranks = pd.DataFrame(
        {
            "game": ranks["game"],
            "algorithm": [ALGORITHMS[name] for name in ranks["algorithm"]],
            "area": [cell(value, 2) for value in ranks["mean"]],
            "IQM": [cell(value, 2) for value in ranks["iqm"]],
            "interval": ["overlaps" if row else "apart" for row in ranks["inconclusive"]],
            **{
                f"place {column.removeprefix('place_')} in %": [cell(100 * p) for p in ranks[column]]
                for column in chances
            },
        }
    )
    board = tables["published"]
    printed_board = pd.DataFrame(
        {
            "game": board["game"],
            "algorithm": [ALGORITHMS[name] for name in board["algorithm"]],
            "place": board["place"].astype(str),
            "return/kWh": [cell(value) for value in board["average_return_per_kwh"]],
            "average return": [cell(value) for value in board["average_return"]],
            "kWh": [cell(value) for value in board["energy_kwh"]],
        }
    )
    return {
        "rl_places": _places(every),
        "rl_improvements": _improvements(tables["improvements"]),
        "rl_costs": costs,
        "rl_outcomes": outcomes,
        "rl_ranks": printed_ranks,
        "rl_published": printed_board,
    }


def _places(ranks: pd.DataFrame) -> pd.DataFrame:
    """Places for equal energy, time and steps side by side, each with how often it is taken."""
    rows = []
    for (game, algorithm), group in ranks.groupby(["game", "algorithm"], sort=False):
        row = {"game": game, "algorithm": ALGORITHMS[algorithm]}
        for of in group.to_dict("records"):
            row[f"for equal {of['spent']}"] = f"{of['place']} ({100 * of['place_' + str(of['place'])]:.0f} %)"
        rows.append(row)
    return pd.DataFrame(rows or [{"game": "nothing was learned"}])


def _improvements(table: pd.DataFrame) -> pd.DataFrame:
    """Probabilities of improvement, a column an algorithm that is compared with."""
    if table.empty:
        return pd.DataFrame([{"game": "nothing was learned"}])
    wide = table.pivot(index=["game", "algorithm"], columns="other", values="probability")
    printed = wide.map(lambda share: cell(share, 2)).rename(columns=ALGORITHMS).reset_index()
    return printed.assign(algorithm=[ALGORITHMS[name] for name in printed["algorithm"]])


def _name(row: object) -> str:
    name = ALGORITHMS[row.algorithm]  # type: ignore[attr-defined]
    return f"{name}, separable" if row.network == "separable" else name  # type: ignore[attr-defined]
