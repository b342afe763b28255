"""Figures of the experiment for a browser, one function each, named as in `design.yaml`."""

from __future__ import annotations

import json
import warnings

import altair as alt

from joules.analysis import interactive as show
from joules.analysis.interactive import Spec, banded, exact
from joules.study.design import load_design

_COSTS = {
    "energy": banded("energy_per_inference_j"),
    "time": exact("time_per_inference_s"),
    "cpu": exact("cpu_per_inference_s"),
}
_ALONE = "datum.factor === null"
_TIPS = (*show.OF_ARM, "family", "flops", *banded("energy_per_inference_j"), "ci_low_j", "ci_high_j")


def flops_scatter() -> Spec:
    """Cost of an inference against operations, a colour a family."""
    chart = show.points(
        show.of("arms", _ALONE),
        show.log("flops", "FLOPs per inference"),
        show.log("energy_per_inference_j", "energy per inference in J", alt.Y),
        _TIPS,
        group="family",
        y_ends=banded("energy_per_inference_j")[1:],
    )
    return show.described(chart, ["arms"], _COSTS, ["flops_energy_r2", "flops_time_r2"])


def flops_predictors() -> Spec:
    """Share of variance by count, and error on unseen families by regression."""
    shares = show.points(
        show.of("predictors", "datum.group === 'all' && datum.outcome === 'energy_per_inference_j'"),
        show.linear("r2", "R² with energy per inference"),
        show.named("predictor"),
        ("predictor", "n", "r2", "r2_low", "r2_high", "spearman"),
        x_ends=("r2_low", "r2_high"),
    ).properties(width=260)
    errors = show.points(
        show.of("regressions"),
        show.linear("error_factor", "median factor of error on unseen families", zero=False),
        show.named("regression"),
        ("regression", "n", "families", "error_factor", "worst_factor"),
    ).properties(width=260)
    return show.described(
        alt.hconcat(shares, errors), ["predictors", "regressions"], None, ["unseen_families"]
    )


def flops_reference() -> Spec:
    """This machine's architectures and the published ones."""
    panels = [
        show.points(
            show.of(table, where),
            show.log("flops", "FLOPs per inference"),
            show.log("energy_per_inference_j", "energy per inference in J", alt.Y),
            ("arm", "family", "flops", "energy_per_inference_j"),
            group="family",
        ).properties(width=280, title=title)
        for table, where, title in (
            ("arms", _ALONE, "this machine"),
            ("reference", None, "Titan V, published (sampled)"),
        )
    ]
    with warnings.catch_warnings(action="ignore"):
        # Altair says that one legend picks in both panels, which is meant.
        return show.described(alt.hconcat(*panels), ["arms", "reference"])


def flops_equal() -> Spec:
    """Every run of the architectures that are compared at equal operations."""
    families = load_design("flops_vs_energy").comparisons
    pairs = next(family.pairs for family in families if family.family == "equal_flops")
    arms = list(dict.fromkeys(arm for pair in pairs for arm in reversed(pair)))
    compared = f"indexof({json.dumps(arms)}, datum.arm) >= 0"
    chart = show.points(
        show.of("runs", compared),
        show.named("arm", kind=alt.X),
        show.linear("energy_per_inference_j", "energy per inference in J", alt.Y),
        (*show.OF_RUN, "energy_per_inference_j"),
    )
    return show.described(
        chart,
        ["runs"],
        {"energy": ["energy_per_inference_j"], "time": ["time_per_inference_s"]},
        ["equal_flops"],
    )
