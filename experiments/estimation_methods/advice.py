"""Compares estimates with the range over power models and recommends one for the available equipment."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from experiments.estimation_methods.methods import EQUIPMENT, METHODS, Equipment

# From least to most equipment. Each level can also use the methods of the levels before it.
_LEVELS: tuple[Equipment, ...] = ("clock", "load", "operations")


def distance(row: Mapping[str, float]) -> float:
    """Factor by which an estimate lies outside the range of the machine's energy over power models.

    Args:
        row: Row of statistics.csv: the estimate divided by the reading, and its range over power models.

    Returns:
        1 inside the range. Without a range, the error factor of the estimate against the reading.
    """
    low, high = row.get("band_low", math.nan), row.get("band_high", math.nan)
    if math.isnan(low) or math.isnan(high):
        low = high = row["estimate"]
    return max(low, 1 / high, 1.0)


def positions(statistics: pd.DataFrame) -> pd.DataFrame:
    """Compare each method that needs no meter with the range over power models.

    Methods that use the reading itself are left out.

    Args:
        statistics: The experiment's statistics.

    Returns:
        One row per method: number of `workloads`, on how many of them the estimate is `inside` the range, and
        its `worst` distance from the range (a factor).
    """
    without_meter = [name for name, method in METHODS.items() if method.needs in _LEVELS]
    contrasts = statistics[(statistics["test"] == "sign_flip") & statistics["group"].isin(without_meter)]
    rows = contrasts.assign(distance=[distance(row) for row in contrasts.to_dict("records")])
    return rows.groupby("group", sort=False)["distance"].agg(
        workloads="size", inside=lambda each: int((each == 1).sum()), worst="max"
    )


def recommendations(
    methods: pd.DataFrame, statistics: pd.DataFrame, agreement: pd.DataFrame
) -> list[dict[str, object]]:
    """Choose an estimate for each level of equipment.

    The estimate inside the range on most workloads is chosen; among equals, the one whose order of workloads
    agrees best with processor time. A level can use every method that needs less equipment.

    Args:
        methods: Table of methods.
        statistics: The experiment's statistics.
        agreement: Rank correlations by method.

    Returns:
        One dictionary per level. `same_as_before` is true if the additional equipment does not change the
        choice.
    """
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
