"""The 90 % prediction interval of a server without a meter, and its coverage.

Method: each server is predicted from the others, and the logarithms of its watts over the prediction are kept
by load. What is left out with a server makes the error that of a machine without a meter: the servers
with the same processor where the generation is known (`generation`), its whole generation where it is not
(`tdp`, `threads`). The interval is that of a hierarchical model,

    mean +- t (s_between^2 (1 + 1/K) + s_within^2)^.5

over the K groups left out, with the 95th percentile of Student's t at K - 1 degrees of freedom. Assumption:
the groups are draws from one population of processors (or generations), to which the unmetered one belongs,
and their mean errors are about normal.

Machine learning is not the benchmark's Java: every upper end is widened with load by the factor by which the
processor-only systems of MLPerf with a known TDP exceed it at full load, and the lower end of a machine that
may be no server by the factor by which its boards fall below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joules.means import student_quantile
from joules.power.metered import Errors, Floats, Servers, estimate_power, leave_out
from joules.power.servers import LOADS, Evidence, Levels, ServerPower, generations, read_rows, server_powers

# Hyperparameters are chosen by servers until then, and coverage is shown on later ones as well.
LAST_YEAR = 2021
COVERAGE = 0.90
# What is left out with a server without a meter, by what its prediction rests on: its processor where the
# generation is known, else its generation.
UNITS_LEFT_OUT: Mapping[Evidence, str] = {
    "generation": "processor",
    "tdp": "generation",
    "threads": "generation",
}
# The servers that stand for machines of unknown generation, by what the prediction rests on.
_OTHERS: Mapping[str, Evidence] = {
    "any server, by TDP": "tdp",
    "any server, by threads": "threads",
    "any machine, by threads": "machines",
}


def predict_interval(errors: Errors) -> tuple[Floats, Floats]:
    """The logarithms of the factors by which the prediction interval of a server of another group lies about
    its prediction, by load (see the module's method)."""
    of_groups = [errors.logs[errors.groups == group] for group in np.unique(errors.groups)]
    means = np.array([logs.mean(axis=0) for logs in of_groups])
    within = np.mean([logs.var(axis=0) for logs in of_groups], axis=0)
    groups = len(means)
    spread = np.sqrt(means.var(axis=0, ddof=1) * (1 + 1 / groups) + within)
    reach = student_quantile(groups - 1, (1 + COVERAGE) / 2) * spread
    centre = means.mean(axis=0)
    # The prediction lies within its own interval.
    return np.minimum(centre - reach, 0.0), np.maximum(centre + reach, 0.0)


def cover(servers: Servers, evidence: Evidence, labels: NDArray[Any]) -> tuple[Errors, Floats, Floats]:
    """Whether the interval made without a group covers its servers: the errors of those left out, and the
    ends of their intervals [k, loads]. Nothing of a group is in the interval that it is tried against."""
    every = leave_out(servers, evidence, labels)
    low, high = np.empty_like(every.logs), np.empty_like(every.logs)
    for group in np.unique(every.groups):
        others = labels != group
        ends = predict_interval(leave_out(servers.choose(others), evidence, labels[others]))
        low[every.groups == group], high[every.groups == group] = ends
    return every, low, high


def cover_later(servers: Servers, evidence: Evidence) -> tuple[Errors, Floats, Floats]:
    """The same of servers after LAST_YEAR by those until then."""
    early = servers.year <= LAST_YEAR
    known = servers.choose(early)
    ends = predict_interval(leave_out(known, evidence, unit_left_out(known, evidence)))
    later = leave_out(servers, evidence, np.where(early, "", "later"))
    chosen = later.groups == "later"
    logs = later.logs[chosen]
    return (
        Errors(later.places[chosen], later.groups[chosen], logs),
        np.broadcast_to(ends[0], logs.shape),
        np.broadcast_to(ends[1], logs.shape),
    )


def unit_left_out(servers: Servers, evidence: Evidence) -> NDArray[np.str_]:
    """The labels of `UNITS_LEFT_OUT`."""
    labels: NDArray[np.str_] = getattr(servers, UNITS_LEFT_OUT[evidence])
    return labels


@dataclass(frozen=True)
class ProcessorOnly:
    """Wall watts of a machine-learning system that computed by its processor alone, and its prediction at
    full load with the ends of its interval."""

    processor: str
    network: str
    runs: int
    evidence: Evidence
    least_w: float
    median_w: float
    most_w: float
    predicted_w: float
    low_w: float
    high_w: float


def read_processor_only(powers: Mapping[str, ServerPower]) -> list[ProcessorOnly]:
    """MLPerf's processor-only systems beside what `powers` predict, by TDP where it is published."""
    found = []
    for row in read_rows("mlperf_processor_only"):
        evidence: Evidence = "tdp" if row["tdp_w"] else "machines"
        power = powers[evidence]
        predicted_w = float(row["tdp_w"] or row["threads"]) * power.full_w
        found.append(
            ProcessorOnly(
                processor=row["processor"],
                network=row["network"],
                runs=int(row["runs"]),
                evidence=evidence,
                least_w=float(row["least_w"]),
                median_w=float(row["median_w"]),
                most_w=float(row["most_w"]),
                predicted_w=predicted_w,
                low_w=predicted_w * power.low[-1],
                high_w=predicted_w * power.high[-1],
            )
        )
    return found


def calibrate(servers: Servers) -> tuple[dict[str, ServerPower], dict[Evidence, tuple[Levels, Levels]]]:
    """The powers of every generation and of any other server, and the factors of their intervals widened by
    what machine learning showed."""
    ends: dict[Evidence, tuple[Floats, Floats]] = {}
    for evidence in UNITS_LEFT_OUT:
        low, high = predict_interval(leave_out(servers, evidence, unit_left_out(servers, evidence)))
        ends[evidence] = (np.exp(low), np.exp(high))
    ends["machines"] = ends["threads"]
    others: dict[str, ServerPower] = {
        evidence: replace(
            _known(estimate_power(servers, evidence, name, "")),
            low=tuple(ends[evidence][0].tolist()),
            high=tuple(ends[evidence][1].tolist()),
        )
        for name, evidence in _OTHERS.items()
    }
    systems = read_processor_only(others)
    above = max(each.most_w / each.high_w for each in systems if each.evidence == "tdp")
    below = min(each.least_w / each.low_w for each in systems if each.evidence == "machines")
    widened: dict[Evidence, tuple[Levels, Levels]] = {}
    for evidence, (low, high) in ends.items():
        lower = low * min(below, 1.0) if evidence == "machines" else low
        widened[evidence] = (
            tuple(lower.tolist()),
            tuple((high * max(above, 1.0) ** np.array(LOADS)).tolist()),
        )
    powers = {
        each.name: power
        for each in generations()
        if (power := estimate_power(servers, "generation", each.name, each.curve)) and each.vendor
    }
    return powers | {power.name: power for power in others.values()}, widened


def _known(power: ServerPower | None) -> ServerPower:
    if power is None:
        raise ValueError("too few servers to calibrate by")
    return power


def machine_learning_systems() -> list[ProcessorOnly]:
    """MLPerf's processor-only systems beside what the calibrated powers predict."""
    return read_processor_only(
        {power.evidence: power for power in server_powers().values() if power.evidence != "generation"}
    )
