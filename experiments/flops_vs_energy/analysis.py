"""Tables and values of the experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from experiments.analysis import records, statistics
from experiments.analysis.values import Value, significant
from experiments.bench.record import Idle, Run
from experiments.config import Design
from experiments.energy.carbon import JOULES_PER_KWH
from experiments.flops_vs_energy import predictors

_COUNTS = ("flops", "parameters", "activations", "bytes_moved", "operators", "layers")
# How the paper names a regression.
_WORDS = {
    "flops": "operations alone",
    "parameters": "parameters alone",
    "activations": "activations alone",
    "bytes": "bytes moved alone",
    "flops_bytes_layers": "operations, bytes moved and layers together",
}
_FACTS = (
    *_COUNTS,
    "inferences",
    "latency_median_s",
    "latency_p95_s",
    "activation_std_min",
    "activation_std_max",
    "denormal_share",
)


def tabulate(entries: Sequence[Run | Idle], design: Design) -> dict[str, pd.DataFrame]:
    """`runs` (one row a run), `arms` (one row a model), `statistics`, `predictors` (what goes with energy
    and time), `regressions` (errors on unseen families), `reference` (the published runs)."""
    runs = _runs(entries)
    arms = _arms(runs[runs["failure"].isna()])
    return {
        "runs": runs,
        "arms": arms,
        "statistics": _statistics(runs, arms, design),
        "predictors": predictors.associations(arms),
        "regressions": predictors.cross_validation(arms),
        "reference": predictors.reference(),
    }


def _runs(entries: Sequence[Run | Idle]) -> pd.DataFrame:
    table = records.runs_table(entries)
    found = {(run.arm, run.block): run for run in entries if isinstance(run, Run)}
    order = [found[arm, block] for arm, block in zip(table["arm"], table["block"], strict=True)]
    table.insert(2, "family", [run.parameters["family"] for run in order])
    for fact in _FACTS:
        table[fact] = [run.metrics.get(fact) for run in order]
    table["energy_per_inference_j"] = table["energy_j"] / table["inferences"]
    table["energy_per_inference_kwh"] = table["energy_per_inference_j"] / JOULES_PER_KWH
    return table


def _arms(runs: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for arm, group in runs.groupby("arm", sort=False):
        energy_j = group["energy_per_inference_j"]
        mean_j, low_j, high_j = statistics.mean_ci(energy_j.to_list())
        rows.append(
            {
                "arm": arm,
                "family": group["family"].iloc[0],
                "blocks": len(group),
                **{fact: group[fact].iloc[0] for fact in _COUNTS},
                "intensity_flops_per_byte": group["flops"].iloc[0] / group["bytes_moved"].iloc[0],
                "cpu_s_per_inference": (group["cpu_s"] / group["inferences"]).median(),
                "energy_per_inference_j": mean_j,
                "ci_low_j": low_j,
                "ci_high_j": high_j,
                "cv_percent": 100 * energy_j.std() / energy_j.mean(),
                "energy_per_inference_kwh": mean_j / JOULES_PER_KWH,
                "latency_median_s": group["latency_median_s"].median(),
                "flagged_runs": int((group["flags"] != "").sum()),
                "provenance": records.provenance_of(group),
            }
        )
    return pd.DataFrame(rows).sort_values("flops", ignore_index=True)


def _statistics(runs: pd.DataFrame, arms: pd.DataFrame, design: Design) -> pd.DataFrame:
    good = runs[runs["failure"].isna()]
    rows = [row for family in design.comparisons for row in statistics.compare(good, family)]
    rows.append(_determination("all", arms))
    for family, members in arms.groupby("family"):
        if len(members) >= 3:
            rows.append(_determination(str(family), members))
    return pd.DataFrame(rows, columns=statistics.COLUMNS)


def _determination(group: str, members: pd.DataFrame) -> statistics.Row:
    return statistics.determination(
        f"flops_energy_r2.{group}",
        members["flops"].to_numpy(dtype=np.float64),
        members["energy_per_inference_j"].to_numpy(dtype=np.float64),
        metric="energy_per_inference_j",
        group=group,
    )


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The numbers the paper prints about this experiment; what was not measured has no value."""
    runs, arms = tables["runs"], tables["arms"]
    least = arms.loc[arms["energy_per_inference_j"].idxmin()]
    most = arms.loc[arms["energy_per_inference_j"].idxmax()]
    per_flop = arms["energy_per_inference_j"] / arms["flops"]
    energy = "arms.csv energy_per_inference_j"
    return [
        Value("flops.models", len(arms), "arms.csv, rows"),
        Value("flops.families", arms["family"].nunique(), "arms.csv family, distinct"),
        Value("flops.blocks", int(arms["blocks"].max()), "arms.csv blocks, largest"),
        Value("flops.runs", len(runs), "runs.csv, rows"),
        Value("flops.failed", int(runs["failure"].notna().sum()), "runs.csv failure, count"),
        Value("flops.flagged", int(runs["flags"].notna().sum()), "runs.csv flags, count"),
        Value("flops.window", runs["duration_s"].min(), "runs.csv duration_s, least", 2, r"\second"),
        Value("flops.cv", arms["cv_percent"].median(), "arms.csv cv_percent, median", 2, r"\percent"),
        Value("flops.least.model", least["arm"], f"{energy}, least"),
        Value("flops.least.energy", least["energy_per_inference_j"], f"{energy}, least", 3, r"\joule"),
        Value("flops.most.model", most["arm"], f"{energy}, largest"),
        Value("flops.most.energy", most["energy_per_inference_j"], f"{energy}, largest", 3, r"\joule"),
        Value(
            "flops.spread",
            per_flop.max() / per_flop.min(),
            f"{energy} / flops, largest over least",
            2,
        ),
        Value(
            "flops.denormals",
            100 * runs["denormal_share"].max(),
            "runs.csv denormal_share, largest",
            2,
            r"\percent",
        ),
        Value(
            "flops.std.least",
            runs["activation_std_min"].min(),
            "runs.csv activation_std_min, least",
            2,
        ),
        Value(
            "flops.std.most",
            runs["activation_std_max"].max(),
            "runs.csv activation_std_max, largest",
            2,
        ),
        *_statistic_values(tables["statistics"]),
        *_predictor_values(tables),
    ]


def _predictor_values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """Which predictor a practitioner should use, and what the published runs say of operations."""
    found = [
        Value(
            f"flops.predictor.{row['predictor']}.{column}",
            row[column],
            f"predictors.csv {row['predictor']} with energy over all, {column}",
            2,
        )
        for row in tables["predictors"].to_dict("records")
        if row["group"] == "all" and row["outcome"] == "energy_per_inference_j"
        for column in ("r2", "r2_low", "r2_high", "spearman")
    ]
    published = predictors.associations(tables["reference"]).set_index(["outcome", "predictor", "group"])
    for group in ("all", "VGG", "DenseNet"):
        value = published.loc[("energy_per_inference_j", "flops", group), "r2"]
        found.append(Value(f"flops.published.{group}", value, "reference.csv, R squared of FLOPs", 3))
    regressions = tables["regressions"].set_index("regression")
    if regressions.empty:
        return found
    best = regressions["error_factor"].idxmin()
    found.append(Value("flops.regression.best", _WORDS[best], "regressions.csv, least error_factor"))
    found.append(
        Value(
            "flops.regression.best.factor",
            regressions["error_factor"].min(),
            "regressions.csv error_factor, least",
            3,
        )
    )
    return found + [
        Value(
            f"flops.regression.{name}.factor", row["error_factor"], f"regressions.csv {name} error_factor", 3
        )
        for name, row in regressions.iterrows()
    ]


def _statistic_values(found: pd.DataFrame) -> list[Value]:
    """Estimate, interval and corrected p of every row of `statistics.csv`, where it has them."""
    columns = {"estimate": "", "ci_low": ".low", "ci_high": ".high", "p_holm": ".p"}
    return [
        Value(f"flops.{row.statistic}{suffix}", cell, f"statistics.csv {row.statistic} {column}", 3)
        for row in found.itertuples()
        for column, suffix in columns.items()
        if pd.notna(cell := getattr(row, column))
    ]


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The table of architectures as the paper prints it."""
    arms = tables["arms"]
    printed = {
        "model": arms["arm"],
        "family": arms["family"],
        "GFLOPs": [significant(flops / 1e9, 3) for flops in arms["flops"]],
        "million parameters": [significant(count / 1e6, 3) for count in arms["parameters"]],
        "ms": [significant(1e3 * latency_s, 3) for latency_s in arms["latency_median_s"]],
        "mJ": [significant(1e3 * energy_j, 3) for energy_j in arms["energy_per_inference_j"]],
        "CV in %": [significant(percent, 2) for percent in arms["cv_percent"]],
    }
    return {"flops_models": pd.DataFrame(printed)}
