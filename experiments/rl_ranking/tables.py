"""Builds the tables of the experiment from its records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from experiments.rl_ranking import budgets, curves
from experiments.rl_ranking.parameters import ON_PIXELS
from joules.analysis import statistics
from joules.analysis.records import Records, runs_table, select_measured, sort_by_arm, weakest_provenance
from joules.bench.record import Run
from joules.instrument.carbon import JOULES_PER_KWH
from joules.study.design import Design

ALGORITHMS = {"a2c": "A2C", "a2c_vtrace": "A2C+V-trace", "ppo": "PPO", "dqn": "DQN"}
# Score for `energy_to_reach`: half way from the random policy to the yardstick.
THRESHOLD = 0.5
# Quantity that is equal for all algorithms of a game, and the column of the area over it.
AXES = {"energy": "", "time": "_by_time", "steps": "_by_steps"}
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


def tabulate(records: Records, design: Design) -> dict[str, pd.DataFrame]:
    """Build the tables of the experiment.

    Args:
        records: Records of the runs.
        design: The experiment's design.

    Returns:
        `runs` (one row per run), `evaluations` (learning curves), `arms` (means over blocks), `statistics`,
        `ranks` (probability of each place at equal energy, time and steps, for games in which an algorithm
        learned), `budgets` (scores and places over the budget), `improvements` (pairs of algorithms) and
        `published` (the leaderboard).
    """
    evaluations = curves.evaluations(records)
    runs = _with_outcomes(_runs(records), evaluations, design)
    good = select_measured(runs)
    arms = sort_by_arm(_arms(good), design)
    ranked = _ranked(good, arms)
    rules = design.at(runs["scale"].iloc[0]).analysis
    least_s, most_s = rules["least_budget_s"], rules["most_budget_s"]
    areas = budgets.areas(evaluations, budgets.budget_grid(least_s, most_s)).merge(ranked[["arm", "block"]])
    scored = [family for family in design.comparisons if family.metric == "area_score"]
    rows = [*_statistics(good, arms, design), *budgets.over_budgets(areas, scored, least_s, most_s)]
    return {
        "runs": runs,
        "evaluations": evaluations,
        "arms": arms,
        "statistics": pd.DataFrame(rows, columns=statistics.COLUMNS),
        "ranks": _ranks(ranked),
        "budgets": budgets.budgets_table(areas, least_s, most_s),
        "improvements": curves.improvements(ranked, "area_score"),
        "published": published(),
    }


def _runs(records: Records) -> pd.DataFrame:
    parameters = ("game", "algorithm", "network", "environments", "yardstick_return")
    table = runs_table(records, parameters, _METRICS)
    cost = {(run.arm, run.block): curves.evaluation_cost(run) for run in records if isinstance(run, Run)}
    spent = [cost[arm, block] for arm, block in zip(table["arm"], table["block"], strict=True)]
    table["training_energy_j"] = table["energy_j"] - [energy_j for energy_j, _ in spent]
    table["training_s"] = table["duration_s"] - [seconds for _, seconds in spent]
    table["energy_per_step_j"] = table["training_energy_j"] / table["steps"]
    table["time_per_step_s"] = table["training_s"] / table["steps"]
    table["cpu_per_step_s"] = table["cpu_s"] / table["duration_s"] * table["time_per_step_s"]
    table["steps_per_s"] = table["steps"] / table["training_s"]
    for name in ("flops", "bytes_moved"):
        updating = table["updates"] * table[f"{name}_per_update"] / table["steps"]
        table[f"{name}_per_step"] = table[f"{name}_per_decision"] + updating
    return table


def _with_outcomes(runs: pd.DataFrame, evaluations: pd.DataFrame, design: Design) -> pd.DataFrame:
    """Add to `runs` how much each run learned for its energy.

    Areas end at a budget. For energy it is the number of seconds that the design declares for the scale, at
    the mean power at which the game was trained; for time it is that number of seconds; for steps it is the
    smallest number of steps of any run of the game. After the end of a run its last score is kept.
    """
    budget_s = design.at(runs["scale"].iloc[0]).analysis["budget_s"]
    outcomes = {}
    for _, of_game in evaluations.groupby("game"):
        budget_j = budget_s * budgets.mean_power_w(of_game)
        steps = float(of_game.groupby(["arm", "block"])["step"].max().min())
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
                "area_score_by_time": curves.area(
                    curve["duration_s"].to_numpy(dtype=np.float64), score, budget_s
                ),
                "area_score_by_steps": curves.area(curve["step"].to_numpy(dtype=np.float64), score, steps),
                "energy_to_threshold_j": curves.energy_to_reach(energy_j, score, THRESHOLD),
                "score_per_kwh": score[-1] / kwh,
                "average_return": curve["return_mean"].iloc[1:].mean(),
                "average_return_per_kwh": curve["return_mean"].iloc[1:].mean() / kwh,
            }
    by_others = ["area_score_by_time", "area_score_by_steps"]
    columns = [*_OUTCOMES, "area_budget_j", *by_others, "average_return", "average_return_per_kwh"]
    keys = zip(runs["arm"], runs["block"], strict=True)
    columns_of_outcomes = pd.DataFrame(
        [outcomes.get(key, {}) for key in keys], columns=columns, index=runs.index
    )
    return pd.concat([runs, columns_of_outcomes.astype(float)], axis=1)


def learned_games(arms: pd.DataFrame) -> list[str]:
    """Games in which the whole interval of some algorithm is above the random policy."""
    return list(dict.fromkeys(arms.loc[arms["learned"].eq(True), "game"])) if len(arms) else []


def _ranked(runs: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """Select the runs to rank: with evaluations and the common network, in games that were learned.

    Algorithms that learned nothing have no meaningful order.
    """
    evaluated = runs["area_score"].notna() & (runs["network"] != "separable")
    return runs[evaluated & runs["game"].isin(learned_games(arms))]


def _ranks(ranked: pd.DataFrame) -> pd.DataFrame:
    """Places at equal amounts of the quantity in the column `spent`."""
    tables = [
        curves.place_probabilities(ranked, f"area_score{suffix}").assign(spent=spent)
        for spent, suffix in AXES.items()
    ]
    return pd.concat(tables, ignore_index=True)


def _arms(runs: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for arm, group in runs.groupby("arm", sort=False):
        first = group.iloc[0]
        per_step_j, low_j, high_j = statistics.geometric_mean(group["energy_per_step_j"].to_list())
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
                "time_per_step_s": group["time_per_step_s"].mean(),
                "cpu_per_step_s": group["cpu_per_step_s"].mean(),
                "training_s": group["training_s"].mean(),
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
                "provenance": weakest_provenance(group),
            }
        )
    return pd.DataFrame(rows)


def _statistics(runs: pd.DataFrame, arms: pd.DataFrame, design: Design) -> list[statistics.Row]:
    rows = [
        row
        for family in design.comparisons
        for row in _of_what_was_learned(statistics.compare(runs, family), arms)
    ]
    for arm, group in runs.dropna(subset=["final_return"]).groupby("arm", sort=False):
        gains = (group["final_return"] - group["random_return"]).to_numpy(dtype=np.float64)
        rows.append(
            statistics.mean_row(
                f"above_random.{arm}",
                gains,
                "above_random",
                "final_return - random_return",
                group=arm,
            )
        )
    return rows + shares_explained(arms)


def _of_what_was_learned(rows: list[statistics.Row], arms: pd.DataFrame) -> list[statistics.Row]:
    """Rows of one family; comparisons in games that were not learned lose their test and stars."""
    if rows[0]["metric"] != "area_score" or "game" not in arms:
        return rows
    games = arms.set_index("arm")["game"]
    learned = learned_games(arms)
    untested = {"p": None, "p_holm": None, "stars": None, "note": "nothing was learned in this game"}
    return [row if games.get(row["group"]) in learned else row | untested for row in rows]


def shares_explained(arms: pd.DataFrame) -> list[statistics.Row]:
    """R squared of the energy of a step on its operations and on the bytes that it moves.

    Steps on pixels are much larger than all others and would dominate the fit, so the others also have a fit
    of their own.
    """
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
    """Read the published leaderboard: one row per game and algorithm, means over seeds.

    Places are by the published measure, average return per kWh.
    """
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
