"""Figures of the experiment for a browser, one function each, named as in `design.yaml`."""

from __future__ import annotations

import altair as alt

from joules.analysis import interactive as show
from joules.analysis.interactive import Spec


def layers_equal() -> Spec:
    """Every run of the single layers, which have equal operations."""
    chart = show.points(
        show.of("runs", "datum.model === null && datum.factor === null"),
        show.named("kind", kind=alt.X),
        show.log("energy_per_pass_j", "energy per pass in J", alt.Y),
        (*show.OF_RUN, "flops", "energy_per_pass_j", "time_per_pass_s"),
    )
    costs = {"energy": ["energy_per_pass_j"], "time": ["time_per_pass_s"], "cpu": ["cpu_per_pass_s"]}
    return show.described(chart, ["runs"], costs, ["equal_flops_layers", "equal_flops_layers_time"])


def layers_mobilenet() -> Spec:
    """Shares by kind, here and as published."""
    columns = ["flops_percent", "energy_percent", "time_percent"]
    chart = (
        show.of("shares")
        .transform_fold(columns, as_=["share", "percent"])
        .mark_bar()
        .encode(
            x=alt.X("percent:Q", title="share in %"),
            y=alt.Y("kind:N", title="", sort=None),
            yOffset=alt.YOffset("share:N", sort=columns),
            color=alt.Color("share:N", sort=columns),
            row=alt.Row("origin:N", title=""),
            tooltip=show.tips("origin", "kind", "share:N", "percent:Q"),
        )
        .properties(width=420, height=160)
    )
    return show.described(chart, ["shares"], None, ["shares"])
