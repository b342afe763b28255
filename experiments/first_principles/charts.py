"""Figures of the experiment for a browser, one function each, named as in `design.yaml`."""

from __future__ import annotations

import altair as alt

from joules.analysis import interactive as show
from joules.analysis.interactive import Spec


def first_principles_roofline() -> Spec:
    """Attained rate against intensity on one core, with the limits."""
    base = show.of("rooflines", "datum.threads === 1").transform_calculate(
        intensity="datum.flops / datum.bytes_moved",
        rate="datum.flops / datum.measured_s",
        roof="min(datum.limit_flops_per_s, datum.limit_bytes_per_s * datum.flops / datum.bytes_moved)",
    )
    x = show.log("intensity", "floating-point operations for each byte moved")
    roof = base.mark_line(color="#777777").encode(x=x, y=show.log("roof", "", alt.Y))
    marks = show.points(
        base,
        x,
        show.log("rate", "floating-point operations a second", alt.Y),
        (*show.OF_ARM, "family", "intensity:Q", "rate:Q", "roof:Q"),
        group="question",
    )
    chart = alt.layer(roof, marks).properties(width="container", height=show.HEIGHT)
    return show.described(chart, ["rooflines"])


def first_principles_errors() -> Spec:
    """Predicted over measured, a point an architecture."""
    forms = ["flops", "whole", "whole_launches", "per_operator", "per_operator_launches"]
    chart = (
        show.of("rooflines", "datum.factor === null")
        .transform_fold([f"{form}_s" for form in forms], as_=["form", "predicted_s"])
        .transform_calculate(ratio="datum.predicted_s / datum.measured_s")
    )
    marks = show.points(
        chart,
        show.log("ratio", "predicted over measured time"),
        show.named("form"),
        (*show.OF_ARM, "family", "form:N", "predicted_s:Q", "measured_s", "ratio:Q"),
        group="question",
    )
    return show.described(marks, ["rooflines"], None, ["time_error", "time_errors"])


def first_principles_anchors() -> Spec:
    """Predictions over what was published, by anchor."""
    base = show.of("anchors").transform_calculate(
        low="datum.unfitted_low / sqrt(datum.published_low * datum.published_high)",
        high="datum.unfitted_high / sqrt(datum.published_low * datum.published_high)",
        ratio="datum.fitted / sqrt(datum.published_low * datum.published_high)",
    )
    tips = (
        "words",
        "kind",
        "published_low",
        "published_high",
        "fitted",
        "unfitted_low",
        "unfitted_high",
        "source",
        "note",
    )
    chart = show.points(
        base,
        show.log("ratio", "over what was published"),
        show.named("words"),
        tips,
        group="kind",
        x_ends=("low", "high"),
    )
    return show.described(chart, ["anchors"])
