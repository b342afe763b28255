"""The figures for a browser, one function each."""

from __future__ import annotations

import altair as alt

from joules.analysis import interactive as show
from joules.analysis.interactive import Spec


def power_watts() -> Spec:
    """What every model of power gives this machine."""
    chart = (
        show.of("watts", "datum.gap === null")
        .transform_fold(["rest_w", "one_core_w", "all_cores_w"], as_=["load", "watts"])
        .mark_point(filled=True, size=60)
        .encode(
            x=alt.X("watts:Q", title="power in W"),
            y=alt.Y("words:N", title="", sort=None),
            color=alt.Color("load:N", sort=None),
            shape=alt.Shape("load:N", sort=None),
            tooltip=show.tips("words", "source", "load:N", "watts:Q"),
        )
        .properties(width="container", height=show.HEIGHT)
    )
    return show.described(chart, ["watts"])


def power_headlines() -> Spec:
    """The ratios that decide claims under every model of power."""
    chart = show.points(
        show.of("headlines", "datum.unit === 'ratio' && isValid(datum.estimate)"),
        show.log("estimate", "ratio"),
        show.named("claim"),
        ("claim", "experiment", "power_model", "n", "estimate", "ci_low", "ci_high", "p_holm"),
        group="power_model",
        x_ends=("ci_low", "ci_high"),
    )
    return show.described(chart, ["headlines"])
