"""Tables and values of the experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from experiments.analysis import records, statistics
from experiments.analysis.values import Value, cell, known, significant, statistic_values
from experiments.bench.record import Idle, Run
from experiments.config import Comparison, Design
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
    "threads",
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
    arms = _arms(records.with_result(runs))
    architectures = arms[arms["factor"].isna()]
    errors = predictors.unseen_errors(architectures)
    return {
        "runs": runs,
        "arms": arms,
        "statistics": _statistics(runs, architectures, errors, design),
        "predictors": predictors.associations(architectures),
        "regressions": predictors.cross_validation(architectures, errors),
        "reference": predictors.reference(),
    }


def _runs(entries: Sequence[Run | Idle]) -> pd.DataFrame:
    parameters = ("family", "model", "factor", "batch_size", "image_size", "turns")
    table = records.with_metrics(entries, parameters, _FACTS)
    table["energy_per_inference_j"] = table["energy_j"] / table["inferences"]
    table["energy_per_inference_kwh"] = table["energy_per_inference_j"] / JOULES_PER_KWH
    return table


def _arms(runs: pd.DataFrame) -> pd.DataFrame:
    rows = []
    error_cv = statistics.error_cv(runs, "energy_per_inference_j")
    for arm, group in runs.groupby("arm", sort=False):
        energy_j = group["energy_per_inference_j"]
        mean_j, low_j, high_j = statistics.mean_ci(energy_j.to_list())
        rows.append(
            {
                "arm": arm,
                **{
                    name: group[name].iloc[0]
                    for name in ("family", "model", "factor", "batch_size", "image_size", "threads")
                },
                "blocks": len(group),
                **{fact: group[fact].iloc[0] for fact in _COUNTS},
                "intensity_flops_per_byte": group["flops"].iloc[0] / group["bytes_moved"].iloc[0],
                "cpu_per_inference_s": (group["cpu_s"] / group["inferences"]).median(),
                "energy_per_inference_j": mean_j,
                "ci_low_j": low_j,
                "ci_high_j": high_j,
                "cv_percent": 100 * energy_j.std() / energy_j.mean(),
                "error_cv_percent": error_cv[arm],
                "energy_per_inference_kwh": mean_j / JOULES_PER_KWH,
                "latency_median_s": group["latency_median_s"].median(),
                "flagged_runs": int((group["flags"] != "").sum()),
                "provenance": records.provenance_of(group),
            }
        )
    return pd.DataFrame(rows).sort_values("flops", ignore_index=True)


def _statistics(
    runs: pd.DataFrame, architectures: pd.DataFrame, errors: pd.DataFrame, design: Design
) -> pd.DataFrame:
    good = records.with_result(runs)
    rows = [
        row for family in [*design.comparisons, *_factors(good)] for row in statistics.compare(good, family)
    ]
    rows += _determinations("flops_energy_r2", architectures)
    rows += _determinations("published_flops_energy_r2", predictors.reference())
    rows += predictors.against_flops(errors)
    return pd.DataFrame(rows, columns=statistics.COLUMNS)


def _factors(runs: pd.DataFrame) -> list[Comparison]:
    """Each arm that varies a setting, against the same network at the scale's own settings."""
    arms = runs.drop_duplicates("arm")
    bases = arms[arms["factor"].isna()].set_index("model")["arm"]
    pairs = [
        (row.arm, bases[row.model])
        for row in arms.dropna(subset=["factor"]).sort_values("arm").itertuples()
        if row.model in bases
    ]
    if not pairs:
        return []
    return [Comparison(family="factors", metric="energy_per_inference_j", test="paired_t", pairs=pairs)]


def _determinations(prefix: str, arms: pd.DataFrame) -> list[statistics.Row]:
    groups = [("all", arms), *arms.groupby("family")]
    return [
        statistics.determination(
            f"{prefix}.{group}",
            members["flops"].to_numpy(dtype=np.float64),
            members["energy_per_inference_j"].to_numpy(dtype=np.float64),
            metric="energy_per_inference_j",
            group=str(group),
        )
        for group, members in groups
        if group == "all" or len(members) >= predictors.LEAST_MEMBERS
    ]


def values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """The numbers the paper prints about this experiment; what was not measured has no value."""
    runs = tables["runs"]
    arms = tables["arms"].query("factor.isna()")
    least = arms.loc[arms["energy_per_inference_j"].idxmin()]
    most = arms.loc[arms["energy_per_inference_j"].idxmax()]
    per_flop = arms["energy_per_inference_j"] / arms["flops"]
    energy = "arms.csv energy_per_inference_j"
    return [
        Value("flops.models", len(arms), "arms.csv, rows"),
        Value("flops.families", arms["family"].nunique(), "arms.csv family, distinct"),
        Value("flops.blocks", int(arms["blocks"].max()), "arms.csv blocks, largest"),
        Value("flops.window", runs["duration_s"].min(), "runs.csv duration_s, least", 2, r"\second"),
        Value("flops.threads", int(arms["threads"].max()), "arms.csv threads of the architectures, largest"),
        Value("flops.turns", int(runs["turns"].max()), "runs.csv turns, largest"),
        *known(
            Value("flops.cv", arms["cv_percent"].median(), "arms.csv cv_percent, median", 2, r"\percent"),
            Value(
                "flops.cv.error",
                arms["error_cv_percent"].median(),
                "arms.csv error_cv_percent, median",
                2,
                r"\percent",
            ),
        ),
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
        *statistic_values("flops", tables["statistics"]),
        *_predictor_values(tables),
    ]


def _predictor_values(tables: Mapping[str, pd.DataFrame]) -> list[Value]:
    """Which predictor a practitioner should use, and what the published runs say of operations."""
    found = known(
        *(
            Value(
                f"flops.predictor.{row['predictor']}.{column}",
                row[column],
                f"predictors.csv {row['predictor']} with energy over all, {column}",
                2,
                on_demand=True,
            )
            for row in tables["predictors"].to_dict("records")
            if row["group"] == "all" and row["outcome"] == "energy_per_inference_j"
            for column in ("r2", "r2_low", "r2_high", "spearman")
        )
    )
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
            f"flops.regression.{name}.factor",
            row["error_factor"],
            f"regressions.csv {name} error_factor",
            3,
            on_demand=True,
        )
        for name, row in regressions.iterrows()
    ]


def display(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables of architectures and of settings as the paper prints them."""
    arms = tables["arms"].query("factor.isna()")
    printed = {
        "model": arms["arm"],
        "family": arms["family"],
        "GFLOPs": [significant(flops / 1e9, 3) for flops in arms["flops"]],
        "million parameters": [significant(count / 1e6, 3) for count in arms["parameters"]],
        "FLOPs/byte": [significant(intensity, 2) for intensity in arms["intensity_flops_per_byte"]],
        "ms": [significant(1e3 * latency_s, 3) for latency_s in arms["latency_median_s"]],
        "mJ": [significant(1e3 * energy_j, 3) for energy_j in arms["energy_per_inference_j"]],
        "CV in %": [cell(percent, 2) for percent in arms["cv_percent"]],
        "error": [cell(percent, 2) for percent in arms["error_cv_percent"]],
    }
    return {"flops_models": pd.DataFrame(printed), "flops_factors": _factor_table(tables)}


def _factor_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Ratios per image of the arms that vary a setting, to the same network at the scale's settings."""
    arms = tables["arms"].set_index("arm")
    rows = [
        {
            "model": arms.loc[row.group, "model"],
            "batch": str(int(arms.loc[row.group, "batch_size"])),
            "pixels": str(int(arms.loc[row.group, "image_size"])),
            "threads": str(int(arms.loc[row.group, "threads"])),
            "operations, ratio": significant(arms.loc[row.group, "flops"] / arms.loc[row.base, "flops"], 3),
            "energy, ratio": cell(row.estimate),
            "low": cell(row.ci_low),
            "high": cell(row.ci_high),
        }
        for row in tables["statistics"].query("family == 'factors'").itertuples()
    ]
    return pd.DataFrame(rows)
