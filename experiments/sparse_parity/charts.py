"""Figures of the experiment for a browser, one function each, named as in `design.yaml`."""

from __future__ import annotations

import altair as alt

from experiments.sparse_parity.tables import ENERGY, PROXIES
from joules.analysis import interactive as show
from joules.analysis.interactive import Spec, banded, exact


def parity_metrics() -> Spec:
    """What a solve costs against any proxy of it."""
    chart = show.points(
        show.of("arms", "datum.bits !== null"),
        show.log("operations", "operations of a solve"),
        show.log("energy_per_solve_j", "energy of a solve in J", alt.Y),
        (*show.OF_ARM, "problem", "process", "right_share", *PROXIES, ENERGY),
        group="process",
        shape="problem",
        y_ends=banded("energy_per_solve_j")[1:],
    )
    costs = {
        "energy": banded("energy_per_solve_j"),
        "time": exact("time_per_solve_s"),
        "cpu": exact("cpu_per_solve_s"),
    }
    return show.described(chart, ["arms"], costs)


def parity_agreement() -> Spec:
    """Rank agreement of every pair of metrics."""
    chart = (
        show.of("agreement")
        .mark_rect()
        .encode(
            x=alt.X("other:N", sort=None, title=""),
            y=alt.Y("metric:N", sort=None, title=""),
            color=alt.Color("tau:Q", scale=alt.Scale(scheme="blueorange", domain=[-1, 1])),
            tooltip=show.tips("metric", "other", "problems", "tau", "tau_low", "tau_high"),
        )
        .properties(width="container", height=show.HEIGHT)
    )
    return show.described(chart, ["agreement"])


def parity_regret() -> Spec:
    """Energy of the process that a metric chooses over that of the cheapest."""
    chart = show.points(
        show.of("regret"),
        show.log("regret", "energy over that of the cheapest"),
        show.named("metric"),
        ("problem", "metric", "winner", "cheapest", "n", "regret", "regret_low", "regret_high"),
        group="problem",
        x_ends=("regret_low", "regret_high"),
    )
    return show.described(chart, ["regret"])
