"""Records as every other model of power would have read them, and what becomes of the tables.

A record's energy under a model is the model's mean power over the window times its duration, for those
parts of the machine whose energy is modelled; what counters and sensors read stays. Within a window the
record keeps no course of the load, so the energy of a part, a phase or a step goes with its duration.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pydantic import BaseModel

from joules.analysis import columns, workers
from joules.analysis.recorded import Alike, Channel, Floats
from joules.analysis.records import Records, TableSet
from joules.bench.record import Idle, Run
from joules.instrument.reading import PowerCourse, rank, total
from joules.power.models import DEFAULT_MODEL, POWER_MODELS, power_w
from joules.power.use import MEMORY, NotCovered
from joules.study.campaign import POWER_MODELS as POWER_MODELS_TABLE

Changed = TypeVar("Changed", bound=BaseModel)

LOW, HIGH = "_band_low", "_band_high"
# What the bands of statistics are: the least and the largest estimate over models, and the ends of all their
# intervals together.
COLUMNS = ["band_models", "band_low", "band_high", "band_ci_low", "band_ci_high", "band_reason"]
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
UNDER = ["statistic", "power_model", "n", "estimate", "ci_low", "ci_high", "p_holm"]
# Units of what goes with energy, by which columns get a band.
_ENERGY = {"J", "Wh", "kWh", "W", "g", "kg", "USD", "l", "d", "h", "1/kWh", "FLOP/J"}
_NO_BAND = ("uncertainty", "ci_low", "ci_high", "idle", "reference", "budget")


def models(every: Iterable[Records]) -> list[str]:
    """The models but the headline that say something of every machine that all these records are of; none
    where nothing of it is modelled."""
    modelled = [alike for records in every for alike in records.alike if _is_modelled(alike)]
    return [
        model for model in POWER_MODELS if model != DEFAULT_MODEL and modelled and _covers(model, modelled)
    ]


def under(records: Records, model: str) -> Records:
    """The records as `model` would have read them. Raises NotCovered where it says nothing of their machine.

    The uncertainty of what is read again is left at zero: that is what the band over models is for.
    """
    changes = [_Change.by(model, alike) if _is_modelled(alike) else None for alike in records.alike]
    again = [
        alike if change is None else change.alike_again(alike)
        for alike, change in zip(records.alike, changes, strict=True)
    ]
    return records.read_again(again, _Reader(again, changes))


def _is_modelled(alike: Alike) -> bool:
    return bool(alike.modelled) and alike.use is not None


def _covers(model: str, every: Iterable[Alike]) -> bool:
    try:
        for alike in every:
            _Change.by(model, alike)
    except NotCovered:
        return False
    return True


@dataclasses.dataclass(frozen=True, slots=True)
class _Change:
    """From the power that what is modelled was taken to have to what a model takes, in watts by domain, of n
    alike entries: `own_w` is that of the job had it been alone. `is_all` where nothing else was read."""

    words: str
    before_w: Mapping[str, Floats]
    after_w: Mapping[str, Floats]
    own_w: Mapping[str, Floats]
    is_all: bool

    @classmethod
    def by(cls, model: str, alike: Alike) -> _Change:
        """Raises NotCovered where the model says nothing of the machine."""
        whole = alike.use
        if whole is None:
            raise ValueError("entries whose window was not watched are not read again")
        job = dataclasses.replace(whole, busy_cores=alike.job_cpu_s / alike.duration_s)
        after_w, own_w = (
            {
                domain: np.broadcast_to(watts, alike.rows.shape)
                for domain, watts in power_w(POWER_MODELS[model], use, alike.modelled).items()
            }
            for use in (whole, job)
        )
        is_all = alike.modelled == {channel.domain for channel in alike.primary}
        return cls(POWER_MODELS[model].words, alike.modelled_w, after_w, own_w, is_all)

    def energy_j(self, energy_j: Floats, seconds: Floats) -> Floats:
        """What a stretch of every entry has used, where `energy_j` was read; NaN stays.

        What is read keeps its course; of what is modelled no course is known.
        """
        before_w, after_w = sum(self.before_w.values()), sum(self.after_w.values())
        read_j = energy_j * 0.0 if self.is_all else energy_j - before_w * seconds
        return read_j + after_w * seconds

    def alike_again(self, alike: Alike) -> Alike:
        """The entries as the model would have read them."""
        again = dataclasses.replace(
            alike,
            energy_j=alike.energy_j.copy(),
            uncertainty_j=alike.uncertainty_j.copy(),
            spent_j=self.energy_j(alike.spent_j, alike.spent_s),
        )
        for channel in alike.layout.channels:
            if self.touches(channel):
                again.energy_j[:, channel.place] = self._reading_j(channel, alike)
                again.uncertainty_j[:, channel.place] = 0.0
        if alike.layout.kind == "idle":
            return again
        # As `total` has it.
        is_whole = all(channel.is_read for channel in alike.primary)
        provenance = max(alike.primary, key=rank).provenance if is_whole else "missing"
        uncertainty_j = again.summed_uncertainty_j()
        return dataclasses.replace(
            again,
            layout=alike.layout._replace(provenance=provenance),
            total_j=np.maximum(again.summed_j(), alike.layout.floor_power_w * alike.duration_s),
            total_uncertainty_j=uncertainty_j if is_whole else np.full_like(uncertainty_j, np.nan),
        )

    def touches(self, channel: Channel) -> bool:
        return channel.provenance == "modelled" and channel.domain in self.after_w and channel.is_read

    def _reading_j(self, channel: Channel, alike: Alike) -> Floats:
        domain, window_s = channel.domain, alike.duration_s
        if channel.scope == "machine":
            return self.after_w[domain] * window_s
        if domain != MEMORY:
            return self.own_w[domain] * window_s
        whole_j = self.before_w[domain] * window_s
        share = np.divide(
            alike.energy_j[:, channel.place], whole_j, out=np.zeros_like(whole_j), where=whole_j != 0
        )
        return share * self.after_w[domain] * window_s


class _Reader:
    """Makes of an entry what the model reads in it, by the columns of `again`."""

    def __init__(self, again: Sequence[Alike], changes: Sequence[_Change | None]) -> None:
        self._again, self._changes = again, changes

    def __call__(self, entry: Run | Idle, row: int) -> Run | Idle:
        group, place = self._found[entry.kind][row]
        change, alike = self._changes[group], self._again[group]
        return entry if change is None else _entry_again(entry, alike, change, place)

    @functools.cached_property
    def _found(self) -> dict[str, dict[int, tuple[int, int]]]:
        """The alike entries that a run, or a rest, is among, and its place there."""
        found: dict[str, dict[int, tuple[int, int]]] = {"run": {}, "idle": {}}
        for group, alike in enumerate(self._again):
            of_kind = found[alike.layout.kind]
            of_kind |= {row: (group, place) for place, row in enumerate(alike.rows.tolist())}
        return found


def _entry_again(entry: Run | Idle, alike: Alike, change: _Change, place: int) -> Run | Idle:
    before_w = {domain: float(watts[place]) for domain, watts in change.before_w.items()}
    after_w = {domain: float(watts[place]) for domain, watts in change.after_w.items()}
    before, after = sum(before_w.values()), sum(after_w.values())

    def again(energy_j: float | None, seconds: float) -> float | None:
        if energy_j is None:
            return None
        return (0.0 if change.is_all else energy_j - before * seconds) + after * seconds

    readings = [
        _with(reading, energy_j=float(energy_j), uncertainty_j=0.0, detail=change.words)
        if change.touches(channel)
        else reading
        for reading, channel, energy_j in zip(
            entry.readings, alike.layout.channels, alike.energy_j[place], strict=True
        )
    ]
    spent = _with(entry.spent, energy_j=again(entry.spent.energy_j, entry.spent.duration_s))
    if isinstance(entry, Idle):
        return _with(entry, readings=readings, spent=spent)
    return _with(
        entry,
        readings=readings,
        spent=spent,
        total=total(readings, entry.duration_s or 0.0, entry.floor_power_w),
        parts=[_with(part, energy_j=again(part.energy_j, part.duration_s)) for part in entry.parts],
        phases=[
            _with(phase, energy_j=again(phase.energy_j, phase.end_s - phase.start_s))
            for phase in entry.phases
        ],
        steps=[_with(step, energy_j=again(step.energy_j, step.time_s)) for step in entry.steps],
        power=[_course(course, after_w, before_w) for course in entry.power],
    )


def _with(model: Changed, **changes: Any) -> Changed:
    """A copy with other values of some fields. Pydantic's own takes twice as long and a set of fields each,
    and a table takes thousands of them under every model."""
    copy = object.__new__(type(model))
    object.__setattr__(copy, "__dict__", model.__dict__ | changes)
    object.__setattr__(copy, "__pydantic_fields_set__", model.model_fields_set)
    object.__setattr__(copy, "__pydantic_extra__", None)
    object.__setattr__(copy, "__pydantic_private__", None)
    return copy


def _course(course: PowerCourse, after_w: Mapping[str, float], before_w: Mapping[str, float]) -> PowerCourse:
    if not before_w.get(course.domain):
        return course
    factor = after_w[course.domain] / before_w[course.domain]
    return _with(course, power_w=[factor * watts for watts in course.power_w])


def beside(made: TableSet, entries: Records, tabulate: Callable[[Records], TableSet]) -> TableSet:
    """`made`, which `tabulate` made of `entries`, with what every other model makes of it.

    `statistics` gets `COLUMNS`, the table `power_models` holds every statistic under every model, and each
    column of what goes with energy gets its band, `<column>_band_low` and `<column>_band_high`. Where nothing
    is modelled there is no band and `power_models` is empty.
    """

    def again(model: str) -> tuple[pd.DataFrame, dict[str, Floats]]:
        other = tabulate(under(entries, model))
        return other["statistics"], {name: _energies(table, other[name]) for name, table in made.items()}

    others = models([entries])
    statistics = {DEFAULT_MODEL: made["statistics"]} if others else {}
    ends = {name: (of_energy, of_energy) for name, table in made.items() for of_energy in [_energies(table)]}
    # Tables of few records are made before another process has begun.
    spread = map if entries.are_kept else workers.each
    for model, (of_model, energies) in zip(others, spread(again, others), strict=True):
        statistics[model] = of_model
        ends = {name: _wider(ends[name], energies[name]) for name in made}
    by_model = _statistics_by_model(statistics)
    banded = {name: _with_ends(table, *ends[name]) for name, table in made.items()}
    ranged = _with_range(made["statistics"], by_model)
    reasons = _reasons(ranged, made["runs"])
    return {**banded, "statistics": ranged.assign(band_reason=reasons), POWER_MODELS_TABLE: by_model}


def _statistics_by_model(made: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    tables = [table.assign(power_model=model).reindex(columns=UNDER) for model, table in made.items()]
    known = [table.dropna(subset=["estimate"]) for table in tables]
    return pd.concat(known, ignore_index=True) if known else pd.DataFrame(columns=UNDER)


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


def with_bands(table: pd.DataFrame, others: Iterable[pd.DataFrame]) -> pd.DataFrame:
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
