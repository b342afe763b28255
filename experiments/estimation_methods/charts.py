"""Figures of the experiment for a browser, one function each, named as in `design.yaml`."""

from __future__ import annotations

import altair as alt

from joules.analysis import interactive as show
from joules.analysis.interactive import Spec


def methods_ratio() -> Spec:
    """Each estimate over the reading, by workload; thick grey, the same under all models of power."""
    tips = (
        "statistic",
        "group",
        "n",
        "estimate",
        "ci_low",
        "ci_high",
        "band_low",
        "band_high",
        "p_holm",
        "stars",
    )
    base = show.of("statistics", "datum.test === 'sign_flip'")
    band = base.mark_rule(color="#bbbbbb", strokeWidth=5).encode(
        x=alt.X("band_low:Q"), x2=alt.X2("band_high"), y=alt.Y("group:N", sort=None, title="")
    )
    marks = show.points(
        base,
        show.log("estimate", "estimate over reading"),
        show.named("group"),
        tips,
        x_ends=("ci_low", "ci_high"),
    )
    panel = alt.layer(band, marks).properties(width=260, height=360)
    chart = show.faceted(panel, "statistics", "family", 2)
    return show.described(chart, ["statistics"])


def methods_carbon() -> Spec:
    """Emissions of one energy by the place that is assumed."""
    chart = show.points(
        show.of("carbon"),
        show.log("intensity_g_per_kwh", "carbon intensity in g/kWh"),
        show.named("place", order="x"),
        ("place", "level", "intensity_g_per_kwh", "ratio_to_world", "source"),
        group="level",
    )
    return show.described(chart, ["carbon"])
