"""Limits of a machine, measured by runs that reach them."""

from __future__ import annotations

import math

import pandas as pd

from joules.analysis import statistics
from joules.analysis.records import Records, runs_table, select_measured, weakest_provenance
from joules.analysis.roofline.predictions import Limits

# Kinds of limits whose faster one is the peak of arithmetic: libraries reach it by either.
ARITHMETIC = ("matmul", "convolution")
MEMORY, LAUNCH = "memory", "launch"
_METRICS = ("threads", "passes", "quickest_pass_s", "flops", "bytes_moved", "launches")


def limit_runs_table(records: Records) -> pd.DataFrame:
    """A table with one row a run of an experiment that reaches the machine's limits; empty where there is
    none."""
    return runs_table(records, ("limit",), _METRICS) if records.has_runs else pd.DataFrame()


def limits_table(runs: pd.DataFrame) -> pd.DataFrame:
    """A table with one row an arm of `limit_runs_table`: the median over blocks of the quickest pass, and the
    mean power over all windows."""
    rows = []
    for arm, group in select_measured(runs).groupby("arm", sort=False) if len(runs) else ():
        rates = {
            name: (group[name] / group["passes"] / group["quickest_pass_s"]).median()
            for name in ("flops", "bytes_moved", "launches")
        }
        rows.append(
            {
                "arm": arm,
                "limit": group["limit"].iloc[0],
                "threads": int(group["threads"].iloc[0]),
                "blocks": len(group),
                "peak_flops_per_s": rates["flops"] or math.nan,
                "moved_bytes_per_s": rates["bytes_moved"] if group["limit"].iloc[0] == MEMORY else math.nan,
                "launch_s": 1 / rates["launches"] if rates["launches"] else math.nan,
                "mean_power_w": statistics.geometric_mean(
                    (group["energy_j"] / group["duration_s"]).to_list()
                )[0],
                "provenance": weakest_provenance(group),
            }
        )
    columns = [
        "arm",
        "limit",
        "threads",
        "blocks",
        "peak_flops_per_s",
        "moved_bytes_per_s",
        "launch_s",
        "mean_power_w",
        "provenance",
    ]
    return pd.DataFrame(rows, columns=columns)


def find_limits(table: pd.DataFrame, threads: int) -> Limits | None:
    """The limits of `limits_table` for work of so many threads; None where not all were reached. Launching
    is one thread's work however many compute."""
    at_threads = table[table["threads"] == threads]
    arithmetic = at_threads[at_threads["limit"].isin(ARITHMETIC)]
    memory = at_threads[at_threads["limit"] == MEMORY]
    launch = table[table["limit"] == LAUNCH]
    if arithmetic.empty or memory.empty or launch.empty:
        return None
    peak = arithmetic.loc[arithmetic["peak_flops_per_s"].idxmax()]
    stream = memory.loc[memory["moved_bytes_per_s"].idxmax()]
    quickest = launch.loc[launch["launch_s"].idxmin()]
    return Limits(
        float(peak["peak_flops_per_s"]),
        float(stream["moved_bytes_per_s"]),
        float(quickest["launch_s"]),
        float(peak["mean_power_w"]),
        float(stream["mean_power_w"]),
        float(quickest["mean_power_w"]),
    )
