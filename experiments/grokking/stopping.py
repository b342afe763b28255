"""What rules that end a training would have saved and lost, and what those did that really ended one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.grokking.frontier import course_of, oracle_place, watched_steps
from experiments.grokking.outcomes import Trainings, evaluations_of
from experiments.grokking.rules import RULES, stop_step
from joules.analysis import statistics

# A predicted step is stretched by this before training stops there: the model errs to both sides.
SAFETY = 1.5


def rules_table(fixed: pd.DataFrame, trainings: Trainings, predictions: pd.DataFrame) -> pd.DataFrame:
    """Every rule replayed on every training that grokked: where it stops, the share of the schedule's
    energy it saves and the accuracy it loses, in points."""
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
    """Means over blocks of what each rule saves and loses, and how often it stops before grokking."""
    rows = []
    for rule, group in rules.groupby("rule", sort=False):
        for column, unit in (("saved", "1"), ("lost_points", "points"), ("accuracy", "1")):
            means = group.groupby("block")[column].mean()
            rows.append(statistics.mean_row(f"rule_{column}.{rule}", means.to_list(), "rules", column, unit))
        rows.append(
            statistics.mean_row(
                f"rule_too_early.{rule}", group["too_early"].astype(float).to_list(), "rules", "share"
            )
            | {"ci_low": None, "ci_high": None}
        )
    return rows


def live_losses(good: pd.DataFrame) -> list[statistics.Row]:
    """Accuracy lost by trainings that a rule really stopped, against the same seed on the full schedule."""
    rows = []
    for arm in good.loc[good["rule"] != "fixed", "arm"].unique():
        base = arm.rpartition("_")[0]
        wide = good[good["arm"].isin([arm, base])].pivot(
            index="block", columns="arm", values="final_accuracy"
        )
        if {arm, base} <= set(wide.columns):
            lost = 100 * (wide[base] - wide[arm]).dropna()
            rows.append(
                statistics.mean_row(f"live_loss.{arm}", lost.to_list(), "live_loss", "accuracy", "points")
            )
    return rows
