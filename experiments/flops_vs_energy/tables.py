"""Builds the tables of the experiment from its records."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.flops_vs_energy import predictors
from joules.analysis import statistics
from joules.analysis.records import Records, runs_table, select_measured, weakest_provenance
from joules.instrument.carbon import JOULES_PER_KWH
from joules.study.design import Comparison, Design

_COUNTS = ("flops", "parameters", "activations", "bytes_moved", "operators", "layers")
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


def tabulate(records: Records, design: Design) -> dict[str, pd.DataFrame]:
    """Build the tables of the experiment.

    Args:
        records: Records of the runs.
        design: The experiment's design.

    Returns:
        `runs` (one row per run), `arms` (one row per arm), `statistics`, `predictors` (association of counts
        with energy and time), `regressions` (errors on unseen families) and `reference` (the published runs).
    """
    runs = _runs(records)
    arms = _arms(select_measured(runs))
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


def _runs(records: Records) -> pd.DataFrame:
    parameters = ("family", "model", "factor", "batch_size", "image_size", "turns")
    table = runs_table(records, parameters, _FACTS)
    table["time_per_inference_s"] = table["duration_s"] / table["inferences"]
    table["energy_per_inference_j"] = table["energy_j"] / table["inferences"]
    table["energy_per_inference_kwh"] = table["energy_per_inference_j"] / JOULES_PER_KWH
    return table


def _arms(runs: pd.DataFrame) -> pd.DataFrame:
    rows = []
    error_cv = statistics.error_cv(runs, "energy_per_inference_j")
    for arm, group in runs.groupby("arm", sort=False):
        energy_j = group["energy_per_inference_j"]
        mean_j, low_j, high_j = statistics.geometric_mean(energy_j.to_list())
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
                "time_per_inference_s": statistics.geometric_mean(group["time_per_inference_s"].to_list())[0],
                "cpu_per_inference_s": (group["cpu_s"] / group["inferences"]).median(),
                "energy_per_inference_j": mean_j,
                "ci_low_j": low_j,
                "ci_high_j": high_j,
                "cv_percent": 100 * energy_j.std() / energy_j.mean(),
                "error_cv_percent": error_cv[arm],
                "energy_per_inference_kwh": mean_j / JOULES_PER_KWH,
                "latency_median_s": group["latency_median_s"].median(),
                "flagged_runs": int((group["flags"] != "").sum()),
                "provenance": weakest_provenance(group),
            }
        )
    return pd.DataFrame(rows).sort_values("flops", ignore_index=True)


def _statistics(
    runs: pd.DataFrame, architectures: pd.DataFrame, errors: pd.DataFrame, design: Design
) -> pd.DataFrame:
    good = select_measured(runs)
    rows = [
        row for family in [*design.comparisons, *_factors(good)] for row in statistics.compare(good, family)
    ]
    rows += _determinations("flops_time_r2", architectures, outcome="time_per_inference_s")
    rows += _determinations("flops_energy_r2", architectures)
    for name in ("time", "cpu"):
        rows += _determinations(f"{name}_energy_r2", architectures, count=f"{name}_per_inference_s")[:1]
    reference = predictors.reference()
    rows += _determinations("published_flops_energy_r2", reference)
    # The published share leaves out one family.
    others = _determinations("published_flops_energy_r2", reference[reference["family"] != "HarDNet"])[0]
    rows.append(
        others | {"statistic": "published_flops_energy_r2.without_HarDNet", "group": "without HarDNet"}
    )
    shared = set(architectures["model"]) & set(reference["arm"])
    if len(shared) >= predictors.LEAST_MEMBERS:
        for prefix, column, arms in (
            ("flops_energy_r2", "model", architectures),
            ("published_flops_energy_r2", "arm", reference),
        ):
            of_shared = _determinations(prefix, arms[arms[column].isin(shared)])[0]
            rows.append(of_shared | {"statistic": f"{prefix}.shared", "group": "shared"})
    rows += predictors.against_flops(errors, architectures["family"])
    return pd.DataFrame(rows, columns=statistics.COLUMNS)


def _factors(runs: pd.DataFrame) -> list[Comparison]:
    """Pairs of each arm with a changed setting and the same network at the scale's settings."""
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


def _determinations(
    prefix: str, arms: pd.DataFrame, count: str = "flops", outcome: str = "energy_per_inference_j"
) -> list[statistics.Row]:
    """R squared of `outcome` on `count`, over all arms and within each family of three or more."""
    groups = [("all", arms), *arms.groupby("family")]
    return [
        statistics.determination(
            f"{prefix}.{group}",
            members[count].to_numpy(dtype=np.float64),
            members[outcome].to_numpy(dtype=np.float64),
            metric=outcome,
            group=str(group),
        )
        for group, members in groups
        if group == "all" or len(members) >= predictors.LEAST_MEMBERS
    ]
