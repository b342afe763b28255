"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.rl_ranking.parameters import ON_PIXELS
from experiments.rl_ranking.tables import ALGORITHMS
from joules.analysis import records, statistics
from joules.analysis.drawing.description import (
    Axis,
    Figure,
    Layer,
    Panel,
    Tables,
    compare_runs,
    describe_provenance,
    draw_reference,
)
from joules.analysis.drawing.palette import assign_looks
from joules.instrument.carbon import JOULES_PER_KWH
from joules.study.design import load_design

_GRID = 60


def rl_curves(tables: Tables) -> Figure:
    """Return against training time by game: mean over blocks and 95 % interval.

    The upper axis is energy at the mean power of the training runs of the game.
    """
    evaluated = tables["evaluations"]
    yardsticks = tables["runs"].groupby("game")["yardstick_return"].first()
    tips = ("algorithm", "seconds", "return", "ci_low", "ci_high", "blocks")
    energy = f"energy in Wh ({describe_provenance(tables['arms'], 'training_energy_j')})"
    games = list(dict.fromkeys(evaluated.loc[evaluated["step"] > 0, "game"]))
    panels = []
    for game in games:
        of_game = evaluated[evaluated["game"] == game]
        curves = pd.concat(
            _mean_curve(rows).assign(algorithm=ALGORITHMS[algorithm])
            for algorithm, rows in of_game.groupby("algorithm")
        )
        layers = [
            draw_reference(y=of_game.loc[of_game["step"] == 0, "return_mean"].mean()),
            Layer("area", curves, "seconds", "ci_low", y2="ci_high", by="algorithm", opacity=0.2),
            Layer("line", curves, "seconds", "return", by="algorithm", size=1.5, tips=tips),
        ]
        last = of_game.groupby(["arm", "block"])[["duration_s", "energy_j"]].max().sum()
        x = Axis(
            "time of training in s",
            limits=(0, None),
            second=energy if game == games[len(games) // 2] else "",
            factor=1000 * last["energy_j"] / last["duration_s"] / JOULES_PER_KWH,
        )
        title = f"{game}\n(yardstick {yardsticks[game]:g})"
        panels.append(Panel(layers, x, Axis("return of an episode" if game == games[0] else ""), title))
    return Figure(panels, 3.2, assign_looks(ALGORITHMS.values()), columns=max(len(panels), 1))


def rl_ranking(tables: Tables) -> Figure:
    """Area under the score-energy curve of each algorithm by block, one panel per game, with stars."""
    runs = records.select_measured(tables["runs"]).query("area_score.notna() and network != 'separable'")
    ranked = tables["ranks"].query("spent == 'energy'")
    tested = tables["statistics"].query("metric == 'area_score'")
    title, panels = f"mean score over equal energy\n({describe_provenance(tables['arms'])})", list[Panel]()
    for game in (game for game in dict.fromkeys(runs["game"]) if game in set(ranked["game"])):
        of_game = runs[runs["game"] == game]
        best_first = ranked[ranked["game"] == game].sort_values("place")["algorithm"]
        arms = of_game.drop_duplicates("algorithm").set_index("algorithm")["arm"]
        words = {arms[name]: ALGORITHMS[name].replace("+", "+\n") for name in best_first}
        panels.append(
            compare_runs(
                of_game, "arm", "area_score", words, tested, Axis("" if panels else title), title=game
            )
        )
    return Figure(panels, 3.6, columns=max(len(panels), 1))


def rl_budgets(tables: Tables) -> Figure:
    """Mean score over equal energy against the budget, one panel per game."""
    table, scale = tables["budgets"], tables["runs"]["scale"].iloc[0]
    if table.empty:
        return Figure((), note="no algorithm learned a game")
    rules = load_design("rl_ranking").at(scale).analysis
    table = table.assign(algorithm=[ALGORITHMS[name] for name in table["algorithm"]])
    tips = ("algorithm", "budget_s", "area_score", "area_score_low", "area_score_high", "place", "blocks")
    title, panels = f"mean score over equal energy\n({describe_provenance(tables['arms'])})", list[Panel]()
    for game, rows in table.groupby("game", sort=False):
        layers = [
            draw_reference(x=rules["least_budget_s"]),
            draw_reference(x=rules["most_budget_s"]),
            Layer(
                "area", rows, "budget_s", "area_score_low", y2="area_score_high", by="algorithm", opacity=0.15
            ),
            Layer("line", rows, "budget_s", "area_score", by="algorithm", size=1.5, tips=tips),
        ]
        x = Axis("budget in s of the mean power of training")
        panels.append(Panel(layers, x, Axis("" if panels else title), str(game)))
    return Figure(panels, 3.2, assign_looks(ALGORITHMS.values()), columns=max(len(panels), 1))


def rl_steps(tables: Tables) -> Figure:
    """Time and energy of an environment step, including learning, by arm on pixels, with stars.

    Grey lines are ranges over power models.
    """
    runs = records.select_measured(tables["runs"])
    runs, arms, tested = runs[runs["network"].isin(ON_PIXELS)], tables["arms"], tables["statistics"]
    words = {
        run["arm"]: ALGORITHMS[run["algorithm"]].replace("+", "+\n")
        + ("\nseparable" if run["network"] == "separable" else "")
        for run in runs.sort_values("arm").drop_duplicates("arm").to_dict("records")
    }
    contents = [
        ("time_per_step_s", "separable_time", "time per environment step in ms"),
        (
            "energy_per_step_j",
            "separable",
            f"energy per environment step in mJ\n({describe_provenance(arms, 'energy_per_step_j')})",
        ),
    ]
    panels = [
        compare_runs(
            runs,
            "arm",
            column,
            words,
            tested[tested["family"] == family],
            Axis(title, limits=(0, None)),
            factor=1e3,
            arms=arms,
            slant=60,
        )
        for column, family, title in contents
    ]
    return Figure(panels, 3.4, columns=2)


def _mean_curve(curves: pd.DataFrame) -> pd.DataFrame:
    """Mean return over blocks with its interval, up to the longest time that all blocks reached."""
    blocks = [curve for _, curve in curves.groupby("block")]
    grid_s = np.linspace(0, min(curve["duration_s"].max() for curve in blocks), _GRID)
    returns = np.array([np.interp(grid_s, curve["duration_s"], curve["return_mean"]) for curve in blocks])
    intervals = np.array([statistics.mean_with_interval(column) for column in returns.T])
    made = pd.DataFrame(intervals, columns=["return", "ci_low", "ci_high"])
    return made.assign(seconds=grid_s, blocks=len(blocks))
