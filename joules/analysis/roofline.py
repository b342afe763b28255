"""Time and energy of work from first principles: the roofline (Williams, Waterman and Patterson 2009).

Work takes as long as its arithmetic at the machine's peak or its traffic at the memory's bandwidth, whichever
is longer: of all its operators together, or of every operator by itself, with the time of launching each or
without. Power is that of the limit which binds. Nothing is fitted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from joules.analysis import records, statistics
from joules.analysis.records import Records

# Kinds of limits whose faster one is the peak of arithmetic: libraries reach it by either.
ARITHMETIC = ("matmul", "convolution")
MEMORY, LAUNCH = "memory", "launch"
_METRICS = ("threads", "passes", "quickest_pass_s", "flops", "bytes_moved", "launches")

# Forms of the prediction: operations at the peak rate alone, then rooflines.
FORMS = ("flops", "whole", "whole_launches", "per_operator", "per_operator_launches")


@dataclass(frozen=True)
class Limits:
    """What a machine does at most (operations a second, bytes a second, seconds a launch), and its power
    then."""

    flops_per_s: float
    bytes_per_s: float
    launch_s: float
    arithmetic_w: float = math.nan
    memory_w: float = math.nan
    launch_w: float = math.nan


@dataclass(frozen=True)
class Operator:
    """Floating-point operations (a multiply-add is two) and bytes read and written of one call."""

    flops: float
    bytes_moved: float


@dataclass(frozen=True)
class Prediction:
    """Seconds at each limit."""

    arithmetic_s: float = 0.0
    memory_s: float = 0.0
    launch_s: float = 0.0

    @property
    def time_s(self) -> float:
        """Seconds of the work."""
        return self.arithmetic_s + self.memory_s + self.launch_s

    def energy_j(self, limits: Limits) -> float:
        """Joules of the work: the seconds at each limit times the power there."""
        parts = (
            (self.arithmetic_s, limits.arithmetic_w),
            (self.memory_s, limits.memory_w),
            (self.launch_s, limits.launch_w),
        )
        return sum(seconds * watts for seconds, watts in parts if seconds)


def predict(operators: Sequence[Operator], limits: Limits) -> dict[str, Prediction]:
    """A prediction by every form of `FORMS`."""
    together = Operator(sum(one.flops for one in operators), sum(one.bytes_moved for one in operators))
    launches_s = len(operators) * limits.launch_s
    whole = _bound([together], limits)
    apart = _bound(operators, limits)
    return {
        "flops": Prediction(arithmetic_s=together.flops / limits.flops_per_s),
        "whole": whole,
        "whole_launches": Prediction(whole.arithmetic_s, whole.memory_s, launches_s),
        "per_operator": apart,
        "per_operator_launches": Prediction(apart.arithmetic_s, apart.memory_s, launches_s),
    }


def _bound(operators: Sequence[Operator], limits: Limits) -> Prediction:
    arithmetic_s = memory_s = 0.0
    for one in operators:
        computing_s, moving_s = one.flops / limits.flops_per_s, one.bytes_moved / limits.bytes_per_s
        if computing_s >= moving_s:
            arithmetic_s += computing_s
        else:
            memory_s += moving_s
    return Prediction(arithmetic_s, memory_s)


def runs_at_limits(entries: Records) -> pd.DataFrame:
    """One row a run of `entries`, all of a question that reaches the machine's limits; empty where there is
    none."""
    return records.with_metrics(entries, ("limit",), _METRICS) if entries.has_runs else pd.DataFrame()


def table_of_limits(runs: pd.DataFrame) -> pd.DataFrame:
    """One row an arm of `runs_at_limits`: of the quickest pass of every block the median over blocks, and the
    mean power over its windows."""
    rows = []
    for arm, group in records.with_result(runs).groupby("arm", sort=False) if len(runs) else ():
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
                "mean_power_w": statistics.mean_ci((group["energy_j"] / group["duration_s"]).to_list())[0],
                "provenance": records.provenance_of(group),
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


def limits_at(table: pd.DataFrame, threads: int) -> Limits | None:
    """The limits of `table_of_limits` for work of so many threads; None where not all were reached. Launching
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


def columns_of(predictions: Mapping[str, Prediction], limits: Limits) -> dict[str, float]:
    """`<form>_s` and `<form>_j` of every form, as cells of a row."""
    cells = {f"{form}_s": one.time_s for form, one in predictions.items()}
    return cells | {f"{form}_j": one.energy_j(limits) for form, one in predictions.items()}
