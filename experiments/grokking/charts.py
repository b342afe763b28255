"""Figures of the experiment for a browser, one function each, named as in `design.yaml`."""

from __future__ import annotations

import altair as alt

from joules.analysis import interactive as show
from joules.analysis.interactive import Spec


def grokking_curves() -> Spec:
    """Accuracies of every training by step; the legend picks an arm."""
    picked = alt.selection_point(
        fields=["arm"], bind="legend", name="picked", value=[{"arm": "add_transformer"}]
    )
    chart = (
        show.of("curves")
        .transform_fold(["train_accuracy", "validation_accuracy"], as_=["of", "accuracy"])
        .mark_line(strokeWidth=1)
        .encode(
            x=alt.X("energy_j:Q", title="energy of training in J"),
            y=alt.Y("accuracy:Q"),
            color=alt.Color("arm:N", legend=alt.Legend(columns=2, symbolLimit=60)),
            strokeDash=alt.StrokeDash("of:N", title=""),
            detail=alt.Detail("block:N"),
            opacity=alt.condition(picked, alt.value(0.9), alt.value(0.02)),
            tooltip=show.tips("arm", "block", "step", "of:N", "accuracy:Q", "energy_j"),
        )
        .add_params(picked)
        .properties(width="container", height=show.HEIGHT)
    )
    return show.described(chart, ["curves"], {"energy": ["energy_j"], "steps": ["step"]})


def grokking_waste() -> Spec:
    """Share of a schedule's energy after grokking, a point a block."""
    chart = show.points(
        show.of("runs", "datum.waste !== null && datum.rule === 'fixed'"),
        show.linear("waste", "share of energy after grokking"),
        show.named("task"),
        (*show.OF_RUN, "task", "architecture", "grok_step", "waste"),
        group="architecture",
    )
    return show.described(chart, ["runs"], None, ["waste"])


def grokking_schedule() -> Spec:
    """The same by the length of the schedule."""
    chart = show.points(
        show.of("schedules").transform_calculate(
            steps="datum.extrapolated ? 'beyond those that were run' : 'run'"
        ),
        show.linear("schedule", "steps of the schedule"),
        show.linear("waste", "share of energy after grokking", alt.Y),
        ("schedule", "grokked_share", "waste", "waste_low", "waste_high", "extrapolated"),
        group="steps",
        y_ends=("waste_low", "waste_high"),
    )
    return show.described(chart, ["schedules"])


def grokking_rules() -> Spec:
    """Energy saved against accuracy lost, over all settings of every rule."""
    chart = show.points(
        show.of("frontier"),
        show.linear("lost_points", "validation accuracy lost, in points"),
        show.linear("saved", "share of energy saved", alt.Y),
        ("rule", "setting", "trainings", "saved", "saved_low", "saved_high", "lost_points"),
        group="rule",
        x_ends=("lost_points_low", "lost_points_high"),
        y_ends=("saved_low", "saved_high"),
    )
    return show.described(chart, ["frontier"])


def grokking_predictor() -> Spec:
    """Step at which a network grokked against the predicted one."""
    chart = show.points(
        show.of("predictions"),
        show.log("unseen_task", "predicted step"),
        show.log("grok_step", "step", alt.Y),
        ("arm", "block", "task", "architecture", "grok_step", "unseen_task", "siblings_mean"),
        group="architecture",
    )
    return show.described(chart, ["predictions"], None, ["prediction"])
