"""Energy saved and accuracy lost by stopping rules, replayed on full runs and measured in stopped runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from experiments.grokking.outcomes import Trainings, evaluations_of
from experiments.grokking.replay import Courses, oracle_place, watched_steps
from experiments.grokking.rules import RULES, stop_step
from joules.analysis import statistics

# Factor on the predicted step before training stops there, because predictions can be too early.
SAFETY = 1.5


# Where each rule stops a run, by the run's arm and block.
Stops = Mapping[tuple[str, int], Mapping[str, float]]


def stop_steps(fixed: pd.DataFrame, trainings: Trainings) -> Stops:
    """The step at which every rule stops every run of a fixed schedule that grokked."""
    grokked = fixed.dropna(subset=["grok_step"])
    return {
        key: {name: stop_step(evaluations_of(trainings[key]), rule) for name, rule in RULES.items()}
        for key in zip(grokked["arm"], grokked["block"], strict=True)
    }


def rules_table(
    fixed: pd.DataFrame, stops: Stops, courses: Courses, predictions: pd.DataFrame
) -> pd.DataFrame:
    """Replay every rule on every run that grokked.

    Args:
        fixed: Runs of a fixed schedule.
        stops: Where the rules stop these runs.
        courses: Courses of the runs by arm and block.
        predictions: Predicted steps of grokking.

    Returns:
        One row per run and rule: where it stops, the share of the schedule's energy that it saves, and the
        accuracy that it loses, in percentage points.
    """
    predicted = predictions.set_index(["arm", "block"])["unseen_task"]
    rows = []
    for row in fixed.dropna(subset=["grok_step"]).to_dict("records"):
        key = row["arm"], row["block"]
        of, of_rules = courses[key], dict(stops[key])
        guess = predicted.get(key)
        if guess is not None and np.isfinite(guess):
            of_rules["predictor"] = SAFETY * guess
        of_rules["oracle"] = of.step[oracle_place(of)]
        for rule, at in of_rules.items():
            place = min(int(np.searchsorted(of.step, at)), len(of.step) - 1)
            rows.append(
                {
                    "arm": row["arm"],
                    "block": row["block"],
                    "rule": rule,
                    "stop_step": int(of.step[place]),
                    "accuracy": of.accuracy[place],
                    "saved": of.saved(place, watched_steps(rule)),
                    "lost_points": of.lost_points[place],
                    "too_early": bool(of.step[place] < row["grok_step"]),
                }
            )
    columns = ["arm", "block", "rule", "stop_step", "accuracy", "saved", "lost_points", "too_early"]
    return pd.DataFrame(rows, columns=columns)


def rule_statistics(rules: pd.DataFrame) -> list[statistics.Row]:
    """Energy saved and accuracy lost by each rule, and how often it stops before grokking."""
    rows = []
    for rule, group in rules.groupby("rule", sort=False):
        for column in ("saved", "lost_points", "accuracy"):
            means = group.groupby("block")[column].mean()
            rows.append(statistics.mean_row(f"rule_{column}.{rule}", means.to_list(), "rules", column))
        rows.append(
            statistics.mean_row(
                f"rule_too_early.{rule}", group["too_early"].astype(float).to_list(), "rules", "share"
            )
            | {"ci_low": None, "ci_high": None}
        )
    return rows


def live_losses(good: pd.DataFrame) -> list[statistics.Row]:
    """Accuracy lost by runs that a rule stopped, compared with the same seed on the full schedule."""
    rows = []
    for arm in good.loc[good["rule"] != "fixed", "arm"].unique():
        base = arm.rpartition("_")[0]
        wide = good[good["arm"].isin([arm, base])].pivot(
            index="block", columns="arm", values="final_accuracy"
        )
        if {arm, base} <= set(wide.columns):
            lost = 100 * (wide[base] - wide[arm]).dropna()
            rows.append(statistics.mean_row(f"live_loss.{arm}", lost.to_list(), "live_loss", "lost_points"))
    return rows
