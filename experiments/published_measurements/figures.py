"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

import pandas as pd

from experiments.published_measurements.estimates import METHOD_WORDS, METHODS
from experiments.published_measurements.inference import SHORT_NAMES
from experiments.published_measurements.learning import ALIGNMENTS, name_algorithm
from joules.analysis.drawing.description import Axis, Figure, Layer, Panel, Tables, draw_reference
from joules.analysis.drawing.palette import BLUE, GREY, INK, Look, assign_looks

_OPERATIONS = "multiply_adds_m"
_ENERGY = "energy_per_inference_j"
_OF_RUN = ("run", "published_network", "precision", _OPERATIONS, _ENERGY, "mean_power_w", "accuracy_percent")
_COLUMNS = 4


def published_power(tables: Tables) -> Figure:
    """Operations against watts at the wall, a panel a system, families coloured."""
    runs = _mobile(tables)
    runs = runs[runs["precision"] == "float32"]
    panels = []
    for number, (system, words) in enumerate(SHORT_NAMES.items()):
        own = runs[runs["system"] == system]
        layer = Layer("point", own, _OPERATIONS, "mean_power_w", by="family", size=3, tips=_OF_RUN)
        x, y = _axes(number, "M multiply-adds", "mean power in W")
        panels.append(Panel([layer], Axis(x, "log"), Axis(y), words))
    return Figure(panels, 4.2, assign_looks(runs["family"]), columns=_COLUMNS)


def published_fronts(tables: Tables) -> Figure:
    """Accuracy against joules at the wall, a panel a system, with the front of each precision."""
    runs = _mobile(tables).dropna(subset=["accuracy_percent"])
    fronts = tables["fronts"]
    looks = assign_looks(runs["precision"])
    panels = []
    for number, (system, title) in enumerate(SHORT_NAMES.items()):
        own, front = runs[runs["system"] == system], fronts[fronts["system"] == system]
        layers = [
            Layer(
                "point", own, _ENERGY, "accuracy_percent", by="precision", size=2.5, opacity=0.5, tips=_OF_RUN
            ),
            Layer("line", front, _ENERGY, "accuracy_percent", by="precision", is_stepped=True),
        ]
        axes = _axes(number, "J per inference", "accuracy in %")
        x = Axis(axes[0], "log", limits=(0.004, 3), most_ticks=4)
        panels.append(Panel(layers, x, Axis(axes[1], limits=(35, 82)), title))
    return Figure(panels, 4.2, looks, columns=_COLUMNS)


def published_ratios(tables: Tables) -> Figure:
    """Joules of int8 over float32 by system, and of single stream over offline by network."""
    int8 = tables["precision_ratios"].assign(name=lambda each: each["system"].map(SHORT_NAMES))
    single = tables["scenario_ratios"].assign(name=lambda each: each["network"])
    panels = [
        _pairs(
            int8, list(SHORT_NAMES.values()), "energy of int8 over float32", ("system", "published_network")
        ),
        _pairs(
            single,
            list(single.groupby("name")["ratio"].median().sort_values().index),
            "energy, single stream over offline",
            ("system", "network"),
        ),
    ]
    return Figure(panels, 3.0, columns=2)


def published_learning(tables: Tables) -> Figure:
    """Score up to an energy by algorithm: a row a game, a column an alignment of the two logs. A dotted line
    is the energy of the shortest training."""
    scores = tables["scores"].assign(budget_kj=tables["scores"]["budget_j"] / 1e3)
    scores["algorithm"] = scores["algorithm"].map(name_algorithm)
    tips = (
        "game",
        "algorithm",
        "alignment",
        "seeds",
        "evaluations",
        "ended",
        "budget_j",
        "score",
        "score_low",
        "score_high",
    )
    panels = []
    for row, (game, of_game) in enumerate(scores.groupby("game", sort=False)):
        for column, alignment in enumerate(ALIGNMENTS):
            own = of_game[of_game["alignment"] == alignment]
            shortest = float(own.loc[own["is_shortest"], "budget_kj"].iloc[0])
            layers = [
                draw_reference(x=shortest),
                Layer("area", own, "budget_kj", "score_low", y2="score_high", by="algorithm", opacity=0.2),
                Layer("line", own, "budget_kj", "score", by="algorithm"),
                Layer("point", own, "budget_kj", "score", by="algorithm", size=1.5, tips=tips),
            ]
            x = Axis("energy in kJ" if row else "", "log")
            title = "mean score" if column == 0 else ""
            # Scores of Breakout are counts, those of Pong are from -21 to 21.
            y = Axis(title, "log", limits=(0.8, 400)) if game == "Breakout" else Axis(title)
            panels.append(Panel(layers, x, y, f"{game}, {alignment}"))
    return Figure(panels, 4.0, assign_looks(scores["algorithm"]), columns=len(ALIGNMENTS))


def published_estimates(tables: Tables) -> Figure:
    """Estimates over the meter by method: at full load and with one inference at a time."""
    estimates, statistics = tables["estimates"], tables["statistics"].query("family == 'estimates'")
    order = list(METHODS)
    titles = {"full": "full load", "single": "one inference at a time"}
    panels = []
    for number, (load, title) in enumerate(titles.items()):
        points = estimates[estimates["load"] == load]
        points = points.assign(place=points["method"].map(order.index) - 0.15)
        medians = statistics[statistics["statistic"].str.endswith(f".{load}")]
        medians = medians.assign(place=medians["group"].map(order.index).astype(float) + 0.15, end=3.3)
        tips = ("group", "n", "estimate", "ci_low", "ci_high", "p_holm")
        layers = [
            draw_reference(x=1.0),
            Layer(
                "point",
                points,
                "ratio",
                "place",
                size=3,
                look=Look(GREY),
                tips=("system", "method", "runs", "ratio"),
            ),
            Layer("rule", medians, "ci_low", "place", x2="ci_high", size=1.2, look=Look(BLUE), tips=tips),
            Layer("point", medians, "estimate", "place", size=4.5, look=Look(BLUE), tips=tips),
            Layer("text", medians, "end", "place", text="stars", look=Look(INK)),
        ]
        names = Axis(names=[METHOD_WORDS[method] for method in order], is_labelled=number == 0)
        panels.append(Panel(layers, Axis("estimate over meter", "log", limits=(0.012, 7)), names, title))
    return Figure(panels, 3.0, columns=2)


def _mobile(tables: Tables) -> pd.DataFrame:
    """Runs, one inference at a time, of networks with published operations on the systems with many of
    them."""
    runs = tables["runs"]
    is_single = (runs["scenario"] == "singlestream") & runs[_OPERATIONS].notna()
    return runs[is_single & runs["system"].isin(SHORT_NAMES)]


def _axes(number: int, x: str, y: str) -> tuple[str, str]:
    """Titles of the axes of a panel: below the last row and left of the first column."""
    return (x if number >= _COLUMNS else ""), (y if number % _COLUMNS == 0 else "")


def _pairs(pairs: pd.DataFrame, names: list[str], title: str, tips: tuple[str, ...]) -> Panel:
    """Ratios of pairs by name with their median."""
    pairs = pairs[pairs["name"].isin(names)]
    points = pairs.assign(place=pairs["name"].map(names.index) - 0.15)
    medians = (
        points.groupby("name", sort=False).agg(ratio=("ratio", "median"), n=("ratio", "size")).reset_index()
    )
    medians = medians.assign(place=medians["name"].map(names.index) + 0.15)
    layers = [
        draw_reference(x=1.0),
        Layer(
            "point", points, "ratio", "place", size=2.5, look=Look(GREY), opacity=0.6, tips=(*tips, "ratio")
        ),
        Layer("point", medians, "ratio", "place", size=4.5, look=Look(BLUE), tips=("name", "ratio", "n")),
    ]
    return Panel(layers, Axis(title, "log"), Axis(names=names))
