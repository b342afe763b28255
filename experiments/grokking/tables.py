"""Builds the tables of the experiment from its records."""

from __future__ import annotations

import pandas as pd

from experiments.grokking import frontier, outcomes, step_evaluation, stopping
from experiments.grokking.fleet import fleet
from experiments.grokking.replay import course_of
from joules.analysis import statistics
from joules.analysis.records import Records, select_measured, sort_by_arm
from joules.bench.record import Run
from joules.instrument import carbon
from joules.study.design import Design


def tabulate(records: Records, design: Design) -> dict[str, pd.DataFrame]:
    """Build the tables of the experiment.

    Args:
        records: Records of the runs.
        design: The experiment's design.

    Returns:
        `runs` (one row per run: steps, energies of its phases, waste), `curves` (one row per evaluation),
        `arms`, `statistics`, `predictions` (one row per run that grokked after the first steps),
        `coefficients`, `rules` (one row per run and rule), `frontier` (one row per rule and setting),
        `schedules` (one row per length) and `fleet`.
    """
    trainings = {(run.arm, run.block): run for run in records if isinstance(run, Run) and run.has_result}
    runs = outcomes.tabulate_runs(records, trainings)
    good = select_measured(runs)
    fixed = good[good["rule"] == "fixed"]
    courses = {key: course_of(run) for key, run in trainings.items()}
    # Neither when a network groks nor when a rule stops it depends on the power model.
    steps = tuple(fixed[["arm", "block", "grok_step"]].dropna().itertuples(index=False, name=None))
    once = records.cells.compute_once
    predictions = once(("predictions", steps), lambda: step_evaluation.predictions_table(fixed, trainings))
    stops = once(("stops", steps), lambda: stopping.stop_steps(fixed, trainings))
    rules = stopping.rules_table(fixed, stops, courses, predictions)
    settings = frontier.frontier(fixed, courses, predictions)
    waste_j = fixed["waste_j"].dropna()
    return {
        "runs": runs,
        "curves": outcomes.curves_table(trainings),
        "arms": sort_by_arm(outcomes.arms_table(fixed), design),
        "statistics": pd.DataFrame(
            [
                *(row for family in design.comparisons for row in statistics.compare(good, family)),
                *outcomes.waste_statistics(fixed),
                *stopping.live_losses(good),
                *stopping.rule_statistics(rules),
                *frontier.frontier_statistics(settings),
                *frontier.step_statistics(fixed, trainings),
                *frontier.monitoring_statistics(trainings, courses),
                *step_evaluation.predictor_statistics(predictions, fixed),
            ],
            columns=statistics.COLUMNS,
        ),
        "predictions": predictions,
        "coefficients": once(
            ("coefficients", steps), lambda: step_evaluation.coefficients_table(predictions)
        ),
        "rules": rules,
        "frontier": frontier.frontier_means(settings),
        "schedules": frontier.schedules(fixed, trainings),
        "fleet": fleet(
            float(waste_j.mean()) if len(waste_j) else 0.0,
            carbon.grid(carbon.WORLD),
            1.0,
            carbon.PRICE_USD_PER_KWH,
        ),
    }
