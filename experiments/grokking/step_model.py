"""A linear model of the step at which a network will have grokked, from its first steps.

What is predicted is the natural logarithm of the step. Features are scaled to mean zero and variance one;
coefficients are those of a ridge regression and are exported, so that anyone can apply them:
`log step = intercept + sum(coefficient x (feature - mean) / scale)`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from experiments.grokking.rules import Evaluation

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
# Optimiser steps that are looked at.
WINDOW_STEPS = 200
_PENALTY = 1.0


def features(
    evaluations: Sequence[Evaluation],
    signals: Sequence[Sequence[float]],
    learning_rate: float,
    weight_decay: float,
    train_fraction: float,
) -> dict[str, float]:
    """What the first steps show.

    Means over the window of the logarithms of gradient and weight norm; the weight norm's relative change;
    at its end the share of inactive units, the validation loss less the training loss, and training
    accuracy; the standard deviation of the step-to-step change of log training loss; and, known beforehand,
    log 1/(learning rate x weight decay), the time constant of decay, and the training fraction. Raises
    ValueError where nothing was evaluated within the window.
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
    """Predicted steps of every row, from a model fitted on the rows whose column `left_out` differs.

    `runs` has the features and `grok_step`. NaN where fewer than four rows remain to fit.
    """
    predicted = pd.Series(np.nan, index=runs.index)
    for value in runs[left_out].unique():
        mine = runs[left_out] == value
        others = runs[~mine]
        if len(others) >= 4:
            predicted[mine] = np.exp(fit_step_model(others).predict(runs.loc[mine, FEATURES].to_numpy()))
    return predicted


def others_mean(runs: pd.DataFrame, left_out: str) -> pd.Series:
    """The geometric mean step of the rows whose column `left_out` differs: the baseline to beat."""
    logs = np.log(runs["grok_step"])
    return runs[left_out].map(
        {value: math.exp(logs[runs[left_out] != value].mean()) for value in runs[left_out].unique()}
    )


def siblings_mean(runs: pd.DataFrame) -> pd.Series:
    """The geometric mean step of the other rows of the same arm: what is known where the task was run
    before. NaN for an only child."""
    logs = np.log(runs["grok_step"])
    sums, counts = (logs.groupby(runs["arm"]).transform(how) for how in ("sum", "count"))
    return np.exp((sums - logs) / (counts - 1).where(counts > 1))


def errors(steps: NDArray[np.float64], predicted: NDArray[np.float64]) -> tuple[float, float]:
    """(R squared of logarithms against their own mean, median factor that predictions are off by)."""
    true, guess = np.log(steps), np.log(predicted)
    total = float(np.sum((true - true.mean()) ** 2))
    r2 = 1 - float(np.sum((true - guess) ** 2)) / total if total > 0 else math.nan
    return r2, math.exp(float(np.median(np.abs(true - guess))))


def coefficients(runs: pd.DataFrame) -> pd.DataFrame:
    """The model of all rows: feature, mean, scale, coefficient, and a row 'intercept'."""
    model = fit_step_model(runs)
    scaler, ridge = model[0], model[-1]
    table = pd.DataFrame(
        {"feature": FEATURES, "mean": scaler.mean_, "scale": scaler.scale_, "coefficient": ridge.coef_}
    )
    intercept = {"feature": "intercept", "mean": None, "scale": None, "coefficient": ridge.intercept_}
    return pd.concat([pd.DataFrame([intercept]), table], ignore_index=True)


def fit_step_model(runs: pd.DataFrame) -> Pipeline:
    """The ridge regression of the logarithm of the grokking step on the early features of `runs`."""
    model = make_pipeline(StandardScaler(), Ridge(alpha=_PENALTY))
    return model.fit(runs[FEATURES].to_numpy(), np.log(runs["grok_step"]))
