"""Values of the text and printed tables of this experiment's section of the paper."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from joules.paper.printing import banded, lay_out, number, quotient
from joules.paper.rows import Rows, derive, pick, published
from joules.paper.values import Value, cell_values, statistic_values

_ENERGY, _TIME = "energy_per_inference_j", "time_per_inference_s"
_FITS = ("r2", "r2_low", "r2_high", "spearman")
# Names of regressions in the paper.
_WORDS = {
    "flops": "operations alone",
    "parameters": "parameters alone",
    "activations": "activations alone",
    "bytes": "bytes moved alone",
    "flops_bytes_layers": "operations, bytes moved and layers together",
}


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """Values that the paper prints about this experiment; an unmeasured quantity has no value."""
    runs, statistics = pick(tables, "runs"), pick(tables, "statistics")
    arms = pick(tables, "arms").where("factor.isna()")
    power, per_flop, per_flop_s = f"{_ENERGY} / {_TIME}", f"{_ENERGY} / flops", f"{_TIME} / flops"
    return [
        Value("flops.models", arms.count()),
        Value("flops.families", arms.nunique("family")),
        Value("flops.blocks", arms.max("blocks")),
        Value("flops.window", runs.min("duration_s"), 2, r"\second"),
        Value("flops.threads", arms.max("threads")),
        Value("flops.turns", runs.max("turns")),
        Value("flops.spread", arms.max(per_flop) / arms.min(per_flop), 2),
        Value("flops.spread.time", arms.max(per_flop_s) / arms.min(per_flop_s), 2),
        Value("flops.denormals", 100 * runs.max("denormal_share"), 2, r"\percent"),
        Value("flops.std.least", runs.min("activation_std_min"), 2),
        Value("flops.std.most", runs.max("activation_std_max"), 2),
        Value("flops.published.r2", derive(published, "flops_vs_energy", "flops_do_not_predict_energy"), 2),
        *_costs("flops.least", arms.least(_ENERGY)),
        *_costs("flops.most", arms.largest(_ENERGY)),
        Value("flops.cv", arms.median("cv_percent"), 2, r"\percent"),
        Value("flops.cv.error", arms.median("error_cv_percent"), 2, r"\percent"),
        Value("flops.power.least", arms.min(power), 4, r"\watt"),
        Value("flops.power.most", arms.max(power), 4, r"\watt"),
        # More digits than other shares, because this one may be close to one.
        Value(
            "flops.time_is_energy",
            statistics.where(statistic="time_energy_r2.all").cell("estimate"),
            5,
            on_demand=True,
        ),
        *statistic_values("flops", tables),
        *_predictor_values(tables),
    ]


def _costs(key: str, arm: Rows) -> list[Value]:
    """Name, time, processor time and energy of an inference of one architecture."""
    return [
        Value(f"{key}.model", arm.cell("arm")),
        Value(f"{key}.time", 1e3 * arm.cell(_TIME), 3, r"\milli\second"),
        Value(f"{key}.cpu", 1e3 * arm.cell("cpu_per_inference_s"), 3, r"\milli\second"),
        Value(f"{key}.energy", arm.cell(_ENERGY), 3, r"\joule"),
    ]


def _predictor_values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """Values about the best predictor in practice, and about operations in the published runs."""
    predictors = pick(tables, "predictors").where(group="all", outcome=_ENERGY)
    regressions = pick(tables, "regressions")
    exported = [
        *cell_values("flops.predictor", predictors, ["predictor"], {name: name for name in _FITS}, 2),
        *cell_values("flops.regression", regressions, ["regression"], {"factor": "error_factor"}, 3),
    ]
    if len(regressions):
        best = regressions.least("error_factor")
        exported += [
            Value("flops.regression.best", derive(name_regression, best)),
            Value("flops.regression.best.factor", best.cell("error_factor"), 3),
        ]
    return exported


def name_regression(regressions: pd.DataFrame) -> str:
    """Name the predictors of the first row of `regressions`."""
    return _WORDS[regressions["regression"].iloc[0]]


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Printed tables: architectures, and settings that were varied."""
    arms = tables["arms"]
    # Arms with a changed setting, divided by the same network at the scale's settings.
    factors = tables["statistics"].query("family == 'factors'")
    factors = factors.merge(arms, left_on="group", right_on="arm", suffixes=("_statistic", ""))
    factors = factors.merge(arms, left_on="base", right_on="arm", suffixes=("", "_base"))
    return {
        "flops_models": lay_out(
            arms.query("factor.isna()"),
            {
                "model": "{arm}",
                "family": "{family}",
                "GFLOPs": number("flops", 1e-9),
                "million parameters": number("parameters", 1e-6),
                "FLOPs/byte": number("intensity_flops_per_byte", digits=2),
                "ms": number(_TIME, 1e3),
                "processor ms": number("cpu_per_inference_s", 1e3),
                "mJ": banded(_ENERGY, 1e3),
                "CV in %": number("cv_percent", digits=2),
                "error": number("error_cv_percent", digits=2),
            },
        ),
        "flops_factors": lay_out(
            factors,
            {
                "model": "{model}",
                "batch": "{batch_size:.0f}",
                "pixels": "{image_size:.0f}",
                "threads": "{threads:.0f}",
                "operations, ratio": quotient("flops", "flops_base"),
                "time, ratio": quotient(_TIME, f"{_TIME}_base"),
                "energy, ratio": number("estimate"),
                "low": number("ci_low"),
                "high": number("ci_high"),
                "smallest model": number("band_low"),
                "largest model": number("band_high"),
            },
        ),
    }
