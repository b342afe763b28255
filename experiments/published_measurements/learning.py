"""Reinforcement learning on counters: what is learned for equal energy, as a function of the energy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from joules.means import CONFIDENCE, DifferenceSample

Floats = NDArray[np.float64]

# How the energy at an evaluation is read, since the two logs of a training do not share a clock.
ALIGNMENTS = {
    "clock": "both logs begin together and keep one clock",
    "stretched": "what is outside the training's clock is spread evenly over it",
    "frames": "energy goes with frames, of the log's total",
}
# Clocks that agree no better than this are not those of one training.
MATCH = 1.05
# Budgets of energy of a game.
BUDGETS = 40
_TRAINING = ["game", "algorithm", "seed"]


def with_energy(trainings: pd.DataFrame) -> pd.DataFrame:
    """Evaluations with joules of processors, memory and GPU under each alignment (`<alignment>_j`), and
    whether the power log covers the training's clock (`is_matched`)."""
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

    The score of a training up to a budget is the mean of its learning curve over energy, from none to the
    budget: the measure of `rl_ranking`. A curve begins with the return of an untrained network, which was
    published for A2C+V-trace alone and is taken for every algorithm of the game, and keeps its last return
    after its end. `evaluations` is the least number of evaluations within the budget over seeds, `ended` the
    trainings that ended within it. `score_low` and `score_high` are Student's 95 % interval.
    """
    matched = evaluations[evaluations["is_matched"]]
    return pd.DataFrame([row for alignment in ALIGNMENTS for row in _scores(matched, alignment)])


def _scores(evaluations: pd.DataFrame, alignment: str) -> Iterator[dict[str, object]]:
    energy = f"{alignment}_j"
    for game, of_game in evaluations.groupby("game"):
        untrained = of_game.loc[of_game["frames"] == 0, "mean_return"].mean()
        total_j = of_game.groupby(["algorithm", "seed"])[energy].max()
        # The shortest training is one of the budgets: none had ended.
        shortest_j, longest_j = total_j.min(), total_j.groupby("algorithm").min().max()
        first_j = of_game.loc[of_game["frames"] > 0, energy].min()
        below = np.geomspace(first_j, shortest_j, BUDGETS // 2)
        budgets_j = np.concatenate([below, np.geomspace(shortest_j, longest_j, BUDGETS // 2 + 1)[1:]])
        for algorithm, group in of_game.groupby("algorithm"):
            seeds = [one for _, one in group.sort_values("frames").groupby("seed")]
            curves = np.array(
                [
                    mean_scores(one[energy].to_numpy(), one["mean_return"].to_numpy(), budgets_j, untrained)
                    for one in seeds
                ]
            )
            low, high = _interval(curves)
            for place, budget_j in enumerate(budgets_j):
                yield {
                    "alignment": alignment,
                    "game": game,
                    "algorithm": algorithm,
                    "budget_j": budget_j,
                    "is_shortest": budget_j == shortest_j,
                    "seeds": len(curves),
                    "evaluations": min(int((one[energy].between(1e-9, budget_j)).sum()) for one in seeds),
                    "ended": sum(bool(one[energy].max() <= budget_j) for one in seeds),
                    "score": curves[:, place].mean(),
                    "score_sd": curves[:, place].std(ddof=1),
                    "score_low": low[place],
                    "score_high": high[place],
                }


def mean_scores(energy_j: Floats, returns: Floats, budgets_j: Floats, untrained: float) -> Floats:
    """Mean of a learning curve over energy from zero to each budget [budgets]: straight lines from
    `untrained` at no energy through the evaluations [n], then the last return."""
    if energy_j[0] > 0:
        energy_j, returns = np.append(0.0, energy_j), np.append(untrained, returns)
    grid_j = np.unique(np.concatenate([[0.0], energy_j, budgets_j]))
    curve = np.interp(grid_j, energy_j, returns)
    area = np.concatenate([[0.0], np.cumsum(np.diff(grid_j) * (curve[1:] + curve[:-1]) / 2)])
    return np.interp(budgets_j, grid_j, area) / budgets_j


def _interval(curves: Floats) -> tuple[Floats, Floats]:
    """Student's interval of the mean over seeds, at every budget: arrays of [budgets]."""
    half = _quantile(len(curves) - 1) * curves.std(axis=0, ddof=1) / np.sqrt(len(curves))
    return curves.mean(axis=0) - half, curves.mean(axis=0) + half


def _quantile(freedom: float) -> float:
    return float(special.stdtrit(freedom, (1 + CONFIDENCE) / 2))


def order_changes(curves: pd.DataFrame) -> pd.DataFrame:
    """At which budgets the order of algorithms changes, a row an alignment, game and order by rising budget,
    and the share of its budgets at which the leader's interval lies apart from all others'."""
    rows = []
    for (alignment, game), group in curves.groupby(["alignment", "game"], sort=False):
        tables = group.pivot(index="budget_j", columns="algorithm")
        scores, lows, highs = (tables[name] for name in ("score", "score_low", "score_high"))
        orders = scores.apply(lambda row: " > ".join(row.sort_values(ascending=False).index), axis=1)
        for _, spell in orders.groupby((orders != orders.shift()).cumsum()):
            leader, _, _ = spell.iloc[0].partition(" > ")
            others = highs.loc[spell.index].drop(columns=leader).max(axis=1)
            rows.append(
                {
                    "alignment": alignment,
                    "game": game,
                    "leader": leader,
                    "order": spell.iloc[0],
                    "from_j": spell.index[0],
                    "to_j": spell.index[-1],
                    "budgets": len(spell),
                    "apart_share": float((lows.loc[spell.index, leader] > others).mean()),
                }
            )
    return pd.DataFrame(rows)


def leads(curves: pd.DataFrame) -> pd.DataFrame:
    """How far each algorithm leads the best of the others, by Welch's 95 % interval and p over seeds, up to
    the energy of the shortest training and up to that of the algorithm with the longest ones."""
    rows = []
    for (alignment, game), group in curves.groupby(["alignment", "game"], sort=False):
        shortest_j = group.loc[group["is_shortest"], "budget_j"].iloc[0]
        for budget, budget_j in (("shortest", shortest_j), ("longest", group["budget_j"].max())):
            at_budget = group[group["budget_j"] == budget_j].set_index("algorithm")
            for algorithm, own in at_budget.iterrows():
                others = at_budget.drop(index=algorithm)
                best = others.loc[others["score"].idxmax()]
                rows.append(
                    {
                        "alignment": alignment,
                        "game": game,
                        "budget": budget,
                        "budget_j": budget_j,
                        "algorithm": algorithm,
                        "other": best.name,
                        "seeds": int(min(own["seeds"], best["seeds"])),
                        **_difference(own, best),
                    }
                )
    return pd.DataFrame(rows)


def pairs(curves: pd.DataFrame) -> pd.DataFrame:
    """Difference of mean scores of every two algorithms up to the energy of the shortest training, by the
    clock, with Welch's interval and p."""
    rows = []
    chosen = curves[curves["is_shortest"] & (curves["alignment"] == "clock")]
    for game, group in chosen.groupby("game", sort=False):
        of = group.set_index("algorithm")
        for one, other in combinations(sorted(of.index, reverse=True), 2):
            named = {"game": game, "algorithm": one, "other": other}
            seeds = int(of.loc[[one, other], "seeds"].min())
            rows.append(named | {"seeds": seeds, **_difference(of.loc[one], of.loc[other])})
    return pd.DataFrame(rows)


def _difference(own: pd.Series, other: pd.Series) -> dict[str, object]:
    """Difference of two means with Welch's interval and p, the degrees of freedom by Satterthwaite."""
    squares = [(each["score_sd"] ** 2 / each["seeds"], each["seeds"] - 1) for each in (own, other)]
    square = sum(part for part, _ in squares)
    freedom = square**2 / sum(part**2 / degrees for part, degrees in squares)
    lead, error = own["score"] - other["score"], float(np.sqrt(square))
    sample = DifferenceSample(lead, error, freedom, int(min(own["seeds"], other["seeds"])))
    low, high = sample.interval()
    return {"lead": lead, "lead_low": low, "lead_high": high, "p": sample.p_value(0.0), "sample": sample}


def name_algorithm(arm: str) -> str:
    """The name of an algorithm as figures and tables print it."""
    return arm.upper().replace("_VTRACE", "+V-trace")
