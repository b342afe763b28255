"""Which estimate lies within what is known of the machine's energy, and which to use with what is at hand."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from experiments.estimation_methods.methods import EQUIPMENT, METHODS, Equipment

# From the least to the most that one must have. Who has more can still do all that needs less.
_LEVELS: tuple[Equipment, ...] = ("clock", "load", "operations")


def distance(row: Mapping[str, float]) -> float:
    """Factor by which an estimate lies outside the band of the machine's energy over power models, 1
    within it; where there is no band, the factor by which it is off the reading.

    `row` is one of statistics.csv: the estimate over the reading, and its range over models.
    """
    low, high = row.get("band_low", math.nan), row.get("band_high", math.nan)
    if math.isnan(low) or math.isnan(high):
        low = high = row["estimate"]
    return max(low, 1 / high, 1.0)


def positions(statistics: pd.DataFrame) -> pd.DataFrame:
    """A row a method that needs no meter: on how many of how many `workloads` it lies `inside` the band, and
    its `worst` distance from it. What is made of the reading itself cannot be held against it."""
    without_meter = [name for name, method in METHODS.items() if method.needs in _LEVELS]
    contrasts = statistics[(statistics["test"] == "sign_flip") & statistics["group"].isin(without_meter)]
    rows = contrasts.assign(distance=[distance(row) for row in contrasts.to_dict("records")])
    return rows.groupby("group", sort=False)["distance"].agg(
        workloads="size", inside=lambda each: int((each == 1).sum()), worst="max"
    )


def recommendations(
    methods: pd.DataFrame, statistics: pd.DataFrame, agreement: pd.DataFrame
) -> list[dict[str, object]]:
    """For each level of equipment the estimate that is within the band on most workloads, of equals the one
    that orders runs most as processor time does; what needs less may be used with more. `same_as_before` says
    that the additional equipment helps nothing."""
    placed = positions(statistics)
    tau = agreement.set_index("method")["tau_busy_cores"]
    distinct = set(methods.loc[methods["same_as"].isna() & (methods["runs"] > 0), "method"])
    rows: list[dict[str, object]] = []
    for number, level in enumerate(_LEVELS):
        candidates = [
            name for name in placed.index if name in distinct and METHODS[name].needs in _LEVELS[: number + 1]
        ]
        if not candidates:
            continue

        def merit(name: str) -> tuple[float, float, float]:
            order = tau.get(name, math.nan)
            return (
                placed.loc[name, "inside"],
                -1 if math.isnan(order) else order,
                -placed.loc[name, "worst"],
            )

        best = max(candidates, key=merit)
        rows.append(
            {
                "you_have": EQUIPMENT[level],
                "method": best,
                "use": METHODS[best].words,
                "inside": int(placed.loc[best, "inside"]),
                "workloads": int(placed.loc[best, "workloads"]),
                "worst": float(placed.loc[best, "worst"]),
                "tau": float(tau.get(best, math.nan)),
                "same_as_before": bool(rows) and rows[-1]["method"] == best,
            }
        )
    return rows
