"""Reinforcement learning on counters: what is learned for equal energy, as a function of the energy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# How the energy at an evaluation is read, since the two logs of a training do not share a clock.
ALIGNMENTS = {
    "clock": "both logs begin together and keep one clock",
    "stretched": "what is outside the training's clock is spread evenly over it",
    "frames": "energy goes with frames, of the log's total",
}
# Clocks that agree no better than this are not those of one training.
MATCH = 1.05
BUDGETS = 40
RESAMPLES = 2000
_TRAINING = ["game", "algorithm", "seed"]


def with_energy(trainings: pd.DataFrame) -> pd.DataFrame:
    """Evaluations with joules of processors, memory and GPU under each alignment (`<alignment>_j`), and whether
    the power log covers the training's clock (`is_matched`)."""
    total_j = trainings["log_cpu_dram_j"] + trainings["log_gpu_j"]
    last = trainings.groupby(_TRAINING)["frames"].transform("max")
    return trainings.assign(
        clock_j=trainings["clock_cpu_dram_j"] + trainings["clock_gpu_j"],
        stretched_j=trainings["stretched_cpu_dram_j"] + trainings["stretched_gpu_j"],
        frames_j=total_j * trainings["frames"] / last,
        total_j=total_j,
        clock_over_log=trainings["clock_end_s"] / trainings["log_s"],
        is_matched=trainings["clock_end_s"] <= MATCH * trainings["log_s"],
    )


def left_out(evaluations: pd.DataFrame) -> pd.DataFrame:
    """Trainings whose power log is shorter than their clock, a row each."""
    columns = [*_TRAINING, "clock_end_s", "log_s", "clock_over_log", "path"]
    return evaluations.loc[~evaluations["is_matched"], columns].drop_duplicates(ignore_index=True)


def scores(evaluations: pd.DataFrame) -> pd.DataFrame:
    """Mean score up to a budget of energy, a row an alignment, game, algorithm and budget.

    The score of a training up to a budget is the mean of its learning curve over energy, from none to the budget:
    the measure of `rl_ranking`. Budgets reach to the least total of any training of the game, so that every
    algorithm is there. `score_low` and `score_high` are the 95 % interval over seeds (bootstrap).
    """
    matched = evaluations[evaluations["is_matched"]]
    return pd.DataFrame([row for alignment in ALIGNMENTS for row in _scores(matched, alignment)])


def _scores(evaluations: pd.DataFrame, alignment: str) -> Iterator[dict[str, object]]:
    for game, of_game in evaluations.groupby("game"):
        largest_j = of_game.groupby(["algorithm", "seed"])[f"{alignment}_j"].max().min()
        budgets_j = np.linspace(largest_j / BUDGETS, largest_j, BUDGETS)
        for algorithm, group in of_game.groupby("algorithm"):
            curves = np.array(
                [
                    mean_scores(one[f"{alignment}_j"].to_numpy(), one["mean_return"].to_numpy(), budgets_j)
                    for _, one in group.sort_values("frames").groupby("seed")
                ]
            )
            low, high = _interval(curves)
            for place, budget_j in enumerate(budgets_j):
                yield {
                    "alignment": alignment,
                    "game": game,
                    "algorithm": algorithm,
                    "budget_j": budget_j,
                    "seeds": len(curves),
                    "score": curves[:, place].mean(),
                    "score_low": low[place],
                    "score_high": high[place],
                }


def mean_scores(energy_j: Floats, returns: Floats, budgets_j: Floats) -> Floats:
    """Mean of a learning curve over energy from zero to each budget [budgets], the curve [n] joined by straight
    lines and constant before its first evaluation."""
    grid_j = np.unique(np.concatenate([[0.0], energy_j, budgets_j]))
    curve = np.interp(grid_j, energy_j, returns)
    area = np.concatenate([[0.0], np.cumsum(np.diff(grid_j) * (curve[1:] + curve[:-1]) / 2)])
    return np.interp(budgets_j, grid_j, area) / budgets_j


def _interval(curves: Floats) -> tuple[Floats, Floats]:
    """Percentile interval of the mean over seeds, at every budget: arrays of [budgets]."""
    drawn = np.random.default_rng(0).integers(len(curves), size=(RESAMPLES, len(curves)))
    low, high = np.quantile(curves[drawn].mean(axis=1), [0.025, 0.975], axis=0)
    return low, high


def order_changes(curves: pd.DataFrame) -> pd.DataFrame:
    """At which budgets another algorithm leads, a row an alignment, game and leader in order of budget, and the
    share of budgets at which its interval lies apart from all others'."""
    rows = []
    for (alignment, game), group in curves.groupby(["alignment", "game"], sort=False):
        by_budget = group.pivot(index="budget_j", columns="algorithm", values="score")
        lows = group.pivot(index="budget_j", columns="algorithm", values="score_low")
        highs = group.pivot(index="budget_j", columns="algorithm", values="score_high")
        leaders = by_budget.idxmax(axis=1)
        spells = (leaders != leaders.shift()).cumsum()
        for _, spell in leaders.groupby(spells):
            leader = spell.iloc[0]
            others = highs.loc[spell.index].drop(columns=leader).max(axis=1)
            rows.append(
                {
                    "alignment": alignment,
                    "game": game,
                    "leader": leader,
                    "from_j": spell.index[0],
                    "to_j": spell.index[-1],
                    "budgets": len(spell),
                    "apart_share": float((lows.loc[spell.index, leader] > others).mean()),
                }
            )
    return pd.DataFrame(rows)
