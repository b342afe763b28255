"""Error of predicting the step of grokking from the first steps, by models that have not seen the task."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.grokking import step_model
from experiments.grokking.outcomes import Trainings, evaluations_of
from joules.analysis import statistics


def predictions_table(fixed: pd.DataFrame, trainings: Trainings) -> pd.DataFrame:
    """Predict the step of grokking of every run that grokked after the first steps.

    Args:
        fixed: Runs of a fixed schedule.
        trainings: Records of the runs by arm and block.

    Returns:
        One row per run: its features, the step predicted by a model that has not seen its task (within its
        architecture), by a model that has not seen its architecture, and the baselines.
    """
    rows = []
    for row in fixed.dropna(subset=["grok_step"]).to_dict("records"):
        if row["grok_step"] <= step_model.WINDOW_STEPS:
            continue
        run = trainings[row["arm"], row["block"]]
        features = step_model.features(
            evaluations_of(run),
            run.metrics["signals"],
            row["learning_rate"],
            row["weight_decay"],
            row["train_fraction"],
        )
        rows.append(
            {name: row[name] for name in ("arm", "block", "task", "architecture", "grok_step")} | features
        )
    columns = ["arm", "block", "task", "architecture", "grok_step", *step_model.FEATURES]
    table = pd.DataFrame(rows, columns=columns)
    made = ["unseen_task", "others_mean", "siblings_mean", "unseen_architecture"]
    table[made] = np.nan
    for _, group in table.groupby("architecture"):
        if group["task"].nunique() > 1:
            table.loc[group.index, "unseen_task"] = step_model.held_out_predictions(group, "task")
            table.loc[group.index, "others_mean"] = step_model.others_mean(group, "task")
        table.loc[group.index, "siblings_mean"] = step_model.siblings_mean(group)
    if table["architecture"].nunique() > 1:
        table["unseen_architecture"] = step_model.held_out_predictions(table, "architecture")
    return table


def coefficients_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Coefficients of the model of each architecture with enough runs: one row per feature."""
    columns = ["architecture", "feature", "mean", "scale", "coefficient"]
    tables = [
        step_model.coefficients(group).assign(architecture=architecture)
        for architecture, group in predictions.groupby("architecture")
        if len(group) >= 4
    ]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def predictor_statistics(predictions: pd.DataFrame, fixed: pd.DataFrame) -> list[statistics.Row]:
    """Errors of each predictor by architecture, and the number of runs that grokked in the first steps."""
    rows = []
    ways = ("unseen_task", "others_mean", "siblings_mean", "unseen_architecture")
    for architecture, group in predictions.groupby("architecture"):
        for way in ways:
            known = group.dropna(subset=[way])
            if len(known) < 3:
                continue
            r2, factor = step_model.errors(known["grok_step"].to_numpy(), known[way].to_numpy())
            shared = {"family": "predictor", "test": "none", "group": architecture, "n": len(known)}
            rows += [
                statistics.row(
                    **shared, statistic=f"{way}_error.{architecture}", metric="median factor off",
                    estimate=factor, contrast="ratio",
                ),
                statistics.row(
                    **shared, statistic=f"{way}_r2.{architecture}", metric="R squared of logarithms",
                    estimate=r2,
                ),
            ]  # fmt: skip
    early = fixed["grok_step"] <= step_model.WINDOW_STEPS
    rows.append(
        statistics.row(
            statistic="grokked_within_window", family="predictor", test="none", metric="runs",
            n=len(fixed), estimate=int(early.sum()),
        )
    )  # fmt: skip
    return rows
