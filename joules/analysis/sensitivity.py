"""How far results depend on flagged runs and on the power model.

Flagged runs are part of every result: `with_unflagged` adds to each statistic what the others alone give.
Where energy is modelled, results are never based on a single power model: `with_power_models` adds to each
statistic and to each column of energy what the other models make of it.
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
from joules.power.models import DEFAULT_MODEL
from joules.study.campaign import POWER_MODELS as POWER_MODELS_TABLE

_AGAIN = ["n", "estimate", "ci_low", "ci_high"]
UNFLAGGED_COLUMNS = [f"unflagged_{name}" for name in _AGAIN]
# What names a run.
_RUN_KEYS = ["experiment", "arm", "block"]

LOW, HIGH = "_band_low", "_band_high"
# What the bands of statistics are: the least and the largest estimate over models, and the ends of all their
# intervals together.
MODEL_COLUMNS = ["band_models", "band_low", "band_high", "band_ci_low", "band_ci_high", "band_reason"]
# Why models agree, where they do.
NO_ENERGY, EQUAL_CORES, SMALL_LOADS = (
    "no energy enters it",
    "equally many cores busy, so energy goes with time under any model of load",
    "loads differ too little to matter",
)
# Models agree where the estimates differ by less, and cores are equally busy where their number does.
_AGREEMENT, _EQUAL = 0.02, 0.1
_ROUNDING = 1e-9
# Columns by which rows of a table are told apart, where it has them.
_KEYS = ("experiment", "arm", "block", "method", "step", "place")
MODEL_TABLE_COLUMNS = ["statistic", "power_model", "n", "estimate", "ci_low", "ci_high", "p_holm"]
# Units of what goes with energy, by which columns get a band.
_ENERGY = {"J", "Wh", "kWh", "W", "g", "kg", "USD", "l", "d", "h", "1/kWh", "FLOP/J"}
_NO_BAND = ("uncertainty", "ci_low", "ci_high", "idle", "reference", "budget")


def with_unflagged(
    statistics: pd.DataFrame,
    runs: pd.DataFrame,
    entries: Records,
    statistics_of: Callable[[Records], pd.DataFrame],
) -> pd.DataFrame:
    """`statistics` with the columns `UNFLAGGED_COLUMNS`: the same without the runs that `runs` has flags of.

    `statistics_of` gives the statistics of fewer entries. NaN where those left do not tell.
    """
    # Records of others that a question uses are no results of its own.
    own = runs["experiment"].unique()
    flagged = runs.loc[runs["flags"] != "", _RUN_KEYS]
    if flagged.empty:
        again = statistics
    else:
        left = _without(entries, flagged)
        of_runs = left.cells.runs
        tells = pd.isna(of_runs["failure"]) & ~np.isnan(left.energies.energy_j)
        is_own = np.isin(of_runs["experiment"], own)
        again = statistics_of(left) if (tells & is_own).any() else statistics.iloc[:0]
    renamed = again[["statistic", *_AGAIN]].rename(columns=dict(zip(_AGAIN, UNFLAGGED_COLUMNS, strict=True)))
    return statistics.merge(renamed, on="statistic", how="left", validate="one_to_one")


def without_runs(statistics: pd.DataFrame) -> pd.DataFrame:
    """`statistics` of published readings with the columns of the other experiments: nothing is flagged, so
    `UNFLAGGED_COLUMNS` repeat the estimate; no power model enters, so `MODEL_COLUMNS` are empty."""
    same = {f"unflagged_{name}": statistics[name] for name in _AGAIN}
    return statistics.assign(**same).reindex(columns=[*statistics, *UNFLAGGED_COLUMNS, *MODEL_COLUMNS])


def _without(entries: Records, flagged: pd.DataFrame) -> Records:
    of_runs = pd.MultiIndex.from_arrays([entries.cells.runs[key] for key in _RUN_KEYS])
    idle = len(entries) - len(of_runs)
    return entries.subset(~of_runs.isin(pd.MultiIndex.from_frame(flagged)), np.full(idle, fill_value=True))


def with_power_models(made: TableSet, entries: Records, tabulate: Callable[[Records], TableSet]) -> TableSet:
    """`made`, which `tabulate` made of `entries`, with what every other model makes of it.

    `statistics` gets `MODEL_COLUMNS`, the table `power_models` holds every statistic under every
    model, and each column of what goes with energy gets its range over models, `<column>_band_low` and
    `<column>_band_high`. Where nothing is modelled there is none and `power_models` is empty.
    """

    def again(model: str) -> tuple[pd.DataFrame, dict[str, Floats]]:
        other = tabulate(recompute_under(entries, model))
        return other["statistics"], {name: _energies(table, other[name]) for name, table in made.items()}

    others = alternative_models([entries])
    statistics = {DEFAULT_MODEL: made["statistics"]} if others else {}
    ends = {name: (of_energy, of_energy) for name, table in made.items() for of_energy in [_energies(table)]}
    # Tables of few records are made before another process has begun.
    spread = map if entries.are_kept else parallel_map
    for model, (of_model, energies) in zip(others, spread(again, others), strict=True):
        statistics[model] = of_model
        ends = {name: _wider(ends[name], energies[name]) for name in made}
    by_model = _statistics_by_model(statistics)
    banded = {name: _with_ends(table, *ends[name]) for name, table in made.items()}
    ranged = _with_range(made["statistics"], by_model)
    reasons = _reasons(ranged, made["runs"])
    return {**banded, "statistics": ranged.assign(band_reason=reasons), POWER_MODELS_TABLE: by_model}


def _statistics_by_model(made: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    tables = [
        table.assign(power_model=model).reindex(columns=MODEL_TABLE_COLUMNS) for model, table in made.items()
    ]
    known = [table.dropna(subset=["estimate"]) for table in tables]
    return pd.concat(known, ignore_index=True) if known else pd.DataFrame(columns=MODEL_TABLE_COLUMNS)


def _with_range(statistics: pd.DataFrame, models: pd.DataFrame) -> pd.DataFrame:
    ranges = models.groupby("statistic", sort=False).agg(
        band_models=("power_model", "size"),
        band_low=("estimate", "min"),
        band_high=("estimate", "max"),
        band_ci_low=("ci_low", "min"),
        band_ci_high=("ci_high", "max"),
    )
    return statistics.merge(ranges.reset_index(), on="statistic", how="left", validate="one_to_one")


def _reasons(statistics: pd.DataFrame, runs: pd.DataFrame) -> list[str | None]:
    """Of each row why its estimate does not hang on the model of power; None where it does, or where there is
    no other model."""
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


def with_model_ranges(table: pd.DataFrame, others: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """`table` with the least and the largest of each column of energy over it and `others`, whose rows are
    about the same things in the same order. Raises ValueError where they are not."""
    of_energy = _energies(table)
    ends = functools.reduce(_wider, (_energies(table, other) for other in others), (of_energy, of_energy))
    return _with_ends(table, *ends)


def _energies(table: pd.DataFrame, other: pd.DataFrame | None = None) -> Floats:
    """What goes with energy in a table [column, row], or the same columns of another about the same things.
    Raises ValueError where its rows are about others."""
    names = _of_energy(table)
    if other is None:
        other = table
    elif names and not table.empty:
        keys = [key for key in _KEYS if key in table]
        if not table[keys].equals(other[keys]):
            raise ValueError(
                f"a table's rows ({', '.join(keys)}) come in another order under another model of power"
            )
    return np.array([other[name].to_numpy(dtype=np.float64) for name in names]).reshape(
        len(names), len(table)
    )


def _wider(ends: tuple[Floats, Floats], numbers: Floats) -> tuple[Floats, Floats]:
    # NaN is what is missing under every model.
    return np.fmin(ends[0], numbers), np.fmax(ends[1], numbers)


def _with_ends(table: pd.DataFrame, lows: Floats, highs: Floats) -> pd.DataFrame:
    bands: dict[str, Floats] = {}
    for name, low, high in zip(_of_energy(table), lows, highs, strict=True):
        numbers = table[name].to_numpy(dtype=np.float64)
        if not all(np.array_equal(end, numbers, equal_nan=True) for end in (low, high)):
            bands |= {f"{name}{LOW}": low, f"{name}{HIGH}": high}
    return table.assign(**bands)


def _of_energy(table: pd.DataFrame) -> list[str]:
    return [
        name
        for name in table
        if columns.unit(name) in _ENERGY
        and not any(word in name for word in _NO_BAND)
        and pd.api.types.is_numeric_dtype(table[name])
    ]
