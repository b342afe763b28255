"""Compares counts of a network as predictors of its energy and time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from joules.analysis.regression import unseen_errors as unseen
from joules.analysis.statistics import CORRELATIONS, Row, association, correct, estimate_cells, row
from joules.instrument.carbon import JOULES_PER_KWH
from joules.means import MeanSample

PREDICTORS = ("flops", "parameters", "activations", "bytes_moved", "layers")
OUTCOMES = ("energy_per_inference_j", "latency_median_s")
LEAST_MEMBERS = 3

# Regressions on logarithms, compared by their error on families left out of the fit.
MODELS: dict[str, tuple[str, ...]] = {
    "flops": ("flops",),
    "parameters": ("parameters",),
    "activations": ("activations",),
    "bytes": ("bytes_moved",),
    "flops_bytes_layers": ("flops", "bytes_moved", "layers"),
}

_REFERENCE = Path(__file__).parent / "reference" / "henderson_vision_runs.csv"
_REFERENCE_INFERENCES = 50_000
_REFERENCE_PUE = 1.58
_FAMILIES = {
    "alexnet": "AlexNet",
    "densenet": "DenseNet",
    "googlenet": "GoogLeNet",
    "hardnet": "HarDNet",
    "mobilenet": "MobileNet",
    "shufflenet": "ShuffleNet",
    "squeezenet": "SqueezeNet",
    "vgg": "VGG",
    "wide_resnet": "Wide ResNet",
}


def associations(arms: pd.DataFrame) -> pd.DataFrame:
    """Associate each predictor with each outcome, over all arms and within each family of three or more.

    Args:
        arms: Arms with a column family, the predictors and the outcomes; missing predictors are left out.

    Returns:
        One row per outcome, predictor and group.
    """
    groups = [("all", arms), *arms.groupby("family")]
    rows = [
        {
            "outcome": outcome,
            "predictor": predictor,
            "group": name,
            **association(
                members[predictor].to_numpy(dtype=np.float64),
                members[outcome].to_numpy(dtype=np.float64),
            ),
        }
        for outcome in OUTCOMES
        for predictor in PREDICTORS
        for name, members in groups
        if predictor in arms and len(members) >= LEAST_MEMBERS
    ]
    columns = ["outcome", "predictor", "group", "n", *CORRELATIONS]
    return pd.DataFrame(rows, columns=columns)


def unseen_errors(arms: pd.DataFrame) -> pd.DataFrame:
    """Log errors of every regression of `MODELS` for energy, on families left out of the fit."""
    return unseen(arms, MODELS, "energy_per_inference_j")


def cross_validation(arms: pd.DataFrame, errors: pd.DataFrame) -> pd.DataFrame:
    """Summarise `unseen_errors`.

    Args:
        arms: The architectures.
        errors: Their log errors by regression.

    Returns:
        One row per regression. `error_factor` is the median error factor of a prediction, `worst_factor` the
        largest. `r2` compares squared log errors with those of the mean of the other families; it is negative
        if the regression is worse than that mean.
    """
    return pd.DataFrame(
        [
            {
                "regression": name,
                "n": len(errors),
                "families": arms["family"].nunique(),
                "error_factor": float(np.exp(errors[name].abs().median())),
                "worst_factor": float(np.exp(errors[name].abs().max())),
                "r2": float(1 - (errors[name] ** 2).sum() / (errors["mean"] ** 2).sum()),
            }
            for name in MODELS
            if name in errors
        ],
        columns=["regression", "n", "families", "error_factor", "worst_factor", "r2"],
    )


def against_flops(errors: pd.DataFrame, families: pd.Series) -> list[Row]:
    """Compare each regression's error on unseen families with the error of operations alone.

    Args:
        errors: Log errors by regression.
        families: Family of each row of `errors`.

    Returns:
        Rows of statistics.csv: the geometric mean over families of the ratio of error factors, corrected by
        Holm. Families are resampled and counted by `n`, because arms of one family share a fit.
    """
    rows = []
    for name in MODELS:
        if name == "flops" or not {name, "flops"} <= set(errors):
            continue
        by_arm = errors[name].abs() - errors["flops"].abs()
        gains = by_arm.groupby(families.to_numpy()).mean().to_numpy(dtype=np.float64)
        sample = MeanSample.from_logs(gains, "skewed_t")
        rows.append(
            row(
                statistic=f"unseen_families.{name}_vs_flops",
                family="unseen_families",
                test="skewed_t",
                metric="factor of error on families left out of the fit",
                group=name,
                base="flops",
                contrast="ratio",
                p=sample.p_value(1.0),
                **estimate_cells(sample),
            )
        )
    correct(rows)
    return rows


def reference() -> pd.DataFrame:
    """Read the published runs as arms: mean over seeds, energy at the meter (without the published PUE)."""
    runs = pd.read_csv(_REFERENCE)
    means = runs.groupby("model", as_index=False)[["gmacs", "mparams", "kwh_total_pue1.58", "hours"]].mean()
    kwh = means["kwh_total_pue1.58"] / _REFERENCE_PUE
    return pd.DataFrame(
        {
            "arm": means["model"],
            "family": [_family(model) for model in means["model"]],
            "flops": 2e9 * means["gmacs"],
            "parameters": 1e6 * means["mparams"],
            "energy_per_inference_j": kwh * JOULES_PER_KWH / _REFERENCE_INFERENCES,
            "energy_per_inference_kwh": kwh / _REFERENCE_INFERENCES,
            "latency_median_s": means["hours"] * 3600 / _REFERENCE_INFERENCES,
        }
    )


def _family(model: str) -> str:
    return next(family for start, family in _FAMILIES.items() if model.startswith(start))
