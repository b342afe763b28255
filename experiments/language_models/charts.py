"""Figures of the experiment for a browser, one function each, named as in `design.yaml`."""

from __future__ import annotations

import altair as alt

from joules.analysis import interactive as show
from joules.analysis.interactive import Spec, banded, exact

_COSTS = {
    "energy": banded("energy_per_training_j"),
    "time": exact("time_per_training_s"),
    "cpu": exact("cpu_per_training_s"),
}


def language_board() -> Spec:
    """Accuracy against what a training took."""
    chart = show.points(
        show.of("board"),
        show.log("energy_per_training_j", "energy of a training in J"),
        show.linear("validation_accuracy", "accuracy on held-out text", alt.Y, zero=False),
        (
            *show.OF_ARM,
            "kind",
            "validation_accuracy",
            *banded("energy_per_training_j"),
            "disqualified",
            "on_front",
        ),
        group="kind",
        x_ends=banded("energy_per_training_j")[1:],
    )
    return show.described(chart, ["board"], _COSTS)


def language_reached() -> Spec:
    """Energy at which an accuracy was reached."""
    chart = show.points(
        show.of("reached"),
        show.log("energy_j", "energy so far in J"),
        show.linear("level", "accuracy", alt.Y, zero=False),
        ("arm", "block", "kind", "level", "energy_j", "time_s"),
        group="kind",
    )
    return show.described(chart, ["reached"], {"energy": ["energy_j"], "time": ["time_s"]})


def language_ranking() -> Spec:
    """Energy of a training, a point a block."""
    chart = show.points(
        show.of("runs"),
        show.log("energy_per_training_j", "energy of a training in J"),
        show.named("arm"),
        (*show.OF_RUN, "validation_accuracy", "disqualified", "energy_per_training_j"),
    )
    costs = {name: fields[:1] for name, fields in _COSTS.items()}
    return show.described(chart, ["runs"], costs, ["neighbours"])
