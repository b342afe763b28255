"""Errors of regressions on families that were left out of the fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

# Fewer families than this are none to leave one out of.
LEAST_FAMILIES = 3


def unseen_errors(arms: pd.DataFrame, regressions: Mapping[str, Sequence[str]], outcome: str) -> pd.DataFrame:
    """Log errors of log-log regressions of `outcome` on families left out of the fit.

    `arms` has a column family, the outcome and the predictors of `regressions`, all positive. A row an arm, a
    column a regression, and `mean` for the mean of the other families. Empty with fewer than three families;
    a regression that the other families could only interpolate has no column.
    """
    families = arms["family"].unique()
    if len(families) < LEAST_FAMILIES:
        return pd.DataFrame(columns=["mean"])
    least_fitted = len(arms) - arms["family"].value_counts().max()
    logs = np.log(arms[outcome].to_numpy(dtype=np.float64))
    by_regression = {}
    for name, predictors in {**regressions, "mean": ()}.items():
        if least_fitted <= 1 + len(predictors):
            continue
        columns = np.log(arms[list(predictors)].to_numpy(dtype=np.float64))
        design = np.column_stack([np.ones(len(arms)), columns])
        errors = np.empty(len(arms))
        for family in families:
            left_out = (arms["family"] == family).to_numpy()
            coefficients = np.linalg.pinv(design[~left_out]) @ logs[~left_out]
            errors[left_out] = design[left_out] @ coefficients - logs[left_out]
        by_regression[name] = errors
    return pd.DataFrame(by_regression)
