"""Computes learning curves, areas, thresholds and places from the readings and evaluations of runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joules.analysis import ranking
from joules.analysis.records import Records
from joules.bench.record import Run

EVALUATION = "evaluation"
_COLUMNS = [
    "arm",
    "game",
    "algorithm",
    "block",
    "step",
    "energy_j",
    "duration_s",
    "return_mean",
    "return_std",
    "score",
]


def evaluations(records: Records) -> pd.DataFrame:
    """Tabulate the evaluations of runs with a result, and the untrained policy at step 0.

    Args:
        records: Records of the runs.

    Returns:
        One row per evaluation. `energy_j` and `duration_s` are those of training alone; earlier evaluations
        are subtracted. Energy is that of the whole machine, NaN if it was not read. `score` is the return
        with the random policy as zero and the arm's yardstick as one.
    """
    rows = []
    for run in records:
        if not isinstance(run, Run) or not run.has_result or not run.metrics["evaluations"]:
            continue
        played = [phase for phase in run.phases if phase.name == EVALUATION]
        spent_j, spent_s = 0.0, 0.0
        random_return = run.metrics["random_return"]
        first = {
            "step": 0,
            "energy_j": 0.0,
            "duration_s": 0.0,
            "return_mean": random_return,
            "return_std": np.nan,
        }
        points: list[dict[str, float]] = [first]
        marked = zip(run.metrics["evaluations"], run.steps, played, strict=False)
        for (step, mean, std), mark, phase in marked:
            reached_j = np.nan if mark.energy_j is None else mark.energy_j
            points.append(
                {
                    "step": int(step),
                    "energy_j": reached_j - spent_j,
                    "duration_s": mark.time_s - spent_s,
                    "return_mean": mean,
                    "return_std": std,
                }
            )
            spent_j += np.nan if phase.energy_j is None else phase.energy_j
            spent_s += phase.end_s - phase.start_s
        span = float(run.parameters["yardstick_return"]) - random_return
        rows += [
            {
                "arm": run.arm,
                "game": run.parameters["game"],
                "algorithm": run.parameters["algorithm"],
                "block": run.block,
                **point,
                "score": (point["return_mean"] - random_return) / span,
            }
            for point in points
        ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def evaluation_cost(run: Run) -> tuple[float, float]:
    """Energy and time of a run's evaluations.

    Returns:
        (joules, seconds); joules are NaN if they were not read.
    """
    played = [phase for phase in run.phases if phase.name == EVALUATION]
    energy_j = sum(np.nan if phase.energy_j is None else phase.energy_j for phase in played)
    return float(energy_j), sum(phase.end_s - phase.start_s for phase in played)


def area(spent: NDArray[np.float64], score: NDArray[np.float64], budget: float) -> float:
    """Mean score over the first `budget` of spending, with linear interpolation between evaluations.

    Args:
        spent: Joules, seconds or steps at each evaluation.
        score: Score at each evaluation.
        budget: End of the mean, in the unit of `spent`.
    """
    inside = spent < budget
    x = np.append(spent[inside], budget)
    y = np.append(score[inside], np.interp(budget, spent, score))
    return float(np.trapezoid(y, x) / budget)


def energy_to_reach(energy_j: NDArray[np.float64], score: NDArray[np.float64], threshold: float) -> float:
    """Joules at which a curve first reaches `threshold`, interpolated linearly; NaN if it never does."""
    above = np.flatnonzero(score >= threshold)
    if not len(above):
        return float("nan")
    last = int(above[0])
    if last == 0:
        return float(energy_j[0])
    share = (threshold - score[last - 1]) / (score[last] - score[last - 1])
    return float(energy_j[last - 1] + share * (energy_j[last] - energy_j[last - 1]))


def places(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Rank algorithms within each game.

    Returns:
        Columns game, algorithm, `metric` and place (1 is the largest), best first within each game.
    """
    placed = table[["game", "algorithm", metric]].copy()
    placed["place"] = placed.groupby("game")[metric].rank(ascending=False, method="min").astype(int)
    return placed.sort_values(["game", "place"], ignore_index=True)


def place_probabilities(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Probability of each place, by algorithm and game.

    Returns:
        Columns game, algorithm and the columns of `ranking.place_probabilities`, best first within each game.
    """
    tables = [pd.DataFrame(columns=["game", "algorithm", *ranking.COLUMNS])]
    for game, group in runs.groupby("game", sort=False):
        places = ranking.place_probabilities(group.pivot(index="block", columns="algorithm", values=metric))
        if len(places):
            tables.append(places.reset_index().assign(game=game))
    table = pd.concat(tables[1:] or tables, ignore_index=True)
    named = ["game", "algorithm"]
    table = table[named + [name for name in table if name not in named]]
    return table.sort_values(["game", "place"], ignore_index=True)


def improvements(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Probability of improvement between pairs of algorithms (Agarwal et al. 2021).

    This is the probability that a run of one algorithm has a larger `metric` than a run of the other, over
    all pairs of runs of a game; ties count as one half.

    Returns:
        One row per game and ordered pair.
    """
    rows = []
    for game, group in runs.dropna(subset=[metric]).groupby("game", sort=False):
        scores = {name: each[metric].to_numpy() for name, each in group.groupby("algorithm")}
        for algorithm, own in scores.items():
            for other, theirs in scores.items():
                if algorithm == other:
                    continue
                above = np.sign(own[:, None] - theirs[None, :])
                rows.append(
                    {
                        "game": game,
                        "algorithm": algorithm,
                        "other": other,
                        "probability": float((above + 1).mean() / 2),
                    }
                )
    return pd.DataFrame(rows, columns=["game", "algorithm", "other", "probability"])
