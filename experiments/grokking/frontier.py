"""Energy saved and accuracy lost by stopping rules over all settings, and waste by length of schedule.

Rules are replayed on runs that grokked and continued to the end of a fixed schedule.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.grokking.outcomes import Trainings, energies_at
from experiments.grokking.replay import (
    PATIENCES,
    SAFE_POINTS,
    Courses,
    first_place,
    oracle_place,
    patience_place,
    plateau_place,
    watched_steps,
)
from experiments.grokking.rules import EVALUATION
from joules.analysis import statistics
from joules.analysis.inference import ExtremeSample
from joules.bench.record import Run
from joules.means import MeanSample

# The high plateau of `rules.py`, which also stopped metered runs.
OURS = ("plateau", 100.0)
# The arms evaluate every 10 steps: 3, 5, 10 and 20 evaluations are usual windows; longer ones are tried too.
PATIENCE_STEPS = (30, 50, 100, 200, 400, 800, 1500, 3000)
PLATEAU_STEPS = (0, 25, 50, 100, 200, 400, 800)
SAFETY_FACTORS = (1.0, 1.25, 1.5, 2.0, 3.0)
SCHEDULES = (500, 750, 1000, 1500, 2000, 3000, 4500, 7000, 10000, 20000)


def frontier(fixed: pd.DataFrame, courses: Courses, predictions: pd.DataFrame) -> pd.DataFrame:
    """Replay every rule with every setting on every run.

    Args:
        fixed: Runs of a fixed schedule.
        courses: Courses of the runs by arm and block.
        predictions: Predicted steps of grokking.

    Returns:
        One row per run, rule and setting: share of the schedule's energy saved and accuracy lost in
            percentage points. A setting is a number of optimiser steps; for the predictor it is a factor on
            the predicted step.
    """
    predicted = predictions.set_index(["arm", "block"])["unseen_task"]
    rows = []
    grokked = fixed.dropna(subset=["grok_step"])
    for key in zip(grokked["arm"], grokked["block"], strict=True):
        of = courses[key]
        stops: list[tuple[str, float, int]] = [("oracle", np.nan, oracle_place(of))]
        stops += [
            (rule, steps, patience_place(of, steps, rule)) for rule in PATIENCES for steps in PATIENCE_STEPS
        ]
        stops += [("plateau", steps, plateau_place(of, steps)) for steps in PLATEAU_STEPS]
        guess = predicted.get(key, np.nan)
        if np.isfinite(guess):
            stops += [
                ("predictor", factor, first_place(of.step >= factor * guess)) for factor in SAFETY_FACTORS
            ]
        lost = of.lost_points
        rows += [
            {
                "arm": key[0],
                "block": key[1],
                "rule": rule,
                "setting": setting,
                "saved": of.saved(place, watched_steps(rule)),
                "lost_points": lost[place],
            }
            for rule, setting, place in stops
        ]
    return pd.DataFrame(rows, columns=["arm", "block", "rule", "setting", "saved", "lost_points"])


def monitoring_statistics(trainings: Trainings, courses: Courses) -> list[statistics.Row]:
    """Share of energy that evaluations take, mean over blocks; no rows if no record separates evaluations."""
    shares = {
        key: courses[key].monitoring
        for key, run in trainings.items()
        if any(phase.name == EVALUATION for phase in run.phases)
    }
    if not shares:
        return []
    by_block = pd.Series(shares).groupby(level=1).mean()
    return [
        statistics.mean_row("monitoring.share", by_block.to_list(), "monitoring", "energy of evaluations")
    ]


def frontier_means(rules: pd.DataFrame) -> pd.DataFrame:
    """Means over blocks, with intervals, of energy saved and accuracy lost: one row per rule and setting."""
    rows = []
    for (rule, setting), group in rules.groupby(["rule", "setting"], sort=False, dropna=False):
        row: dict[str, object] = {"rule": rule, "setting": setting, "trainings": len(group)}
        for name in ("saved", "lost_points"):
            means = group.groupby("block")[name].mean()
            mean, low, high = statistics.mean_with_interval(means.to_list())
            row |= {name: mean, f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    ends = [f"{name}{end}" for name in ("saved", "lost_points") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["rule", "setting", "trainings", *ends])


def frontier_statistics(rules: pd.DataFrame) -> list[statistics.Row]:
    """Compare the plateau rule with every equally safe patience, with no rule and with the oracle, by block.

    The fixed schedule saves nothing and is safe, so a patience that saves less than nothing is no rival. The
    least advantage over all rivals is tested: the plateau must be better than each of them.
    """
    if rules.empty:
        return []
    by_block = rules.groupby(["rule", "setting", "block"], dropna=False)["saved"].mean()
    ours = by_block.loc[OURS]
    lost = rules[rules["rule"].isin(PATIENCES)].groupby(["rule", "setting"])["lost_points"].mean()
    rivals = {
        f"{rule} of {setting:g}": ours - by_block.loc[rule, setting]
        for rule, setting in lost.index[lost <= SAFE_POINTS]
    }
    rivals = {"no rule": ours} | {name: each for name, each in rivals.items() if each.mean() < ours.mean()}
    closest = min(rivals, key=lambda name: float(rivals[name].mean()))
    parts = tuple(MeanSample.from_values(each, "skewed_t") for each in rivals.values())
    least = ExtremeSample(parts, is_largest=False)
    oracle = by_block.loc["oracle"].droplevel("setting")
    shared = {"family": "frontier", "metric": "share of energy saved", "group": "plateau"}
    return [
        statistics.row(
            statistic="frontier.plateau_over_every_safe_rule",
            test="intersection_union",
            base=closest,
            note=f"{len(rivals)} safe rivals",
            **shared,
            **statistics.estimate_cells(least),
        ),
        statistics.mean_row("frontier.plateau_over_oracle", (ours / oracle).to_list(), **shared),
    ]


def schedules(fixed: pd.DataFrame, trainings: Trainings) -> pd.DataFrame:
    """Tabulate waste by length of schedule.

    Args:
        fixed: Runs of a fixed schedule.
        trainings: Records of the runs by arm and block.

    Returns:
        One row per length: the share of runs that grok within it, and their mean share of energy after
            grokking with its interval over blocks. Beyond the last step of a run, energy is extrapolated at
            the rate after grokking; `extrapolated` is the share of such runs.
    """
    grokked = fixed.dropna(subset=["grok_step"])
    able = fixed[fixed["arm"].isin(grokked["arm"])]
    wastes = {
        (row["arm"], row["block"]): _wastes(trainings[row["arm"], row["block"]], row["grok_step"])
        for row in grokked.to_dict("records")
    }
    rows = []
    for length in SCHEDULES:
        reached = grokked[grokked["grok_step"] < length]
        reached_wastes = [
            (block, wastes[arm, block][length])
            for arm, block in zip(reached["arm"], reached["block"], strict=True)
        ]
        by_block = pd.DataFrame(reached_wastes, columns=["block", "waste"]).groupby("block")["waste"].mean()
        mean, low, high = statistics.mean_with_interval(by_block.to_list())
        rows.append(
            {
                "schedule": length,
                "grokked_share": len(reached) / len(able) if len(able) else np.nan,
                "waste": mean,
                "waste_low": low,
                "waste_high": high,
                "extrapolated": float((reached["steps"] < length).mean()) if len(reached) else np.nan,
            }
        )
    columns = ["schedule", "grokked_share", "waste", "waste_low", "waste_high", "extrapolated"]
    return pd.DataFrame(rows, columns=columns)


def _wastes(run: Run, grok_step: float) -> dict[int, float]:
    """Share of energy after grokking by length of schedule."""
    last = run.steps[-1].index
    ends = [min(length, last) for length in SCHEDULES]
    *wholes_j, grokked_j, end_j = energies_at(run, [*ends, grok_step, last])
    after_j = (end_j - grokked_j) / (last - grok_step) if last > grok_step else end_j / last
    return {
        length: float(1 - grokked_j / (whole_j + after_j * (length - end)))
        for length, end, whole_j in zip(SCHEDULES, ends, wholes_j, strict=True)
    }


def length_for(table: pd.DataFrame, waste: float) -> float:
    """Length of schedule with a mean waste of `waste`, by linear interpolation; NaN outside the table."""
    known = table.dropna(subset=["waste"])
    if known.empty or not known["waste"].min() <= waste <= known["waste"].max():
        return float("nan")
    return float(np.interp(waste, known["waste"], known["schedule"]))


def step_statistics(fixed: pd.DataFrame, trainings: Trainings) -> list[statistics.Row]:
    """Statistics that do not depend on the length of a schedule.

    These are the step of grokking, and the energy of a step after grokking divided by that of a step before.
    """
    grokked = fixed.dropna(subset=["grok_step"])
    if grokked.empty:
        return []
    rows = [
        statistics.row(
            statistic=f"grok_step.{name}",
            family="grok_step",
            test="none",
            metric="grok_step",
            n=len(grokked),
            estimate=float(grokked["grok_step"].quantile(share)),
        )
        for name, share in (("quarter", 0.25), ("median", 0.5), ("three_quarters", 0.75), ("last", 1.0))
    ]
    ratios = {}
    for row in grokked.to_dict("records"):
        run = trainings[row["arm"], row["block"]]
        last = run.steps[-1].index
        if last <= row["grok_step"]:
            continue
        until_j, whole_j = energies_at(run, [row["grok_step"], last])
        after_j = (whole_j - until_j) / (last - row["grok_step"])
        ratios[row["arm"], row["block"]] = np.log(after_j / (until_j / row["grok_step"]))
    by_block = pd.Series(ratios, dtype=float).groupby(level=1).mean() if ratios else pd.Series(dtype=float)
    rows.append(
        statistics.row(
            statistic="step_energy.after_over_before",
            family="step_energy",
            test="none",
            metric="energy_per_step_j",
            contrast="ratio",
            **statistics.estimate_cells(MeanSample.from_logs(by_block)),
        )
    )
    return rows
