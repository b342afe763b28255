"""A linear model that predicts the step of grokking from the first steps.

It predicts the natural logarithm of the step. Features are scaled to mean zero and variance one. Coefficients
of the ridge regression are exported, so that the model can be applied without this code: `log step =
intercept + sum(coefficient x (feature - mean) / scale)`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.grokking.rules import Evaluation

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

FEATURES = [
    "log_gradient_norm",
    "log_weight_norm",
    "weight_norm_slope",
    "sparsity",
    "loss_gap",
    "loss_oscillation",
    "train_accuracy",
    "log_inverse_decay",
    "train_fraction",
]
# Number of first optimiser steps that the features use.
WINDOW_STEPS = 200
_PENALTY = 1.0


def features(
    evaluations: Sequence[Evaluation],
    signals: Sequence[Sequence[float]],
    learning_rate: float,
    weight_decay: float,
    train_fraction: float,
) -> dict[str, float]:
    """Compute the features of a run from its first steps.

    Features over the first steps: means of the logarithms of gradient norm and weight norm, the relative
    change of the weight norm, and the standard deviation of the change of log training loss between
    evaluations. Features at the end of the first steps: share of inactive units, validation loss minus
    training loss, and training accuracy. Features of the arm: log 1/(learning rate x weight decay), which is
    the time constant of decay, and the training fraction.

    Raises:
        ValueError: If there are fewer than three evaluations within the first steps.
    """
    seen = [evaluation for evaluation in evaluations if evaluation.step <= WINDOW_STEPS]
    logged = [signal for signal in signals if signal[0] <= WINDOW_STEPS]
    if len(seen) < 3:
        raise ValueError(f"fewer than three evaluations in the first {WINDOW_STEPS} steps")
    losses = np.log([max(evaluation.train_loss, 1e-12) for evaluation in seen])
    _, gradient_norms, weight_norms, sparsities = zip(*logged, strict=True)
    return {
        "log_gradient_norm": float(np.mean(np.log(gradient_norms))),
        "log_weight_norm": float(np.mean(np.log(weight_norms))),
        "weight_norm_slope": math.log(weight_norms[-1] / weight_norms[0]),
        "sparsity": sparsities[-1],
        "loss_gap": seen[-1].loss - seen[-1].train_loss,
        "loss_oscillation": float(np.std(np.diff(losses))),
        "train_accuracy": seen[-1].train_accuracy,
        "log_inverse_decay": -math.log(learning_rate * weight_decay) if weight_decay else 0.0,
        "train_fraction": train_fraction,
    }


def held_out_predictions(runs: pd.DataFrame, left_out: str) -> pd.Series:
    """Predict the step of every row with a model fitted to the rows whose column `left_out` differs.

    Args:
        runs: Features and `grok_step`, one row per run.
        left_out: Column of the group that is left out.

    Returns:
        Predicted steps; NaN if fewer than four rows remain to fit.
    """
    predicted = pd.Series(np.nan, index=runs.index)
    for value in runs[left_out].unique():
        mine = runs[left_out] == value
        others = runs[~mine]
        if len(others) >= 4:
            predicted[mine] = np.exp(fit_step_model(others).predict(runs.loc[mine, FEATURES].to_numpy()))
    return predicted


def others_mean(runs: pd.DataFrame, left_out: str) -> pd.Series:
    """Geometric mean step of the rows whose column `left_out` differs: a baseline."""
    logs = np.log(runs["grok_step"])
    return runs[left_out].map(
        {value: math.exp(logs[runs[left_out] != value].mean()) for value in runs[left_out].unique()}
    )


def siblings_mean(runs: pd.DataFrame) -> pd.Series:
    """Geometric mean step of the other runs of the same arm; NaN if the arm has one run.

    This baseline needs earlier runs of the same task.
    """
    logs = np.log(runs["grok_step"])
    sums, counts = (logs.groupby(runs["arm"]).transform(how) for how in ("sum", "count"))
    return np.exp((sums - logs) / (counts - 1).where(counts > 1))


def errors(steps: NDArray[np.float64], predicted: NDArray[np.float64]) -> tuple[float, float]:
    """Returns (R squared of logarithms against their mean, median error factor of predictions)."""
    true, guess = np.log(steps), np.log(predicted)
    total = float(np.sum((true - true.mean()) ** 2))
    r2 = 1 - float(np.sum((true - guess) ** 2)) / total if total > 0 else math.nan
    return r2, math.exp(float(np.median(np.abs(true - guess))))


def coefficients(runs: pd.DataFrame) -> pd.DataFrame:
    """Fit the model to all rows and list feature, mean, scale and coefficient, with a row 'intercept'."""
    model = fit_step_model(runs)
    scaler, ridge = model[0], model[-1]
    table = pd.DataFrame(
        {"feature": FEATURES, "mean": scaler.mean_, "scale": scaler.scale_, "coefficient": ridge.coef_}
    )
    intercept = {"feature": "intercept", "mean": None, "scale": None, "coefficient": ridge.intercept_}
    return pd.concat([pd.DataFrame([intercept]), table], ignore_index=True)


def fit_step_model(runs: pd.DataFrame) -> Pipeline:
    """Fit the ridge regression of the logarithm of the grokking step on the early features of `runs`."""
    # Its import takes a second, which figures and values do not need.
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), Ridge(alpha=_PENALTY))
    return model.fit(runs[FEATURES].to_numpy(), np.log(runs["grok_step"]))
