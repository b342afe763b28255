"""Ranks algorithms over a range of energy budgets, because one budget can decide a ranking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from experiments.rl_ranking import curves
from joules.analysis import statistics
from joules.analysis.inference import ExtremeSample
from joules.means import MeanSample
from joules.study.design import Comparison

# Budgets in the declared range, and below and above it.
_INSIDE, _BELOW, _ABOVE = 12, 2, 3
_COLUMNS = [
    "game",
    "algorithm",
    "budget_s",
    "in_range",
    "blocks",
    "area_score",
    "area_score_low",
    "area_score_high",
    "place",
]


def budget_grid(least_s: float, most_s: float) -> list[float]:
    """Budgets in seconds from half of `least_s` to one and a half times `most_s`, both of which it has."""
    below = np.linspace(least_s / 2, least_s, _BELOW, endpoint=False)
    above = np.linspace(most_s, 1.5 * most_s, _ABOVE + 1)[1:]
    return [*below.tolist(), *np.linspace(least_s, most_s, _INSIDE).tolist(), *above.tolist()]


def areas(evaluations: pd.DataFrame, budgets_s: Sequence[float]) -> pd.DataFrame:
    """Mean score of each run over each budget of energy.

    Args:
        evaluations: Learning curves.
        budgets_s: Budgets in seconds at the mean power at which the game was trained.

    Returns:
        One row per run and budget.
    """
    rows = []
    for game, of_game in evaluations.groupby("game", sort=False):
        power_w = mean_power_w(of_game)
        for (arm, algorithm, block), curve in of_game.groupby(["arm", "algorithm", "block"], sort=False):
            if len(curve) < 2:
                continue
            energy_j, score = (curve[name].to_numpy(dtype=np.float64) for name in ("energy_j", "score"))
            rows += [
                [game, arm, algorithm, block, budget_s, curves.area(energy_j, score, budget_s * power_w)]
                for budget_s in budgets_s
            ]
    return pd.DataFrame(rows, columns=["game", "arm", "algorithm", "block", "budget_s", "area_score"])


def mean_power_w(evaluations: pd.DataFrame) -> float:
    """Mean power in watts at which the runs of `evaluations` were trained."""
    last = evaluations.groupby(["arm", "block"])[["energy_j", "duration_s"]].max().sum()
    return float(last["energy_j"] / last["duration_s"])


def budgets_table(areas: pd.DataFrame, least_s: float, most_s: float) -> pd.DataFrame:
    """Mean score and place of every algorithm at every budget.

    Args:
        areas: Rows of `areas` to rank.
        least_s: Least budget of the declared range, in seconds.
        most_s: Largest budget of the declared range, in seconds.

    Returns:
        One row per game, algorithm and budget.
    """
    rows = []
    for (game, algorithm, budget_s), group in areas.groupby(["game", "algorithm", "budget_s"], sort=False):
        mean, low, high = statistics.mean_with_interval(group["area_score"])
        in_range = least_s <= budget_s <= most_s
        rows.append([game, algorithm, budget_s, in_range, len(group), mean, low, high])
    table = pd.DataFrame(rows, columns=_COLUMNS[:-1])
    places = table.groupby(["game", "budget_s"])["area_score"].rank(ascending=False, method="min")
    return table.assign(place=places.astype(int))


def over_budgets(
    areas: pd.DataFrame, comparisons: Sequence[Comparison], least_s: float, most_s: float
) -> list[statistics.Row]:
    """The least and the largest difference between two algorithms over the declared range of budgets.

    That one learns more than the other over the whole range needs the least difference above zero.

    Args:
        areas: Rows of `areas`.
        comparisons: Comparisons of scores in the design.
        least_s: Least budget of the range, in seconds.
        most_s: Largest budget of the range, in seconds.
    """
    inside = areas[areas["budget_s"].between(least_s, most_s)]
    wide = inside.pivot(index="block", columns=["arm", "budget_s"], values="area_score")
    rows = []
    for group, base in (pair for family in comparisons for pair in family.pairs):
        if not {group, base} <= set(inside["arm"]):
            continue
        differences = (wide[group] - wide[base]).dropna()
        if len(differences) < 2:
            continue
        parts = tuple(MeanSample.from_values(differences[budget_s], "skewed_t") for budget_s in differences)
        rows += [
            statistics.row(
                statistic=f"{name}_over_budgets.{group}_vs_{base}",
                family=f"{name}_over_budgets",
                test="intersection_union",
                metric="area_score",
                group=group,
                base=base,
                contrast="difference",
                **statistics.estimate_cells(ExtremeSample(parts, is_largest=name == "most")),
            )
            for name in ("least", "most")
        ]
    return rows
