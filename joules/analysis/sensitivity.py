"""How far results depend on flagged runs and on the power model.

Flagged runs are part of every result: `with_unflagged` adds to each statistic its value without them. Where
energy is modelled, results are never based on a single power model: `with_power_models` adds to each
statistic and to each column of energy its range over the models that take part in verdicts; those that wall
meters refute at the loads of an experiment's arms are in the table of models alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from joules.analysis import columns
from joules.analysis.parallel import parallel_map
from joules.analysis.records import Floats, Records, TableSet, alternative_models, recompute_under
from joules.power.models import DEFAULT_MODEL, takes_part
from joules.study.campaign import POWER_MODELS as POWER_MODELS_TABLE

_COMPARED = ["n", "estimate", "ci_low", "ci_high", "p_bound"]
UNFLAGGED_COLUMNS = [f"unflagged_{name}" for name in _COMPARED]
# What identifies a run.
_RUN_KEYS = ["experiment", "arm", "block"]

LOW, HIGH = "_band_low", "_band_high"
# Columns of statistics: the least and the largest estimate over models, and the outer ends of all intervals.
MODEL_COLUMNS = ["band_models", "band_low", "band_high", "band_ci_low", "band_ci_high", "band_reason"]
# Columns of the table `power_models`.
MODEL_TABLE_COLUMNS = [
    "statistic",
    "power_model",
    "n",
    "estimate",
    "ci_low",
    "ci_high",
    "p_bound",
    "p_holm",
    "takes_part",
]
# Reasons why an estimate does not depend on the power model.
NO_ENERGY, EQUAL_CORES, SMALL_LOADS = (
    "no energy enters it",
    "equally many cores busy, so energy goes with time under any model of load",
    "loads differ too little to matter",
)
# Models agree where the estimates differ by less, and cores are equally busy where their number does.
_AGREEMENT, _EQUAL = 0.02, 0.1
_ROUNDING = 1e-9
# Columns that identify a row of a table, where it has them.
_KEYS = ("experiment", "arm", "block", "method", "step", "place")
# Units of columns that depend on energy, and words in the names of those that have no range all the same.
_ENERGY_UNITS = {"J", "Wh", "kWh", "W", "g", "kg", "USD", "l", "d", "h", "1/kWh", "FLOP/J"}
_NO_RANGE = ("uncertainty", "ci_low", "ci_high", "idle", "reference", "budget")


def with_unflagged(
    statistics: pd.DataFrame,
    runs: pd.DataFrame,
    records: Records,
    statistics_of: Callable[[Records], pd.DataFrame],
) -> pd.DataFrame:
    """Adds the columns `UNFLAGGED_COLUMNS` to `statistics`: their values without flagged runs.

    Args:
        statistics: the statistics of all runs.
        runs: a row a run, with its `flags`.
        records: the records that both were made from.
        statistics_of: makes the statistics of fewer records.

    Returns:
        The statistics, NaN where the runs that are left do not give one.
    """
    # Records of other experiments that this one uses are no results of its own.
    own = runs["experiment"].unique()
    flagged = runs.loc[runs["flags"] != "", _RUN_KEYS]
    compared = statistics
    if not flagged.empty:
        keys = pd.MultiIndex.from_arrays([records.cells.runs[key] for key in _RUN_KEYS])
        left = records.subset(
            ~keys.isin(pd.MultiIndex.from_frame(flagged)), np.ones(records.count("idle"), dtype=bool)
        )
        is_measured = pd.isna(left.cells.runs["failure"]) & ~np.isnan(left.energy_j)
        has_own = (is_measured & np.isin(left.cells.runs["experiment"], own)).any()
        compared = statistics_of(left) if has_own else statistics.iloc[:0]
    renamed = compared[["statistic", *_COMPARED]].set_axis(["statistic", *UNFLAGGED_COLUMNS], axis=1)
    return statistics.merge(renamed, on="statistic", how="left", validate="one_to_one")


def without_runs(statistics: pd.DataFrame) -> pd.DataFrame:
    """`statistics` of published readings with the columns of the other experiments: nothing is flagged, so
    `UNFLAGGED_COLUMNS` repeat the estimate; no power model enters, so `MODEL_COLUMNS` are empty."""
    same = {f"unflagged_{name}": statistics[name] for name in _COMPARED}
    return statistics.assign(**same).reindex(columns=[*statistics, *UNFLAGGED_COLUMNS, *MODEL_COLUMNS])


def with_power_models(
    tables: TableSet, records: Records, tabulate: Callable[[Records], TableSet]
) -> TableSet:
    """Adds to tables, which `tabulate` made of `records`, their range over the power models that take part
    in verdicts.

    Returns:
        The tables: `statistics` with `MODEL_COLUMNS`; each column that depends on energy with its range in
        `<column>_band_low` and `<column>_band_high`; and the table `power_models`, a row for each statistic
        and model, those that take no part included. Where nothing is modelled there is no range and
        `power_models` is empty.
    """

    def tabulate_under(model: str) -> tuple[pd.DataFrame, dict[str, Floats]]:
        other = tabulate(recompute_under(records, model))
        return other["statistics"], {name: _energies(table, other[name]) for name, table in tables.items()}

    models = alternative_models([records])
    deciding = select_models(models, [records])
    statistics = {DEFAULT_MODEL: tables["statistics"]} if models else {}
    ranges = {name: (_energies(table),) * 2 for name, table in tables.items()}
    # Tables of few records are made before another process has started.
    map_models = map if records.is_kept else parallel_map
    for model, (of_model, energies) in zip(models, map_models(tabulate_under, models), strict=True):
        statistics[model] = of_model
        if model in deciding:
            ranges = {name: _widen(ranges[name], energies[name]) for name in tables}
    by_model = _statistics_by_model(statistics)
    by_model["takes_part"] = by_model["power_model"].isin([DEFAULT_MODEL, *deciding])
    ranged = _with_statistics_range(tables["statistics"], by_model[by_model["takes_part"]])
    return {
        **{name: _with_range(table, *ranges[name]) for name, table in tables.items()},
        "statistics": ranged.assign(band_reason=_reasons(ranged, tables["runs"])),
        POWER_MODELS_TABLE: by_model,
    }


def with_model_ranges(table: pd.DataFrame, others: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Adds to each column of `table` that depends on energy its range over it and `others`.

    Raises:
        ValueError: where the rows of another are not about the same things in the same order.
    """
    own = _energies(table)
    return _with_range(
        table, *functools.reduce(_widen, (_energies(table, other) for other in others), (own, own))
    )


def select_models(models: Iterable[str], every: Iterable[Records]) -> list[str]:
    """The models that take part in verdicts: those that wall meters do not refute at the mean load of any arm
    of these records (see `takes_part`). The others are shown and decide nothing."""
    loads = [load for records in every for load in _loads_of_arms(records)]
    return [model for model in models if takes_part(model, loads).all()]


def _loads_of_arms(records: Records) -> list[float]:
    parts = [
        pd.DataFrame(
            {
                **{key: records.cells.runs[key][group.rows] for key in ("experiment", "arm")},
                "load": group.use.load,
            }
        )
        for group in records.groups
        if group.kind == "run" and group.use is not None
    ]
    if not parts:
        return []
    loads: list[float] = pd.concat(parts).groupby(["experiment", "arm"])["load"].mean().tolist()
    return loads


def _statistics_by_model(statistics: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    tables = [
        table.assign(power_model=model).reindex(columns=MODEL_TABLE_COLUMNS).dropna(subset=["estimate"])
        for model, table in statistics.items()
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=MODEL_TABLE_COLUMNS)


def _with_statistics_range(statistics: pd.DataFrame, by_model: pd.DataFrame) -> pd.DataFrame:
    ranges = by_model.groupby("statistic", sort=False).agg(
        band_models=("power_model", "size"),
        band_low=("estimate", "min"),
        band_high=("estimate", "max"),
        band_ci_low=("ci_low", "min"),
        band_ci_high=("ci_high", "max"),
    )
    return statistics.merge(ranges.reset_index(), on="statistic", how="left", validate="one_to_one")


def _reasons(statistics: pd.DataFrame, runs: pd.DataFrame) -> list[str | None]:
    """Reason why each estimate does not depend on the power model; None where it does, or where there is no
    other model."""
    busy_cores = (runs["cpu_s"].astype(float) / runs["duration_s"].astype(float)).groupby(runs["arm"]).mean()
    return [_reason(row, busy_cores) for row in statistics.to_dict("records")]


def _reason(row: Mapping[str, Any], busy_cores: pd.Series) -> str | None:
    low, high = row["band_low"], row["band_high"]
    if pd.isna(low) or pd.isna(high):
        return None
    largest = max(abs(low), abs(high))
    if high - low <= _ROUNDING * largest:
        return NO_ENERGY
    if high - low > _AGREEMENT * largest:
        return None
    named = busy_cores.index.isin([row.get("group"), row.get("base")])
    busy = (busy_cores[named] if named.any() else busy_cores).dropna()
    return EQUAL_CORES if len(busy) and busy.max() - busy.min() <= _EQUAL * busy.max() else SMALL_LOADS


def _energies(table: pd.DataFrame, other: pd.DataFrame | None = None) -> Floats:
    """Columns of a table that depend on energy, as an array [column, row]: its own numbers, or those of
    `other`.

    Raises:
        ValueError: where the rows of `other` are not about the same things in the same order.
    """
    names = _energy_columns(table)
    if other is None:
        other = table
    elif names and not table.empty:
        keys = [key for key in _KEYS if key in table]
        if not table[keys].equals(other[keys]):
            raise ValueError(f"rows of a table ({', '.join(keys)}) change order under another power model")
    return np.array([other[name].to_numpy(dtype=np.float64) for name in names]).reshape(
        len(names), len(table)
    )


def _widen(ends: tuple[Floats, Floats], numbers: Floats) -> tuple[Floats, Floats]:
    # NaN is what is missing under every model.
    return np.fmin(ends[0], numbers), np.fmax(ends[1], numbers)


def _with_range(table: pd.DataFrame, lows: Floats, highs: Floats) -> pd.DataFrame:
    ranges: dict[str, Floats] = {}
    for name, low, high in zip(_energy_columns(table), lows, highs, strict=True):
        numbers = table[name].to_numpy(dtype=np.float64)
        if not all(np.array_equal(end, numbers, equal_nan=True) for end in (low, high)):
            ranges |= {f"{name}{LOW}": low, f"{name}{HIGH}": high}
    return table.assign(**ranges)


def _energy_columns(table: pd.DataFrame) -> list[str]:
    return [
        name
        for name in table
        if columns.unit(name) in _ENERGY_UNITS
        and not any(word in name for word in _NO_RANGE)
        and pd.api.types.is_numeric_dtype(table[name])
    ]
