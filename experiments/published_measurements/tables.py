"""From published readings to the tables of the experiment."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.published_measurements import inference, learning
from experiments.published_measurements.estimates import estimate_runs
from experiments.published_measurements.readings import concat_rounds, read_sources
from joules.analysis import columns, statistics
from joules.analysis.inference import MedianSample

# Least final accuracy of a training of which it is asked when its accuracy was final.
LEARNED = 0.05
_RUNS = [
    "run",
    "version",
    "division",
    "submitter",
    "system",
    "network",
    "published_network",
    "family",
    "precision",
    "scenario",
    "multiply_adds_m",
    "parameters_m",
    "accuracy_percent",
    "window_s",
    "power_samples",
    "mean_power_w",
    "min_power_w",
    "max_power_w",
    "power_before_w",
    "inferences_per_s",
    "mean_latency_s",
    "energy_per_inference_j",
    "weights",
    "framework",
]
_SYSTEMS = ["version", "submitter", "system"]
_DESCRIBED = [
    "system_type",
    "processor",
    "processors",
    "cores_per_processor",
    "accelerator",
    "accelerators",
]


def tabulate(sources: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """Tables of inference at the wall, of learning on counters and of estimates, and `statistics`."""
    readings = read_sources(sources)
    rounds = concat_rounds(readings)
    runs = inference.describe_runs(rounds, readings["network_operations"])
    evaluations = learning.with_energy(readings["rl_trainings"])
    scores = learning.scores(evaluations)
    made = {
        "systems": _systems(rounds),
        "runs": runs[_RUNS],
        "determinations": inference.determinations(runs),
        "power_spreads": inference.power_spreads(runs),
        "precision_ratios": inference.precision_ratios(runs),
        "scenario_ratios": inference.scenario_ratios(runs),
        "equal_operations": inference.equal_operations(runs),
        "fronts": inference.fronts(runs),
        "estimates": estimate_runs(rounds, readings["rated_powers"]),
        "scores": scores,
        "leads": learning.leads(scores),
        "order_changes": learning.order_changes(scores),
        "left_out": learning.left_out(evaluations),
        "stopping": readings["classifier_trainings"],
    }
    rows = [*_inference_rows(made), *_estimate_rows(made["estimates"]), *_learning_rows(made)]
    return made | {
        "leads": made["leads"].drop(columns="sample"),
        "statistics": pd.DataFrame(rows, columns=statistics.COLUMNS),
    }


def whole_trainings(trainings: pd.DataFrame) -> pd.DataFrame:
    """Trainings from their first epoch that learned something: rows with an intervention at a later epoch
    hold what follows it, and an accuracy of a few points is within two of none."""
    return trainings[(trainings["intervention"] == 0) & (trainings["final_accuracy"] >= LEARNED)]


def _systems(runs: pd.DataFrame) -> pd.DataFrame:
    named = runs.assign(name=runs["version"] + "/" + runs["submitter"] + "/" + runs["system"])
    return (
        named.groupby(["name", *_SYSTEMS], sort=False)
        .agg(
            **{column: (column, "first") for column in _DESCRIBED},
            runs=("run", "size"),
            networks=("network", "nunique"),
            most_power_w=("mean_power_w", "max"),
        )
        .reset_index()
        .assign(short_name=lambda systems: systems["system"].map(inference.SHORT_NAMES))
    )


def _inference_rows(made: dict[str, pd.DataFrame]) -> Iterator[statistics.Row]:
    determinations = made["determinations"]
    for (networks, predictor), group in determinations.groupby(["networks", "predictor"], sort=False):
        yield _median(f"r2.{predictor}.{networks}", "r2", group, "r2")
    yield _median("power_ratio", "power", made["power_spreads"], "power_ratio", contrast="ratio")
    yield _median("int8_vs_float32", "precision", made["precision_ratios"], "ratio", contrast="ratio")
    yield _median("singlestream_vs_offline", "scenario", made["scenario_ratios"], "ratio", contrast="ratio")
    yield _median("equal_operations", "operations", made["equal_operations"], "ratio", contrast="ratio")


def _median(
    statistic: str, family: str, table: pd.DataFrame, metric: str, by: str = "system", **cells: object
) -> statistics.Row:
    return statistics.row(
        statistic=statistic,
        family=family,
        test="none",
        metric=metric,
        group=f"median over {by.replace('_', ' ')}s",
        unit=columns.unit(metric) or "1",
        **cells,
        **statistics.estimate_cells(inference.median_over_groups(table, metric, by)),
    )


def _estimate_rows(estimates: pd.DataFrame) -> list[statistics.Row]:
    """Each method over the meter: median over systems, tested against 1."""
    rows = []
    for (method, load), group in estimates.groupby(["method", "load"], sort=False):
        # Systems are no replicates of one another: one is six times further from the meter than the others.
        sample = MedianSample(tuple(group["ratio"]))
        is_testable = not math.isnan(sample.interval()[0])
        rows.append(
            statistics.row(
                statistic=f"estimate.{method}.{load}",
                family="estimates",
                test="sign",
                metric="ratio",
                group=method,
                base="wall",
                contrast="ratio",
                p=sample.p_value(1.0) if is_testable else None,
                **statistics.estimate_cells(sample),
                note=None if is_testable else "too few systems to test",
            )
        )
    statistics.correct(rows)
    return rows


def _learning_rows(made: dict[str, pd.DataFrame]) -> Iterator[statistics.Row]:
    for lead in made["leads"].to_dict("records"):
        place = f"{lead['game'].lower()}.{lead['algorithm']}.{lead['budget']}.{lead['alignment']}"
        yield _difference_row(f"lead.{place}", "leads", lead)
    for pair in learning.pairs(made["scores"]).to_dict("records"):
        place = f"{pair['game'].lower()}.{pair['algorithm']}_vs_{pair['other']}"
        yield _difference_row(f"pair.{place}", "pairs", pair)
    whole = whole_trainings(made["stopping"])
    for column in whole.columns[whole.columns.str.startswith(("share_after", "patience"))]:
        yield _median(f"stopping.{column}", "stopping", whole, column, "dataset")


def _difference_row(statistic: str, family: str, difference: dict[str, Any]) -> statistics.Row:
    return statistics.row(
        statistic=statistic,
        family=family,
        test="welch_t",
        metric="score",
        group=difference["algorithm"],
        base=difference["other"],
        contrast="difference",
        p=difference["p"],
        **statistics.estimate_cells(difference["sample"]),
    )
