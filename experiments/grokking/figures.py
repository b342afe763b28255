"""Figures of the experiment, one function each, named as in `design.yaml`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.grokking.frontier import OURS
from experiments.grokking.outcomes import published
from experiments.grokking.replay import SAFE_POINTS, WORDS
from joules.analysis import records
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
from joules.analysis.drawing.palette import BLUE, COLOURS, GREY, INK, SHAPES, VERMILION, Look, assign_looks

_ARCHITECTURES = ("transformer", "mlp")


def grokking_curves(tables: Tables) -> Figure:
    """Accuracy of one run of each architecture against energy, with steps on the upper axis.

    The energy axis is linear, so the shaded width is the share of energy after grokking.
    """
    runs = tables["runs"]
    fixed = records.select_measured(runs[runs["rule"] == "fixed"])
    # The first task of the design, with the settings of its schedule.
    plain = fixed[fixed["arm"] == fixed["task"] + "_" + fixed["architecture"]]
    first = next(arm for arm in tables["arms"]["arm"] if arm in set(plain["arm"])).partition("_")[0]
    curves, panels = tables["curves"].set_index(["arm", "block"]).sort_index(), []
    for architecture, group in plain[plain["task"] == first].groupby("architecture", sort=False):
        run = group.sort_values("block").iloc[0]
        curve = curves.loc[(run["arm"], run["block"])].reset_index()
        energy_j, steps = curve["energy_j"].to_numpy(), curve["step"].to_numpy()
        tips = ("arm", "block", "step", "energy_j", "train_accuracy", "validation_accuracy")
        layers = [
            Layer("line", curve, "energy_j", "train_accuracy", name="training pairs", size=1.2),
            Layer(
                "line", curve, "energy_j", "validation_accuracy", name="held-out pairs", size=1.5, tips=tips
            ),
        ]
        if np.isfinite(run["grok_step"]):
            waste = {
                "from": np.interp(run["grok_step"], steps, energy_j),
                "to": np.inf,
                "low": 0.0,
                "high": 1.05,
            }
            shade = pd.DataFrame([waste])
            layers.insert(0, Layer("rect", shade, "from", "low", "to", "high", name="waste", opacity=0.15))
        x = Axis(
            f"energy in J ({run['provenance']})",
            limits=(0, energy_j[-1]),
            second="optimiser step",
            factor=(steps[-1] - steps[0]) / (energy_j[-1] - energy_j[0]),
        )
        y = Axis("accuracy", limits=(0, 1.05))
        panels.append(Panel(layers, x, y, f"{architecture}, {first}"))
    series = {
        "training pairs": Look(GREY, dash="dashed"),
        "held-out pairs": Look(BLUE),
        "waste": Look(VERMILION),
    }
    return Figure(panels, 3.0, series, columns=len(panels))


def grokking_waste(tables: Tables) -> Figure:
    """Share of energy after grokking, one panel per architecture: blocks, means with intervals, stars."""
    arms, runs = tables["arms"], tables["runs"]
    fixed = records.select_measured(runs[runs["rule"] == "fixed"])
    tested = tables["statistics"].query("family == 'waste'")
    axis = Axis(f"energy after grokking in %\n({describe_provenance(arms)})", limits=(0, 100))
    panels = []
    for name in _ARCHITECTURES:
        if name not in set(arms["architecture"]):
            continue
        grokked = arms[(arms["architecture"] == name) & (arms["grokked"] > 0)]["arm"]
        words = {arm: arm.replace(f"_{name}", "").replace("_", "\n") for arm in grokked}
        title = name if words else f"{name}: no training grokked"
        panel = compare_runs(fixed, "arm", "waste", words, tested, axis, factor=100, title=title, slant=60)
        panels.append(panel)
    return Figure(panels, 3.4, columns=max(len(panels), 1))


def grokking_schedule(tables: Tables) -> Figure:
    """Waste by length of schedule with published shares, and the share of runs that grok within it."""
    table = tables["schedules"].dropna(subset=["waste"])
    if table.empty:
        return Figure((), note="no training grokked")
    shares = ["waste", "waste_low", "waste_high", "grokked_share"]
    table = table.assign(**{name: 100 * table[name] for name in shares})
    run, tips = table[table["extrapolated"] == 0], ("schedule", *shares, "extrapolated")
    others = published()
    others = others.assign(
        words=others["what"] + ", published", right=table["schedule"].max(), above=others["percent"] + 2
    )
    waste, grokked = "energy after grokking", "grokked by then"
    layers = [
        *(draw_reference(y=percent) for percent in others["percent"]),
        Layer("text", others, "right", "above", text="words", size=7, align="right"),
        Layer("area", table, "schedule", "waste_low", y2="waste_high", name=waste, opacity=0.15),
        Layer("line", table, "schedule", "waste", name=waste, size=1, dash="dashed"),
        Layer("line", run, "schedule", "waste", name=waste, size=1.5),
        Layer("point", run, "schedule", "waste", name=waste, size=3, tips=tips),
        Layer("line", table, "schedule", "grokked_share", name=grokked, size=1.2),
        Layer("point", table, "schedule", "grokked_share", name=grokked, size=3, tips=tips),
    ]
    x = Axis("length of the schedule in optimiser steps", "log")
    y = Axis(f"%\n(energy {describe_provenance(tables['arms'])})", limits=(0, 102))
    series = {waste: Look(VERMILION), grokked: Look(GREY, "square", "dotted")}
    return Figure([Panel(layers, x, y)], 3.2, series, width=0.7)


def grokking_rules(tables: Tables) -> Figure:
    """Energy saved against accuracy lost: one line per rule, one point with both intervals per setting."""
    table = tables["frontier"]
    saved = {name: 100 * table[name] for name in ("saved", "saved_low", "saved_high")}
    is_filled = (table["rule"] == "oracle") | ((table["rule"] == OURS[0]) & (table["setting"] == OURS[1]))
    table = table.assign(**saved, rule=table["rule"].replace(WORDS))
    x, y, low, high = "saved", "lost_points", "lost_points_low", "lost_points_high"
    tips = ("rule", "setting", "trainings", "saved", "saved_low", "saved_high", y, low, high)
    layers = [
        draw_reference(y=SAFE_POINTS),
        Layer("line", table, x, y, by="rule", size=0.8),
        Layer("rule", table, "saved_low", y, x2="saved_high", by="rule", size=0.5),
        Layer("rule", table, x, low, y2=high, by="rule", size=0.5),
        Layer("point", table[~is_filled], x, y, by="rule", is_hollow=True, tips=tips),
        Layer("point", table[is_filled], x, y, by="rule", size=5, tips=tips),
    ]
    rules = [rule for rule in dict.fromkeys(table["rule"]) if rule != "oracle"]
    series = {rule: Look(COLOURS[place], SHAPES[place % 4]) for place, rule in enumerate(rules)}
    series |= {"oracle": Look(INK, "cross")} if "oracle" in set(table["rule"]) else {}
    saved_axis = Axis(f"energy saved in % of the schedule ({describe_provenance(tables['arms'])})")
    return Figure(
        [Panel(layers, saved_axis, Axis("validation accuracy lost in points", "symlog"))],
        3.6,
        series,
        width=0.8,
    )


def grokking_predictor(tables: Tables) -> Figure:
    """True against predicted steps, on logarithmic axes; the diagonal is a perfect prediction."""
    predictions = tables["predictions"].dropna(subset=["unseen_task"])
    if predictions.empty:
        return Figure((), note="too few trainings to predict from")
    steps = predictions[["unseen_task", "grok_step"]]
    ends = (0.9 * steps.min(axis=None), 1.1 * steps.max(axis=None))
    diagonal = pd.DataFrame({"at": ends})
    predictions = predictions.assign(network=predictions["task"] + ", " + predictions["architecture"])
    colours = {task: look.colour for task, look in assign_looks(predictions["task"]).items()}
    series = {
        f"{task}, {architecture}": Look(colours[task], SHAPES[_ARCHITECTURES.index(architecture)])
        for task, architecture in sorted(
            set(zip(predictions["task"], predictions["architecture"], strict=True))
        )
    }
    tips = ("arm", "block", "task", "architecture", "grok_step", "unseen_task", "siblings_mean")
    layers = [
        Layer("line", diagonal, "at", "at", size=0.8, look=Look(dash="dotted")),
        Layer("point", predictions, "unseen_task", "grok_step", by="network", tips=tips),
    ]
    x = Axis("predicted step, task not seen", "log", limits=ends)
    y = Axis("step of grokking", "log", limits=ends)
    return Figure([Panel(layers, x, y)], 4.2, series, width=0.65)
