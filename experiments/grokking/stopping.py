"""Energy saved and accuracy lost by stopping rules, replayed on full runs and measured in stopped runs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.grokking.outcomes import Trainings, evaluations_of
from experiments.grokking.replay import course_of, oracle_place, watched_steps
from experiments.grokking.rules import RULES, stop_step
from joules.analysis import statistics

# Factor on the predicted step before training stops there, because predictions can be too early.
SAFETY = 1.5


def rules_table(fixed: pd.DataFrame, trainings: Trainings, predictions: pd.DataFrame) -> pd.DataFrame:
    """Replay every rule on every run that grokked.

    Args:
        fixed: Runs of a fixed schedule.
        trainings: Records of the runs by arm and block.
        predictions: Predicted steps of grokking.

    Returns:
        One row per run and rule: where it stops, the share of the schedule's energy that it saves, and the
        accuracy that it loses, in percentage points.
    """
    predicted = predictions.set_index(["arm", "block"])["unseen_task"]
    rows = []
    for row in fixed.dropna(subset=["grok_step"]).to_dict("records"):
        run = trainings[row["arm"], row["block"]]
        history, of = evaluations_of(run), course_of(run)
        stops: dict[str, float] = {name: stop_step(history, rule) for name, rule in RULES.items()}
        guess = predicted.get((row["arm"], row["block"]))
        if guess is not None and np.isfinite(guess):
            stops["predictor"] = SAFETY * guess
        stops["oracle"] = of.step[oracle_place(of)]
        for rule, at in stops.items():
            place = min(int(np.searchsorted(of.step, at)), len(history) - 1)
            rows.append(
                {
                    "arm": row["arm"],
                    "block": row["block"],
                    "rule": rule,
                    "stop_step": history[place].step,
                    "accuracy": history[place].accuracy,
                    "saved": of.saved(place, watched_steps(rule)),
                    "lost_points": of.lost_points[place],
                    "too_early": history[place].step < row["grok_step"],
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
