"""Figures of the experiment for a browser, one function each, named as in `design.yaml`."""

from __future__ import annotations

import altair as alt

from joules.analysis import interactive as show
from joules.analysis.interactive import Spec, banded, exact


def rl_curves() -> Spec:
    """Return of evaluations against what training had taken, a line a block."""
    picked = alt.selection_point(fields=["algorithm"], bind="legend", name="picked")
    panel = (
        show.of("evaluations")
        .mark_line(point=alt.OverlayMarkDef(size=12), strokeWidth=1)
        .encode(
            x=alt.X("energy_j:Q", title="energy of training in J"),
            y=alt.Y("return_mean:Q", title="return"),
            color=alt.Color("algorithm:N"),
            strokeDash=alt.StrokeDash("algorithm:N"),
            detail=[alt.Detail("arm:N"), alt.Detail("block:N")],
            opacity=alt.condition(picked, alt.value(0.8), alt.value(0.05)),
            tooltip=show.tips("arm", "block", "step", "return_mean", "return_std", "energy_j", "duration_s"),
        )
        .add_params(picked)
        .properties(width=300, height=200)
    )
    chart = show.faceted(panel, "evaluations", "game", 2).resolve_scale(x="independent", y="independent")
    return show.described(chart, ["evaluations"], {"energy": ["energy_j"], "time": ["duration_s"]})


def rl_ranking() -> Spec:
    """Every run's mean score while an equal energy was spent."""
    panel = show.points(
        show.of("runs"),
        show.named("algorithm", kind=alt.X),
        show.linear("area_score", "mean normalised score", alt.Y),
        (*show.OF_RUN, "game", "algorithm", "area_score"),
    ).properties(width=220, height=200)
    chart = show.faceted(panel, "runs", "game", 3)
    return show.described(chart, ["runs"])


def rl_steps() -> Spec:
    """Cost of a step in Pong from pixels by algorithm and network."""
    costs = {
        "energy": banded("energy_per_step_j"),
        "time": exact("time_per_step_s"),
        "cpu": exact("cpu_per_step_s"),
    }
    chart = show.points(
        show.of("arms", "indexof(datum.game, 'pixels') >= 0"),
        show.log("energy_per_step_j", "energy of a step in J"),
        show.named("arm"),
        (*show.OF_ARM, "algorithm", "network", *banded("energy_per_step_j"), "flops_per_step"),
        group="algorithm",
        x_ends=banded("energy_per_step_j")[1:],
    )
    return show.described(chart, ["arms"], costs)
