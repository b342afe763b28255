"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.rl_ranking.parameters import ON_PIXELS
from experiments.rl_ranking.tables import ALGORITHMS
from joules.analysis import plotting, records, statistics
from joules.instrument.carbon import JOULES_PER_KWH

Tables = Mapping[str, pd.DataFrame]

_GRID = 60


def rl_curves(tables: Tables) -> Figure:
    """Return against time of training by game: mean over blocks, band of the 95 % interval. The upper axis is
    energy at the mean power of the game's trainings."""
    evaluated = tables["evaluations"]
    yardsticks = tables["runs"].groupby("game")["yardstick_return"].first()
    games = list(dict.fromkeys(evaluated.loc[evaluated["step"] > 0, "game"]))
    marks = plotting.marks(ALGORITHMS)
    figure, grid = plt.subplots(
        1, len(games), figsize=(plotting.COLUMN_IN, 3.0), squeeze=False, layout="constrained"
    )
    for axes, game in zip(grid[0], games, strict=True):
        for algorithm, group in evaluated[evaluated["game"] == game].groupby("algorithm"):
            seconds, mean, low, high = _band(group)
            colour = marks[algorithm]["color"]
            axes.plot(seconds, mean, color=colour, label=ALGORITHMS[algorithm])
            axes.fill_between(seconds, low, high, color=colour, alpha=0.2, linewidth=0)
        start = evaluated.loc[(evaluated["game"] == game) & (evaluated["step"] == 0), "return_mean"].mean()
        axes.axhline(start, color="0.5", linewidth=0.8, linestyle=":")
        axes.set(title=f"{game}\n(yardstick {yardsticks[game]:g})", xlim=(0, None))
        upper = axes.secondary_xaxis("top", functions=_wh_of(evaluated[evaluated["game"] == game]))
        upper.tick_params(labelsize=7)
        if game == games[len(games) // 2]:
            # Not the figure's own label: a legend outside the panels would cover it.
            axes.set_xlabel("time of training in s")
            upper.set_xlabel(f"energy in Wh ({plotting.provenance(tables['arms'])})", fontsize=7)
    grid[0][0].set_ylabel("return of an episode")
    handles = {
        label: handle
        for axes in grid[0]
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, fontsize=7)
    return figure


def rl_ranking(tables: Tables) -> Figure:
    """Area under the score-energy curve by block of each algorithm, a panel a game, stars from the table."""
    runs = records.select_measured(tables["runs"]).query("area_score.notna() and network != 'separable'")
    ranked = tables["ranks"].query("spent == 'energy'")
    games = [game for game in dict.fromkeys(runs["game"]) if game in set(ranked["game"])]
    figure, grid = plt.subplots(
        1, max(len(games), 1), figsize=(plotting.COLUMN_IN, 3.6), squeeze=False, layout="constrained"
    )
    compared = []
    for axes, game in zip(grid[0], games, strict=False):
        of_game = runs[runs["game"] == game]
        best_first = ranked[ranked["game"] == game].sort_values("place")["algorithm"]
        arms = of_game.drop_duplicates("algorithm").set_index("algorithm")["arm"]
        plotted = {"data": of_game, "x": "arm", "y": "area_score", "order": list(arms[best_first])}
        plotting.dots(axes, **plotted)
        compared.append((axes, tables["statistics"].query("metric == 'area_score'"), plotted))
        axes.set_xticks(range(len(best_first)), [ALGORITHMS[name].replace("+", "+\n") for name in best_first])
        axes.set(title=game, xlabel="", ylabel="")
    grid[0][0].set_ylabel(f"mean score over equal energy\n({plotting.provenance(tables['arms'])})")
    plotting.stars(figure, compared)
    return figure


def rl_steps(tables: Tables) -> Figure:
    """Time and energy of one environment step, learning included, by arm on pixels; stars from the table,
    grey lines are bands over models of power."""
    runs = records.select_measured(tables["runs"])
    runs = runs[runs["network"].isin(ON_PIXELS)]
    order = list(dict.fromkeys(sorted(runs["arm"])))
    contents = [
        ("time_per_step_s", "separable_time", "time per environment step in ms"),
        (
            "energy_per_step_j",
            "separable",
            f"energy per environment step in mJ\n({plotting.provenance(tables['arms'])})",
        ),
    ]
    figure, panels = plt.subplots(1, 2, figsize=(plotting.COLUMN_IN, 3.2), layout="constrained")
    compared = []
    for axes, (column, family, words) in zip(panels, contents, strict=True):
        plotted = {
            "data": runs.assign(per_step=1e3 * runs[column]),
            "x": "arm",
            "y": "per_step",
            "order": order,
        }
        if len(runs):
            plotting.dots(axes, **plotted)
            means = tables["arms"].set_index("arm").reindex(order)
            plotting.bands(axes, np.arange(len(order)) + 0.36, means, column, 1e3)
            first = runs.drop_duplicates("arm").set_index("arm")
            axes.set_xticks(range(len(order)), [_label(first.loc[arm]) for arm in order], rotation=60)
            compared.append((axes, _of_family(tables, family), plotted))
        axes.set(xlabel="", ylabel=words)
        axes.set_ylim(bottom=0)
    plotting.stars(figure, compared)
    return figure


def _label(run: pd.Series) -> str:
    network = "\nseparable" if run["network"] == "separable" else ""
    return f"{ALGORITHMS[run['algorithm']].replace('+', '+' + chr(10))}{network}"


def _band(curves: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(seconds, mean, low, high) of the blocks' curves, up to the time that all of them reached."""
    blocks = [curve for _, curve in curves.groupby("block")]
    grid_s = np.linspace(0, min(curve["duration_s"].max() for curve in blocks), _GRID)
    returns = np.array([np.interp(grid_s, curve["duration_s"], curve["return_mean"]) for curve in blocks])
    intervals = np.array([statistics.mean_with_interval(column) for column in returns.T])
    mean, low, high = intervals.T
    return grid_s, mean, low, high


def _wh_of(evaluated: pd.DataFrame) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Seconds to watt-hours at the mean power of these trainings, and back."""
    last = evaluated.groupby(["arm", "block"])[["duration_s", "energy_j"]].max().sum()
    wh_per_s = 1000 * last["energy_j"] / last["duration_s"] / JOULES_PER_KWH
    return (lambda seconds: wh_per_s * seconds), (lambda wh: wh / wh_per_s)


def _of_family(tables: Tables, family: str) -> pd.DataFrame:
    statistics = tables["statistics"]
    return statistics[statistics["family"] == family]
