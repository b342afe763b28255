"""Figures of the experiment for a browser, one function each, named as in `design.yaml`."""

from __future__ import annotations

import altair as alt

from joules.analysis import interactive as show
from joules.analysis.interactive import Spec


def question_name_energy() -> Spec:
    """Energy of a product by arm, a point a block."""
    chart = show.points(
        show.of("runs"),
        show.named("arm", kind=alt.X),
        show.log("energy_per_pass_j", "energy per pass in J", alt.Y),
        (*show.OF_RUN, "energy_per_pass_j"),
    )
    return show.described(chart, ["runs"], None, ["question_name_sizes"])
