"""Which count of a network predicts its energy and its time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm

from experiments.analysis.statistics import association
from experiments.energy.carbon import JOULES_PER_KWH

PREDICTORS = ("flops", "parameters", "activations", "bytes_moved", "layers")
OUTCOMES = ("energy_per_inference_j", "latency_median_s")
LEAST_MEMBERS = 3

# Regressions compared by their error on families they have not seen, all on logarithms.
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
    """One row an outcome, predictor and group: over all arms and within each family of three or more.

    `arms` has a column family, the predictors and the outcomes; predictors it lacks are left out.
    """
    groups = [("all", arms), *arms.groupby("family")]
    return pd.DataFrame(
        [
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
    )


def cross_validation(arms: pd.DataFrame) -> pd.DataFrame:
    """Errors of log-log regressions of energy on families left out of the fit, one row a regression.

    `error_factor` is the median factor a prediction is off by, `worst_factor` the largest; `r2` compares
    squared log errors with those of the mean of the other families and is negative where worse than it.
    Empty with fewer than three families.
    """
    families = arms["family"].unique()
    if len(families) < LEAST_MEMBERS:
        return pd.DataFrame(columns=["regression", "n", "families", "error_factor", "worst_factor", "r2"])
    outcome = np.log(arms["energy_per_inference_j"].to_numpy(dtype=np.float64))
    rows = []
    for name, predictors in MODELS.items():
        design = sm.add_constant(np.log(arms[list(predictors)].to_numpy(dtype=np.float64)))
        errors, baseline = np.empty(len(arms)), np.empty(len(arms))
        for family in families:
            left_out = (arms["family"] == family).to_numpy()
            fit = sm.OLS(outcome[~left_out], design[~left_out]).fit()
            errors[left_out] = fit.predict(design[left_out]) - outcome[left_out]
            baseline[left_out] = outcome[~left_out].mean() - outcome[left_out]
        rows.append(
            {
                "regression": name,
                "n": len(arms),
                "families": len(families),
                "error_factor": float(np.exp(np.median(np.abs(errors)))),
                "worst_factor": float(np.exp(np.max(np.abs(errors)))),
                "r2": float(1 - np.sum(errors**2) / np.sum(baseline**2)),
            }
        )
    return pd.DataFrame(rows)


def reference() -> pd.DataFrame:
    """The published runs as arms: mean over seeds, energy at the meter (without the published PUE)."""
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
