"""Builds the tables of the experiment from its records."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from experiments.language_models import exam, reaching
from experiments.language_models.published_entries import BOARD
from experiments.language_models.reaching import KINDS
from joules.analysis import ranking, statistics
from joules.analysis.records import Records, runs_table, select_measured, sort_by_arm, weakest_provenance
from joules.bench.record import Run
from joules.errors import UserError
from joules.study.design import Design

# Listed only where both arms were measured: campaigns before version 2 lack the arms of this family.
_ADDED = "mechanisms"
_SPENT = ("energy_per_training_j", "time_per_training_s", "cpu_per_training_s")
_METRICS = (
    "trainings",
    "training_symbols",
    "alphabet",
    "model_bytes",
    "validation_accuracy",
    "validation_bits",
    "test_accuracy",
    "test_bits",
    "constant_accuracy",
    "symbol",
    "corpus_sha256",
)
_CURVES = ["arm", "entry", "block", "step", "energy_j", "duration_s", "accuracy", "bits"]
_PER_TRAINING = {
    "energy_per_training_j": "energy_j",
    "time_per_training_s": "duration_s",
    "cpu_per_training_s": "cpu_s",
}


def tabulate(records: Records, design: Design) -> dict[str, pd.DataFrame]:
    """Build the tables of the experiment.

    Args:
        records: Records of the runs.
        design: The experiment's design.

    Returns:
        `runs` (one row per run, with the reason for a disqualification), `curves` (checkpoints of networks),
        `board` (one row per arm), `reached` (energy to each accuracy), `statistics` and `published` (another
        board).

    Raises:
        UserError: If runs were trained on different texts.
    """
    runs = runs_table(records, parameters=("entry", "share", "order", "text"), metrics=_METRICS)
    runs["share"] = runs["share"].fillna(1.0)
    for name, whole in _PER_TRAINING.items():
        runs[name] = runs[whole] / runs["trainings"]
    rules = design.at(runs["scale"].iloc[0]).analysis
    runs["disqualified"] = [
        disqualified(run, rules["gate_accuracy"], rules["cap_s"]) for run in runs.to_dict("records")
    ]
    good = select_measured(runs)
    if good["corpus_sha256"].nunique() > 1:
        raise UserError(
            "language_models: runs on different texts cannot be compared: delete the block files of "
            "this experiment and measure it again"
        )
    curves = pd.DataFrame(_curves(records), columns=_CURVES)
    reached = reaching.reached_table(good, curves)
    board = sort_by_arm(_board(good), design)
    return {
        "runs": runs,
        "curves": curves,
        "board": board,
        "reached": reached,
        "statistics": _statistics(good, reached, design),
        "published": published(good),
    }


def disqualified(run: dict[str, object], gate_accuracy: float, cap_s: float) -> str | None:
    """Find the reason why a run is disqualified.

    Args:
        run: Row of the table of runs.
        gate_accuracy: Least accuracy on the validation text; that of a constant prediction must be exceeded.
        cap_s: Longest time of a training, in seconds.

    Returns:
        Accuracy, time or both; None if the run qualifies or has no result.
    """
    accuracy, time_s = run["validation_accuracy"], run["time_per_training_s"]
    constant = run.get("constant_accuracy")
    reasons = [
        word
        for word, misses in (
            (
                "accuracy",
                isinstance(accuracy, float)
                and (accuracy < gate_accuracy or (isinstance(constant, float) and accuracy <= constant)),
            ),
            ("time", isinstance(time_s, float) and time_s > cap_s),
        )
        if misses
    ]
    return " and ".join(reasons) or None


def _curves(records: Records) -> list[list[object]]:
    return [
        [run.arm, run.parameters["entry"], run.block, step, mark.energy_j, mark.time_s, accuracy, bits]
        for run in records
        if isinstance(run, Run) and run.has_result
        for mark, (step, accuracy, bits) in zip(run.steps, run.metrics["checkpoints"], strict=True)
    ]


def _board(runs: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for arm, group in runs.groupby("arm", sort=False):
        accuracy, low, high = statistics.mean_with_interval(group["validation_accuracy"])
        energy_j, low_j, high_j = statistics.geometric_mean(group["energy_per_training_j"].to_list())
        misses = group["disqualified"].dropna()
        rows.append(
            {
                "arm": arm,
                "entry": group["entry"].iloc[0],
                "kind": KINDS[group["entry"].iloc[0]],
                "blocks": len(group),
                "disqualified_blocks": len(misses),
                "disqualified": misses.mode().iloc[0] if len(misses) else None,
                "validation_accuracy": accuracy,
                "validation_accuracy_low": low,
                "validation_accuracy_high": high,
                "constant_accuracy": pd.to_numeric(group["constant_accuracy"]).mean(),
                "validation_bits": group["validation_bits"].mean(),
                "test_accuracy": group["test_accuracy"].mean(),
                "test_bits": group["test_bits"].mean(),
                "model_bytes": group["model_bytes"].mean(),
                "trainings": group["trainings"].mean(),
                "time_per_training_s": statistics.geometric_mean(group["time_per_training_s"].to_list())[0],
                "cpu_per_training_s": group["cpu_per_training_s"].mean(),
                "energy_per_training_j": energy_j,
                "ci_low_j": low_j,
                "ci_high_j": high_j,
                "provenance": weakest_provenance(group),
            }
        )
    board = pd.DataFrame(rows)
    if board.empty:
        return board
    board["on_front"] = on_front(board["energy_per_training_j"], board["validation_accuracy"])
    return board.merge(_places(runs, board), on="arm", how="left")


def on_front(energy_j: pd.Series, accuracy: pd.Series) -> list[bool]:
    """Whether each entry is on the Pareto front.

    No other entry is at least as accurate for less energy, or more accurate for no more energy.
    """
    points = list(zip(energy_j, accuracy, strict=True))
    return [
        not any(
            (other_j < own_j and other >= own) or (other_j <= own_j and other > own)
            for other_j, other in points
        )
        for own_j, own in points
    ]


def _places(runs: pd.DataFrame, board: pd.DataFrame) -> pd.DataFrame:
    """Places by energy among entries that no block disqualifies."""
    qualified = board.loc[board["disqualified_blocks"] == 0, "arm"]
    wide = runs.pivot(index="block", columns="arm", values="energy_per_training_j")
    places = ranking.place_probabilities(np.log(wide[list(qualified)]), largest_first=False)
    named = {"place": "rank", "inconclusive": "inconclusive", "place_1": "first_share"}
    return places.reindex(columns=list(named)).rename(columns=named).rename_axis("arm").reset_index()


def _statistics(runs: pd.DataFrame, reached: pd.DataFrame, design: Design) -> pd.DataFrame:
    rows = [
        row
        for family in design.comparisons
        for row in statistics.compare(runs, family)
        if row["n"] or family.family != _ADDED
    ]
    rows.append(exam.margin(pd.DataFrame(rows, columns=statistics.COLUMNS)))
    rules = design.at(runs["scale"].iloc[0]).analysis if len(runs) else {}
    rows += reaching.compare_kinds(runs, reached, rules)
    rows += estimate_noise(runs)
    return pd.DataFrame(rows, columns=statistics.COLUMNS)


def estimate_noise(runs: pd.DataFrame) -> list[statistics.Row]:
    """The ratio that two single runs of equal energy exceed by chance one time in twenty.

    Computed from the spread between blocks of the median arm and of the arm with the largest spread.
    """
    logs = np.log(runs.pivot(index="block", columns="arm", values="energy_per_training_j"))
    spreads = logs.std(ddof=1).dropna()
    two = 1.959964 * math.sqrt(2)
    return [
        statistics.row(
            statistic=f"noise.{name}",
            family="noise",
            test="none",
            metric="energy_per_training_j",
            n=len(logs),
            contrast="ratio",
            estimate=math.exp(two * float(spread)),
        )
        for name, spread in (("median", spreads.median()), ("largest", spreads.max()))
        if len(spreads)
    ]


def published(runs: pd.DataFrame) -> pd.DataFrame:
    """Read another board, which measured each entry once.

    Returns:
        Its rows with the ratio to the next more expensive entry, and whether single runs that vary as much as
        in the median arm here could distinguish both.
    """
    board = pd.read_csv(BOARD)
    board["next_over_this"] = board["total_j"].shift(-1) / board["total_j"]
    noise = {row["statistic"]: row["estimate"] for row in estimate_noise(runs)} if len(runs) else {}
    for name in ("median", "largest"):
        bound = float(str(noise.get(f"noise.{name}", math.nan)))
        told = board["next_over_this"] > bound
        board[f"told_apart_{name}"] = told.where(board["next_over_this"].notna() & math.isfinite(bound))
    return board
