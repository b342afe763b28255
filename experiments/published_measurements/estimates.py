"""Estimates of power from data sheets against the wall meters of MLPerf's systems."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from joules.power.models import DEFAULT_MODEL, POWER_MODELS
from joules.power.servers import choose_servers
from joules.power.use import Use

# Mean power usage effectiveness: of 2018 (Uptime Institute) and of the Green Algorithms calculator.
PUE_2018, PUE_GREEN_ALGORITHMS = 1.58, 1.67
# Utilisation that Amodei and Hernandez 2018 assume.
A_THIRD = 0.33
# Operations of an inference by ResNet-50 v1.5: Reddi et al. 2020, "MLPerf Inference Benchmark", table I.
OPERATIONS = {"resnet50": 8.2e9}
# What each scenario loads a system with.
LOADS = {"offline": "full", "server": "full", "singlestream": "single"}


@dataclass(frozen=True)
class Parts:
    """What data sheets say of a run's system and network, in watts and operations; None: not published, or
    the system has no such part."""

    processors_w: float | None
    accelerators_w: float | None
    has_accelerators: bool
    peak_operations_per_s: float | None
    operations_per_s: float | None
    threads: int


def all_parts_w(parts: Parts) -> float | None:
    """TDP of processors and accelerators."""
    if parts.processors_w is None or (parts.has_accelerators and parts.accelerators_w is None):
        return None
    return parts.processors_w + (parts.accelerators_w or 0.0)


def _times(factor: float) -> Callable[[Parts], float | None]:
    def scaled(parts: Parts) -> float | None:
        watts = all_parts_w(parts)
        return None if watts is None else factor * watts

    return scaled


def operations_w(parts: Parts) -> float | None:
    """Operations a second over the accelerators' peak operations a watt of TDP."""
    if parts.operations_per_s is None or parts.peak_operations_per_s is None or parts.accelerators_w is None:
        return None
    return parts.operations_per_s * parts.accelerators_w / parts.peak_operations_per_s


def load_curve_w(parts: Parts) -> float | None:
    """The power model of `joules.power` at full load, for a system that computes by its processors alone."""
    if parts.has_accelerators or parts.processors_w is None:
        return None
    use = Use(
        busy_cores=parts.threads,
        threads=parts.threads,
        memory_gib=0.0,
        rated_tdp_w=parts.processors_w,
        servers=choose_servers(None, parts.processors_w),
    )
    return float(sum(POWER_MODELS[DEFAULT_MODEL].power_w(use).values()))


# Watts by method; each is multiplied by the time of the run.
METHODS: Mapping[str, Callable[[Parts], float | None]] = {
    "operations": operations_w,
    "accelerators": lambda parts: parts.accelerators_w,
    "processors": lambda parts: parts.processors_w,
    "third_of_all_parts": _times(A_THIRD),
    "all_parts": all_parts_w,
    "all_parts_pue_2018": _times(PUE_2018),
    "all_parts_pue_green_algorithms": _times(PUE_GREEN_ALGORITHMS),
    DEFAULT_MODEL: load_curve_w,
}

# Their names in figures and tables.
METHOD_WORDS = {
    "operations": "operations / (peak operations / TDP)",
    "accelerators": "TDP of accelerators",
    "processors": "TDP of processors",
    "third_of_all_parts": "a third of the TDP of both",
    "all_parts": "TDP of both",
    "all_parts_pue_2018": "TDP of both × PUE 1.58",
    "all_parts_pue_green_algorithms": "TDP of both × PUE 1.67",
    DEFAULT_MODEL: "load curve of servers",
}


def estimate_runs(runs: pd.DataFrame, rated: pd.DataFrame) -> pd.DataFrame:
    """Watts by each method over watts at the wall, a row a method, system and load of systems that have parts
    with a published TDP: the geometric mean over the system's runs at that load, 'full' (offline, server) or
    'single' (one inference at a time)."""
    parts_of = rated.set_index("part")
    rows = []
    for run in runs[runs["scenario"].isin(LOADS)].to_dict("records"):
        parts = _parts(run, parts_of)
        for method, watts in METHODS.items():
            estimate_w = watts(parts)
            if estimate_w is not None:
                named = {"method": method, "version": run["version"], "system": run["system"]}
                ratio = estimate_w / run["mean_power_w"]
                rows.append(named | {"load": LOADS[run["scenario"]], "log_ratio": np.log(ratio)})
    table = pd.DataFrame(rows)
    grouped = table.groupby(["method", "load", "version", "system"], sort=False)["log_ratio"]
    found = grouped.agg(runs="size", ratio="mean").reset_index()
    return found.assign(ratio=np.exp(found["ratio"]))


def _parts(run: Mapping[str, Any], parts_of: pd.DataFrame) -> Parts:
    has_accelerators = run["accelerators"] > 0
    processor, accelerator = (
        parts_of.loc[name] if name in parts_of.index else None
        for name in (run["processor"], run["accelerator"])
    )
    operations = OPERATIONS.get(run["network"])
    peak = None if accelerator is None else run["accelerators"] * accelerator["peak_int8_tops"] * 1e12
    return Parts(
        processors_w=None if processor is None else float(run["processors"] * processor["tdp_w"]),
        accelerators_w=None if accelerator is None else float(run["accelerators"] * accelerator["tdp_w"]),
        has_accelerators=has_accelerators,
        peak_operations_per_s=peak,
        operations_per_s=None if operations is None else operations * run["inferences_per_s"],
        # Two hardware threads a core; the model by TDP takes the load from them and nothing else.
        threads=int(2 * run["processors"] * run["cores_per_processor"]),
    )
