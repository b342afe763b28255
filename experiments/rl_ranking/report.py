"""What the paper prints about this experiment: values of the prose and tables of printed cells."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from experiments.rl_ranking.tables import ALGORITHMS
from joules.paper.values import Value, band_of, banded_cell, cell, significant, statistic_values


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The numbers the paper prints about this experiment."""
    runs, arms, ranks = tables["runs"], tables["arms"], tables["ranks"]
    exported = [
        Value("rl.runs", len(runs), "runs.csv, rows"),
        Value("rl.blocks", int(arms["blocks"].max()), "arms.csv blocks, largest"),
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
    for game, group in ranks.groupby("game"):
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
        ]
    return exported


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
            "game": arms["game"],
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
    ranks = tables["ranks"]
    chances = [column for column in ranks.columns if column.startswith("place_")]
    printed_ranks = pd.DataFrame(
        {
            "game": ranks["game"],
            "algorithm": [ALGORITHMS[name] for name in ranks["algorithm"]],
            "area": [cell(value, 2) for value in ranks["mean"]],
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
        "rl_costs": costs,
        "rl_outcomes": outcomes,
        "rl_ranks": printed_ranks,
        "rl_published": printed_board,
    }


def _name(row: object) -> str:
    name = ALGORITHMS[row.algorithm]  # type: ignore[attr-defined]
    return f"{name}, separable" if row.network == "separable" else name  # type: ignore[attr-defined]
