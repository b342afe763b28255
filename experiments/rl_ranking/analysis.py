"""Tables and values of the experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.analysis import records, statistics
from experiments.analysis.values import Value, cell, significant, statistic_values
from experiments.bench.record import Idle, Run
from experiments.config import Design
from experiments.energy.carbon import JOULES_PER_KWH
from experiments.rl_ranking import curves
from experiments.rl_ranking.parameters import ON_PIXELS

ALGORITHMS = {"a2c": "A2C", "a2c_vtrace": "A2C+V-trace", "ppo": "PPO", "dqn": "DQN"}
# The score at which energy to reach is read: half of the way from the random policy to the yardstick.
THRESHOLD = 0.5
_METRICS = (
    "steps",
    "updates",
    "random_return",
    "flops_per_decision",
    "bytes_moved_per_decision",
    "flops_per_update",
    "bytes_moved_per_update",
    "parameters",
    "training_return_mean",
    "mean_rho",
)
_OUTCOMES = ("final_return", "final_score", "area_score", "energy_to_threshold_j", "score_per_kwh")
_PUBLISHED = Path(__file__).parent / "reference" / "henderson_rl_leaderboard.csv"
_PUBLISHED_ALGORITHMS = {
    "a2c_stable": "a2c",
    "a2c+vtrace": "a2c_vtrace",
    "ppo2_stabl": "ppo",
    "dqn_stable": "dqn",
}


def tabulate(entries: Sequence[Run | Idle], design: Design) -> dict[str, pd.DataFrame]:
    """`runs` (one row a run), `evaluations` (the learning curves), `arms` (means over blocks), `statistics`,
    `ranks` (the probability of each place), `published` (the leaderboard)."""
    evaluations = curves.evaluations(entries)
    runs = _with_outcomes(_runs(entries), evaluations)
    good = records.with_result(runs)
    arms = records.in_order(_arms(good), design)
    return {
        "runs": runs,
        "evaluations": evaluations,
        "arms": arms,
        "statistics": _statistics(good, arms, design),
        "ranks": curves.place_probabilities(_ranked(good), "area_score"),
        "published": published(),
    }


def _runs(entries: Sequence[Run | Idle]) -> pd.DataFrame:
    parameters = ("game", "algorithm", "network", "environments", "yardstick_return")
    table = records.with_metrics(entries, parameters, _METRICS)
    cost = {(run.arm, run.block): curves.evaluation_cost(run) for run in entries if isinstance(run, Run)}
    spent = [cost[arm, block] for arm, block in zip(table["arm"], table["block"], strict=True)]
    table["training_energy_j"] = table["energy_j"] - [energy_j for energy_j, _ in spent]
    table["training_s"] = table["duration_s"] - [seconds for _, seconds in spent]
    table["energy_per_step_j"] = table["training_energy_j"] / table["steps"]
    table["steps_per_s"] = table["steps"] / table["training_s"]
    for name in ("flops", "bytes_moved"):
        updating = table["updates"] * table[f"{name}_per_update"] / table["steps"]
        table[f"{name}_per_step"] = table[f"{name}_per_decision"] + updating
    return table


def _with_outcomes(runs: pd.DataFrame, evaluations: pd.DataFrame) -> pd.DataFrame:
    """`runs` with what each run learnt for its energy. Areas are taken up to the least energy any run of the
    game trained for, so that no algorithm is judged on joules that another did not have."""
    outcomes = {}
    for _, of_game in evaluations.groupby("game"):
        last_j = of_game.groupby(["arm", "block"])["energy_j"].max()
        budget_j = float(last_j.min())
        for key, curve in of_game.groupby(["arm", "block"]):
            if len(curve) < 2:
                continue
            energy_j = curve["energy_j"].to_numpy(dtype=np.float64)
            score = curve["score"].to_numpy(dtype=np.float64)
            kwh = energy_j[-1] / JOULES_PER_KWH
            outcomes[key] = {
                "final_return": curve["return_mean"].iloc[-1],
                "final_score": score[-1],
                "area_score": curves.area(energy_j, score, budget_j),
                "area_budget_j": budget_j,
                "energy_to_threshold_j": curves.energy_to_reach(energy_j, score, THRESHOLD),
                "score_per_kwh": score[-1] / kwh,
                "average_return": curve["return_mean"].iloc[1:].mean(),
                "average_return_per_kwh": curve["return_mean"].iloc[1:].mean() / kwh,
            }
    columns = [*_OUTCOMES, "area_budget_j", "average_return", "average_return_per_kwh"]
    keys = zip(runs["arm"], runs["block"], strict=True)
    found = pd.DataFrame([outcomes.get(key, {}) for key in keys], columns=columns, index=runs.index)
    return pd.concat([runs, found.astype(float)], axis=1)


def _ranked(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs that were evaluated on the way, on the networks common to all algorithms."""
    return runs[runs["area_score"].notna() & (runs["network"] != "separable")]


def _arms(runs: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for arm, group in runs.groupby("arm", sort=False):
        first = group.iloc[0]
        per_step_j, low_j, high_j = statistics.mean_ci(group["energy_per_step_j"].to_list())
        return_mean, return_low, return_high = statistics.mean_with_interval(group["final_return"].dropna())
        rows.append(
            {
                "arm": arm,
                **{name: first[name] for name in ("game", "algorithm", "network")},
                "blocks": len(group),
                "steps": int(first["steps"]),
                "flops_per_decision": first["flops_per_decision"],
                "flops_per_step": first["flops_per_step"],
                "bytes_moved_per_step": first["bytes_moved_per_step"],
                "steps_per_s": group["steps_per_s"].median(),
                "training_energy_j": group["training_energy_j"].mean(),
                "energy_per_step_j": per_step_j,
                "ci_low_j": low_j,
                "ci_high_j": high_j,
                "random_return": group["random_return"].mean(),
                "random_return_max": group["random_return"].max(),
                "final_return": return_mean,
                "final_return_low": return_low,
                "final_return_high": return_high,
                "area_score": group["area_score"].mean(),
                "reached_threshold": int(group["energy_to_threshold_j"].notna().sum()),
                "energy_to_threshold_j": group["energy_to_threshold_j"].median(),
                "score_per_kwh": group["score_per_kwh"].mean(),
                "average_return_per_kwh": group["average_return_per_kwh"].mean(),
                "learned": bool(return_low > group["random_return"].max()) if len(group) > 1 else None,
                "provenance": records.provenance_of(group),
            }
        )
    return pd.DataFrame(rows)


def _statistics(runs: pd.DataFrame, arms: pd.DataFrame, design: Design) -> pd.DataFrame:
    rows = [row for family in design.comparisons for row in statistics.compare(runs, family)]
    for arm, group in runs.dropna(subset=["final_return"]).groupby("arm", sort=False):
        gains = (group["final_return"] - group["random_return"]).to_numpy(dtype=np.float64)
        rows.append(
            statistics.mean_row(
                f"above_random.{arm}",
                gains,
                "above_random",
                "final_return - random_return",
                "points",
                group=arm,
            )
        )
    rows += shares_explained(arms)
    return pd.DataFrame(rows, columns=statistics.COLUMNS)


def shares_explained(arms: pd.DataFrame) -> list[statistics.Row]:
    """R squared of the energy of a step on its operations and on the bytes it moves. Steps on pixels are so
    much larger than all others that they would answer for them: those others have theirs apart."""
    without_pixels = arms[~arms["network"].isin(ON_PIXELS)]
    return [
        statistics.determination(
            f"{count}_energy_r2.{name}",
            chosen[column].to_numpy(dtype=np.float64),
            chosen["energy_per_step_j"].to_numpy(dtype=np.float64),
            metric="energy_per_step_j",
            group=name.replace("_", " "),
        )
        for name, chosen in (("all", arms), ("without_pixels", without_pixels))
        for count, column in (("flops", "flops_per_step"), ("bytes", "bytes_moved_per_step"))
    ]


def published() -> pd.DataFrame:
    """The published leaderboard: one row a game and algorithm, means over seeds, with places by the
    published measure (average return per kWh)."""
    raw = pd.read_csv(_PUBLISHED)
    wide = raw.pivot(index=["env", "algo"], columns="metric", values="mean").reset_index()
    table = pd.DataFrame(
        {
            "game": wide["env"].str.split("noframeskip").str[0].str.capitalize(),
            "algorithm": [_PUBLISHED_ALGORITHMS[name[:10]] for name in wide["algo"]],
            "energy_kwh": wide["total_power"],
            "hours": wide["exp_len_hours"],
            "average_return": wide["AverageReturn"],
            "asymptotic_return": wide["AsymptoticReturn"],
            "average_return_per_kwh": wide["AverageReturnPerkWh"],
        }
    )
    placed = curves.places(table, "average_return_per_kwh")
    return placed.merge(table.drop(columns="average_return_per_kwh"), on=["game", "algorithm"])


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The numbers the paper prints about this experiment."""
    runs, arms, ranks = tables["runs"], tables["arms"], tables["ranks"]
    found = [
        Value("rl.runs", len(runs), "runs.csv, rows"),
        Value("rl.blocks", int(arms["blocks"].max()), "arms.csv blocks, largest"),
        Value("rl.failed", int(runs["failure"].notna().sum()), "runs.csv failure, count"),
        Value("rl.not_learned", _not_learned(arms), "arms.csv learned, false"),
        *statistic_values("rl", tables["statistics"]),
    ]
    for row in arms.to_dict("records"):
        key = f"rl.{row['arm']}"
        cells = {
            "energy_per_step": (1e3 * row["energy_per_step_j"], r"\milli\joule", "energy_per_step_j"),
            "steps": (float(row["steps"]), "", "steps"),
            "rate": (row["steps_per_s"], "", "steps_per_s"),
            "final_return": (row["final_return"], "", "final_return"),
            "random_return": (row["random_return"], "", "random_return"),
            "flops": (row["flops_per_decision"] / 1e6, "", "flops_per_decision, millions"),
            "step_flops": (row["flops_per_step"] / 1e6, "", "flops_per_step, millions"),
        }
        found += [
            Value(f"{key}.{name}", number, f"arms.csv {row['arm']} {source}", 3, unit, on_demand=True)
            for name, (number, unit, source) in cells.items()
            if np.isfinite(number)
        ]
    for game, group in ranks.groupby("game"):
        best = group.loc[group["place"].idxmin()]
        slug = str(game).lower().replace(" ", "_")
        source = f"ranks.csv {game}"
        found += [
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
    return found


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
    outcomes = pd.DataFrame(
        {
            "game": arms["game"],
            "algorithm": [_name(row) for row in arms.itertuples()],
            "steps": [significant(steps, 3) for steps in arms["steps"]],
            "MFLOPs/step": [cell(flops / 1e6) for flops in arms["flops_per_step"]],
            "mJ/step": [cell(1e3 * energy_j) for energy_j in arms["energy_per_step_j"]],
            "kJ": [cell(energy_j / 1e3) for energy_j in arms["training_energy_j"]],
            "random": [cell(value) for value in arms["random_return"]],
            "return": [cell(value) for value in arms["final_return"]],
            "area": [cell(value, 2) for value in arms["area_score"]],
            "return/kWh": [cell(value) for value in arms["average_return_per_kwh"]],
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
    return {"rl_outcomes": outcomes, "rl_ranks": printed_ranks, "rl_published": printed_board}


def _name(row: object) -> str:
    name = ALGORITHMS[row.algorithm]  # type: ignore[attr-defined]
    return f"{name}, separable" if row.network == "separable" else name  # type: ignore[attr-defined]
