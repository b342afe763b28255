"""Energy of inference at the wall: by operations, precision, batch and system."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.published_measurements.networks import identify
from joules.analysis.inference import ResampledSample

Floats = NDArray[np.float64]

# A system is asked whether operations explain its energy where it ran so many networks of one precision.
LEAST_NETWORKS = 20
RESAMPLES = 2000
# What may explain the joules of an inference.
PREDICTORS = {
    "operations": "multiply_adds_m",
    "parameters": "parameters_m",
    "time": "mean_latency_s",
}
_PAIR = ["version", "submitter", "system"]
# Systems that ran the mobile networks, by the name that figures give them.
SHORT_NAMES = {
    "firefly-tflite-v2.11.0-ruy": "RK3588, TFLite",
    "firefly-armnn-v22.11-neon": "RK3588, Arm NN",
    "firefly-armnn-v22.11-opencl": "RK3588 GPU, Arm NN",
    "nvidia_orin-tflite_cpp-cpu-tflite-vmaster-default_config": "Orin CPU, TFLite",
    "vim4-tflite-v2.11.0-ruy": "A311D2, TFLite",
    "vim4-armnn-v22.11-neon": "A311D2, Arm NN",
    "vim4-armnn-v22.11-opencl": "A311D2 GPU, Arm NN",
    "nvidia_orin-tflite_armnn_cpp-cpu-armnn_tflite-v22.11-using_neon": "Orin CPU, Arm NN",
}


def describe_runs(runs: pd.DataFrame, operations: pd.DataFrame) -> pd.DataFrame:
    """A row a distinct run, with the published name, family, precision and operations of its network."""
    found = [identify(network) for network in runs["network"]]
    named = runs.assign(
        published_network=[each.name if each else None for each in found],
        precision=[each.precision if each else None for each in found],
    )
    columns = operations.set_index("network")[["family", "multiply_adds_m", "parameters_m"]]
    return named.join(columns, on="published_network")


def mobile_runs(runs: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Single-stream runs of networks whose operations are published, by (system, precision), of systems that
    ran enough of them."""
    known = runs[runs["multiply_adds_m"].notna() & (runs["scenario"] == "singlestream")]
    for key, group in known.groupby(["system", "precision"]):
        if len(group) >= LEAST_NETWORKS:
            yield key, group


def determinations(runs: pd.DataFrame) -> pd.DataFrame:
    """R squared of a straight line of joules an inference on each predictor, a row a system, precision,
    predictor and choice of networks ('all', 'MobileNets').

    `r2_low` and `r2_high` are the 95 % interval of a bootstrap that resamples families, `without_family_low`
    and `_high` the range when each family is left out in turn; both are empty for a single family.
    """
    rows = []
    for (system, precision), group in mobile_runs(runs):
        mobile = group[group["family"].str.startswith("MobileNet")]
        for choice, chosen in (("all", group), ("MobileNets", mobile)):
            for predictor, column in PREDICTORS.items():
                named = {"system": system, "precision": precision, "networks": choice, "predictor": predictor}
                rows.append(named | _determination(chosen, column))
    return pd.DataFrame(rows)


def _determination(runs: pd.DataFrame, column: str) -> dict[str, Any]:
    x, y = runs[column].to_numpy(), runs["energy_per_inference_j"].to_numpy()
    families, member = np.unique(runs["family"].to_numpy(dtype=str), return_inverse=True)
    of_family = [np.flatnonzero(member == place) for place in range(len(families))]
    low, high = _by_family(x, y, of_family)
    without = (
        [r_squared(np.delete(x, each), np.delete(y, each)) for each in of_family] if len(families) > 1 else []
    )
    return {
        "n": len(runs),
        "families": len(families),
        "r2": r_squared(x, y),
        "r2_low": low,
        "r2_high": high,
        "without_family_low": min(without, default=np.nan),
        "without_family_high": max(without, default=np.nan),
    }


def r_squared(x: Floats, y: Floats) -> float:
    """R squared of a straight line of `y` on `x`, each [n]."""
    return float(np.corrcoef(x, y)[0, 1] ** 2)


def _by_family(x: Floats, y: Floats, of_family: list[NDArray[np.intp]]) -> tuple[float, float]:
    """95 % percentile interval of R squared over resampled families."""
    if len(of_family) < 2:
        return np.nan, np.nan
    # R squared follows from sums over families; centred, they lose no digits.
    x, y = x - x.mean(), y - y.mean()
    terms = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y])
    sums = np.stack([terms[:, places].sum(axis=1) for places in of_family])
    drawn = np.random.default_rng(0).integers(len(of_family), size=(RESAMPLES, len(of_family)))
    n, sx, sy, sxx, syy, sxy = sums[drawn].sum(axis=1).T
    values = (n * sxy - sx * sy) ** 2 / ((n * sxx - sx**2) * (n * syy - sy**2))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def power_spreads(runs: pd.DataFrame) -> pd.DataFrame:
    """Least and largest mean watts between networks of one system and precision, at single stream: were they
    equal, energy would be time."""
    rows = []
    for (system, precision), group in mobile_runs(runs):
        watts = group.set_index("published_network")["mean_power_w"]
        rows.append(
            {
                "system": system,
                "precision": precision,
                "n": len(watts),
                "least_power_w": watts.min(),
                "least_network": watts.idxmin(),
                "largest_power_w": watts.max(),
                "largest_network": watts.idxmax(),
                "power_ratio": watts.max() / watts.min(),
            }
        )
    return pd.DataFrame(rows)


def precision_ratios(runs: pd.DataFrame) -> pd.DataFrame:
    """Joules an inference of int8 over float32 for equal networks of one system, at single stream."""
    return _ratios(runs, "precision", "int8", "float32", [*_PAIR, "published_network"])


def scenario_ratios(runs: pd.DataFrame) -> pd.DataFrame:
    """Joules an inference of single stream over offline for one network of one system."""
    return _ratios(runs, "scenario", "singlestream", "offline", [*_PAIR, "division", "network"])


def _ratios(runs: pd.DataFrame, column: str, above: str, below: str, keys: list[str]) -> pd.DataFrame:
    chosen = runs if column == "scenario" else runs[runs["scenario"] == "singlestream"]
    chosen = chosen.dropna(subset=keys)
    sides = [
        chosen[chosen[column] == kind].groupby(keys)["energy_per_inference_j"].mean()
        for kind in (above, below)
    ]
    both = pd.concat(sides, axis=1, keys=[f"{above}_j", f"{below}_j"], join="inner").reset_index()
    return both.assign(ratio=both[f"{above}_j"] / both[f"{below}_j"])


def fronts(runs: pd.DataFrame) -> pd.DataFrame:
    """Accuracy against joules an inference: runs of each system and precision that no other of them beats in
    both."""
    known = runs[runs["accuracy_percent"].notna() & runs["multiply_adds_m"].notna()]
    kept = []
    for _, group in known.groupby(["system", "precision"]):
        ordered = group.sort_values(["energy_per_inference_j", "accuracy_percent"], ascending=[True, False])
        best = ordered["accuracy_percent"].cummax()
        kept.append(ordered[ordered["accuracy_percent"] > best.shift(fill_value=-np.inf)])
    columns = [
        "run",
        "system",
        "published_network",
        "precision",
        "accuracy_percent",
        "energy_per_inference_j",
    ]
    return pd.concat(kept, ignore_index=True)[columns]


def equal_operations(runs: pd.DataFrame, tolerance: float = 0.05) -> pd.DataFrame:
    """Pairs of networks of one system and precision whose operations are within `tolerance`, neighbours in
    order of operations: how many times the joules of one are those of the other."""
    rows = []
    for (system, precision), group in mobile_runs(runs):
        ordered = group.sort_values("multiply_adds_m")
        for one, other in pairwise(ordered.itertuples()):
            if other.multiply_adds_m <= one.multiply_adds_m * (1 + tolerance) and one.family != other.family:
                joules = sorted([one.energy_per_inference_j, other.energy_per_inference_j])
                rows.append(
                    {
                        "system": system,
                        "precision": precision,
                        "network": one.published_network,
                        "other": other.published_network,
                        "multiply_adds_m": one.multiply_adds_m,
                        "ratio": joules[1] / joules[0],
                    }
                )
    return pd.DataFrame(rows, columns=["system", "precision", "network", "other", "multiply_adds_m", "ratio"])


def median_over_groups(table: pd.DataFrame, column: str, by: str) -> ResampledSample:
    """Median of a column over rows, and over the rows of resampled groups."""
    table = table.dropna(subset=[column])
    groups = [group[column].to_numpy() for _, group in table.groupby(by)]
    drawn = np.random.default_rng(0).integers(len(groups), size=(RESAMPLES, len(groups)))
    values = [np.median(np.concatenate([groups[place] for place in places])) for places in drawn]
    return ResampledSample(float(table[column].median()), tuple(map(float, values)), len(groups))
