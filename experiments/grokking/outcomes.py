"""Outcome of a run: its steps of memorising and grokking, and the energy before, between and after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.grokking.rules import GROKKED, Evaluation, first_sustained
from joules.analysis import statistics
from joules.analysis.records import Records, runs_table, weakest_provenance
from joules.bench.record import Run

_PUBLISHED = Path(__file__).parent / "reference" / "powerdown.csv"

Trainings = Mapping[tuple[str, int], Run]

_PARAMETERS = (
    "task",
    "architecture",
    "modulus",
    "train_fraction",
    "learning_rate",
    "weight_decay",
    "evaluate_every",
)
_METRICS = ("parameters", "steps", "flops_per_step", "bytes_moved_per_step")
# Accuracy of complete grokking; accuracy of memorising.
_ALL, _MEMORISED = 0.99, 0.99


def published() -> pd.DataFrame:
    """Published shares of energy after generalisation (PowerDown), in per cent."""
    return pd.read_csv(_PUBLISHED)


def evaluations_of(run: Run) -> list[Evaluation]:
    """The evaluations of a run, in order of step."""
    return [Evaluation(int(cells[0]), *cells[1:]) for cells in run.metrics["evaluations"]]


def energies_at(run: Run, steps: Sequence[float]) -> NDArray[np.float64]:
    """Energies in joules from the opening of the window to optimiser steps, interpolated between marks."""
    marks = [(0, 0.0), *((mark.index, mark.energy_j or 0.0) for mark in run.steps)]
    marked, energies_j = zip(*marks, strict=True)
    return np.interp(steps, marked, energies_j)


def tabulate_runs(records: Records, trainings: Trainings) -> pd.DataFrame:
    """Tabulate runs with their steps, the energies of their phases and their waste.

    Args:
        records: Records of the experiment.
        trainings: Records of runs with a result, by arm and block.

    Returns:
        One row per run.
    """
    table = runs_table(records, parameters=_PARAMETERS, metrics=_METRICS)
    rule_of: dict[str, object] = {}
    for record in records:
        if isinstance(record, Run):
            rule_of.setdefault(record.arm, record.parameters.get("rule", "fixed"))
    table.insert(3, "rule", [rule_of[arm] for arm in table["arm"]])
    cells = [
        describe_course(trainings[key]) if (key := (arm, block)) in trainings else {}
        for arm, block in zip(table["arm"], table["block"], strict=True)
    ]
    columns = [
        "memorised_step",
        "grok_step",
        "grok99_step",
        "final_accuracy",
        "memorising_j",
        "waiting_j",
        "waste_j",
        "waste",
        "waste99",
    ]
    return table.join(pd.DataFrame(cells, index=table.index, columns=columns).astype(float))


def describe_course(run: Run) -> dict[str, float | None]:
    """Steps of memorising and grokking, and the energy before, between and after them."""
    history = evaluations_of(run)
    memorised = next((e.step for e in history if e.train_accuracy >= _MEMORISED), None)
    grokked, fully = first_sustained(history, GROKKED), first_sustained(history, _ALL)
    steps = [step for step in (history[-1].step, memorised, grokked, fully) if step is not None]
    energy_j = dict(zip(steps, energies_at(run, steps).tolist(), strict=True))
    whole_j = energy_j[history[-1].step]
    course: dict[str, float | None] = {
        "memorised_step": memorised,
        "grok_step": grokked,
        "grok99_step": fully,
        "final_accuracy": history[-1].accuracy,
    }
    if memorised is not None:
        course["memorising_j"] = energy_j[memorised]
    if grokked is not None:
        grokked_j = energy_j[grokked]
        if memorised is not None and memorised <= grokked:
            course["waiting_j"] = grokked_j - energy_j[memorised]
        course |= {"waste_j": whole_j - grokked_j, "waste": 1 - grokked_j / whole_j}
    if fully is not None:
        course["waste99"] = 1 - energy_j[fully] / whole_j
    return course


def curves_table(trainings: Trainings) -> pd.DataFrame:
    """One row per evaluation: step, energy so far, losses, accuracies and signals."""
    rows = [
        {
            "arm": arm,
            "block": block,
            "step": evaluation.step,
            "energy_j": float(energy_j),
            "train_loss": evaluation.train_loss,
            "train_accuracy": evaluation.train_accuracy,
            "validation_loss": evaluation.loss,
            "validation_accuracy": evaluation.accuracy,
            "gradient_norm": signal[1],
            "weight_norm": signal[2],
            "inactive": signal[3],
        }
        for (arm, block), run in sorted(trainings.items(), key=lambda item: (item[0][1], item[1].position))
        for history in [evaluations_of(run)]
        for evaluation, signal, energy_j in zip(
            history, run.metrics["signals"], energies_at(run, [each.step for each in history]), strict=True
        )
    ]
    return pd.DataFrame(rows)


def arms_table(fixed: pd.DataFrame) -> pd.DataFrame:
    """One row per arm on the fixed schedule: how often and when it grokked, and its waste."""
    rows = []
    for arm, group in fixed.groupby("arm", sort=False):
        grokked = group.dropna(subset=["grok_step"])
        waste, low, high = statistics.mean_with_interval(grokked["waste"].to_numpy(dtype=np.float64))
        first = group.iloc[0]
        rows.append(
            {
                "arm": arm,
                "task": first["task"],
                "architecture": first["architecture"],
                "blocks": len(group),
                "grokked": len(grokked),
                "memorised_step": group["memorised_step"].median(),
                "grok_step": grokked["grok_step"].median(),
                "final_accuracy": group["final_accuracy"].mean(),
                "energy_j": group["energy_j"].mean(),
                "time_per_step_s": (group["duration_s"] / group["steps"]).mean(),
                "cpu_per_step_s": (group["cpu_s"] / group["steps"]).mean(),
                "flops_per_step": first["flops_per_step"],
                "bytes_moved_per_step": first["bytes_moved_per_step"],
                "energy_per_step_j": (group["energy_j"] / group["steps"]).mean(),
                "waste": waste,
                "waste_low": low,
                "waste_high": high,
                "provenance": weakest_provenance(group),
            }
        )
    return pd.DataFrame(rows)


def waste_statistics(fixed: pd.DataFrame) -> list[statistics.Row]:
    """Mean waste of all runs that grokked, by network, and of the task that takes longest to grok.

    Intervals are over blocks, because the runs of a block are not independent.
    """
    grokked = fixed.dropna(subset=["waste"])
    if grokked.empty:
        return []
    by_block = grokked.groupby("block")["waste"].mean()
    rows = [statistics.mean_row("waste.all", by_block.to_list(), "waste_mean", "waste")]
    for architecture, group in grokked.groupby("architecture", sort=False):
        means = group.groupby("block")["waste"].mean()
        rows.append(statistics.mean_row(f"waste.{architecture}", means.to_list(), "waste_mean", "waste"))
    hardest = grokked.groupby("task")["grok_step"].median().idxmax()
    means = grokked[grokked["task"] == hardest].groupby("block")["waste"].mean()
    rows.append(
        statistics.mean_row("waste.hardest", means.to_list(), "waste_mean", "waste") | {"group": hardest}
    )
    means99 = fixed.dropna(subset=["waste99"]).groupby("block")["waste99"].mean()
    if len(means99):
        rows.append(statistics.mean_row("waste99.all", means99.to_list(), "waste_mean", "waste99"))
    return rows
