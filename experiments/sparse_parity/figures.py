"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

from experiments.sparse_parity.parameters import EXAMPLES
from experiments.sparse_parity.tables import METRICS, PROXIES, WORDS
from joules.analysis.drawing.description import (
    Axis,
    Figure,
    Layer,
    Panel,
    Tables,
    describe_provenance,
    draw_reference,
    to_words,
)
from joules.analysis.drawing.palette import Look, assign_looks, mix_colour

# Colour of text on pale cells, also in dark mode.
_DARK = "#1B1B1B"


def parity_metrics(tables: Tables) -> Figure:
    """Relative cost of each process that learns from examples, by metric: one panel per problem, one line per
    process."""
    # Runs of the language models were not traced.
    arms = tables["arms"].dropna(subset=["bits"])
    arms = arms[arms["access"] == EXAMPLES]
    arms = arms.assign(name=to_words(arms["process"]), solved=arms["solved"].astype(bool))
    metrics, problems = list(METRICS), list(dict.fromkeys(arms["problem"]))
    least = arms[arms["solved"]].groupby("problem")[metrics].min()
    least = least.reindex(problems).fillna(arms.groupby("problem")[metrics].min())
    relative = arms[metrics] / least.loc[arms["problem"]].to_numpy()
    ids = ["arm", "problem", "name", "solved", "right_share", "provenance"]
    rows = arms[ids].join(relative).melt(ids, metrics, "metric", "relative").dropna(subset=["relative"])
    rows["place"] = rows["metric"].map(metrics.index).astype(float)
    limits = (0.5 * rows["relative"].min(), 2 * rows["relative"].max()) if len(rows) else (0.5, 2)
    panels = []
    for number, problem in enumerate(problems):
        layers = []
        for solved in (True, False):
            part = rows[(rows["problem"] == problem) & (rows["solved"] == solved)]
            line = Layer(
                "line", part, "place", "relative", by="name", size=0.7, dash=None if solved else "dotted"
            )
            tips = (*ids, "metric", "relative")
            points = Layer(
                "point", part, "place", "relative", by="name", size=3, is_hollow=not solved, tips=tips
            )
            layers += [line, points]
        names = [WORDS[metric] for metric in metrics]
        x = Axis(names=names, slant=60, is_labelled=number >= len(problems) - 2)
        words = "times the least of a process that solves it" if number == len(problems) // 4 * 2 else ""
        panels.append(Panel(layers, x, Axis(words, "log", limits=limits), problem))
    return Figure(panels, 1.8 + 1.6 * -(-len(problems) // 2), assign_looks(arms["name"]), columns=2)


def parity_agreement(tables: Tables) -> Figure:
    """Matrix of rank agreements (Kendall's tau), upper half."""
    across, down = METRICS[1:], METRICS[:-1]
    cells = tables["agreement"].query("memory == 'all'").dropna(subset=["tau"])
    order = {name: place for place, name in enumerate(METRICS)}
    cells = cells[cells["metric"].map(order) < cells["other"].map(order)]
    x, y = cells["other"].map(across.index).astype(float), cells["metric"].map(down.index).astype(float)
    cells = cells.assign(x=x, y=y, left=x - 0.5, right=x + 0.5, top=y - 0.5, bottom=y + 0.5)
    cells = cells.assign(
        colour=[mix_colour(tau) for tau in cells["tau"]], words=[f"{tau:.2f}" for tau in cells["tau"]]
    )
    tips = ("metric", "other", "problems", "tau", "tau_low", "tau_high")
    layers = [
        Layer("rect", cells, "left", "top", "right", "bottom", fill="colour", tips=tips),
        Layer("text", cells, "x", "y", text="words", size=7, align="center", look=Look(_DARK), tips=tips),
    ]
    x_axis = Axis(names=[WORDS[name] for name in across], slant=45)
    y_axis = Axis(names=[WORDS[name] for name in down])
    return Figure(
        [Panel(layers, x_axis, y_axis)], 4.2, width=0.9, note="Kendall's tau: from −1 (red) to 1 (blue)"
    )


def parity_regret(tables: Tables) -> Figure:
    """Regret by metric: one group of points per metric, one point with interval per problem."""
    arms, regret = tables["arms"], tables["regret"]
    regret = regret[regret["access"] == EXAMPLES]
    problems = list(dict.fromkeys(regret["problem"]))
    aside = {
        problem: 0.6 * (number - (len(problems) - 1) / 2) / len(problems)
        for number, problem in enumerate(problems)
    }
    regret = regret[regret["metric"].isin(PROXIES)]
    place = regret["metric"].map(PROXIES.index) + regret["problem"].map(aside)
    regret = regret.assign(place=place.astype(float))
    tips = ("problem", "metric", "winner", "cheapest", "n", "regret", "regret_low", "regret_high")
    layers = [
        draw_reference(y=1),
        Layer("rule", regret, "place", "regret_low", y2="regret_high", by="problem", size=0.8, tips=tips),
        Layer("point", regret, "place", "regret", by="problem", tips=tips),
    ]
    x = Axis(names=[WORDS[name] for name in PROXIES], slant=45)
    kinds = describe_provenance(arms) if len(arms) else "missing"
    y = Axis(f"energy over that of the cheapest\n({kinds})", "log")
    return Figure([Panel(layers, x, y)], 3.6, assign_looks(problems))
