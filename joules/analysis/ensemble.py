"""Records as every other model of power would have read them, and what becomes of the tables.

A record's energy under a model is the model's mean power over the window times its duration, for those
parts of the machine whose energy is modelled; what counters and sensors read stays. Within a window the
record keeps no course of the load, so the energy of a part, a phase or a step goes with its duration.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pydantic import BaseModel

from joules.analysis import columns
from joules.bench.record import Idle, Run
from joules.instrument.power_models import (
    HEADLINE,
    MEMORY,
    POWER_MODELS,
    NotCovered,
    Power,
    Use,
    modelled_domains,
    power_w,
    use,
)
from joules.instrument.reading import PowerCourse, Reading, primary, total
from joules.study.campaign import POWER_MODELS as POWER_MODELS_TABLE

Entries = Sequence[Run | Idle]
TableSet = dict[str, pd.DataFrame]
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


def use_of(entry: Run | Idle) -> Use | None:
    """What the record of a run or of a rest says to the models; None where it was not watched to its end."""
    if entry.contention is None or not entry.duration_s:
        return None
    return use(entry.readings, entry.contention, entry.machine, entry.duration_s)


class Rereading:
    """`entries` as other models of power would have read them.

    `models` are those but the headline that say something of every machine that `entries` are of; none where
    nothing of it is modelled.
    """

    def __init__(self, entries: Entries) -> None:
        self._entries = [(entry, _known(entry)) for entry in entries]
        kinds = {
            (entry.machine.id, known.domains): known for entry, known in self._entries if known is not None
        }
        self.models = [
            model for model in POWER_MODELS if model != HEADLINE and kinds and _covers(model, kinds.values())
        ]

    def under(self, model: str) -> list[Run | Idle]:
        """The entries as `model` would have read them. Raises NotCovered where it says nothing of their
        machine.

        The uncertainty of what is read again is left at zero: that is what the band over models is for.
        """
        return [entry if known is None else _under(entry, known, model) for entry, known in self._entries]


@dataclasses.dataclass(frozen=True, slots=True)
class _Known:
    """What a record tells every model alike: the use of its machine over its window, and that of its job had
    it been alone; which domains are modelled, the power that they were taken to have, and whether nothing
    else was read."""

    window_s: float
    whole: Use
    job: Use
    domains: frozenset[str]
    before_w: Power
    is_all: bool


def _known(entry: Run | Idle) -> _Known | None:
    """None where no model has anything to read again."""
    domains, whole = modelled_domains(entry.readings), use_of(entry)
    if not domains or whole is None or entry.contention is None or not entry.duration_s:
        return None
    read_j = {reading.domain: reading.energy_j or 0.0 for reading in primary(entry.readings)}
    return _Known(
        window_s=entry.duration_s,
        whole=whole,
        job=dataclasses.replace(whole, busy_cores=entry.contention.job_cpu_s / entry.duration_s),
        domains=domains,
        before_w={domain: read_j[domain] / entry.duration_s for domain in sorted(domains)},
        is_all=domains == set(read_j),
    )


def _covers(model: str, each: Iterable[_Known]) -> bool:
    try:
        for known in each:
            power_w(POWER_MODELS[model], known.whole, known.domains)
    except NotCovered:
        return False
    return True


def _under(entry: Run | Idle, known: _Known, model: str) -> Run | Idle:
    power = power_w(POWER_MODELS[model], known.whole, known.domains)
    own = power_w(POWER_MODELS[model], known.job, known.domains)
    before, window_s = known.before_w, known.window_s
    before_w, after_w = sum(before.values()), sum(power.values())

    def again(energy_j: float | None, seconds: float) -> float | None:
        if energy_j is None:
            return None
        # What is read keeps its course; of what is modelled no course is known.
        read_j = 0.0 if known.is_all else energy_j - before_w * seconds
        return read_j + after_w * seconds

    readings = [_read_again(reading, model, power, own, before, window_s) for reading in entry.readings]
    spent = _with(entry.spent, energy_j=again(entry.spent.energy_j, entry.spent.duration_s))
    if isinstance(entry, Idle):
        return _with(entry, readings=readings, spent=spent)
    return _with(
        entry,
        readings=readings,
        spent=spent,
        total=total(readings, window_s, entry.floor_power_w),
        parts=[_with(part, energy_j=again(part.energy_j, part.duration_s)) for part in entry.parts],
        phases=[
            _with(phase, energy_j=again(phase.energy_j, phase.end_s - phase.start_s))
            for phase in entry.phases
        ],
        steps=[_with(step, energy_j=again(step.energy_j, step.time_s)) for step in entry.steps],
        power=[_course(course, power, before) for course in entry.power],
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


def _read_again(
    reading: Reading, model: str, power: Power, own: Power, before: Power, duration_s: float
) -> Reading:
    domain = reading.domain
    if reading.provenance != "modelled" or domain not in power or reading.energy_j is None:
        return reading
    if reading.scope == "machine":
        energy_j = power[domain] * duration_s
    elif domain == MEMORY:
        share = reading.energy_j / (before[domain] * duration_s) if before[domain] else 0.0
        energy_j = share * power[domain] * duration_s
    else:
        energy_j = own[domain] * duration_s
    return _with(reading, energy_j=energy_j, uncertainty_j=0.0, detail=POWER_MODELS[model].words)


def _course(course: PowerCourse, power: Power, before: Power) -> PowerCourse:
    if not before.get(course.domain):
        return course
    factor = power[course.domain] / before[course.domain]
    return _with(course, power_w=[factor * watts for watts in course.power_w])


def beside(made: TableSet, entries: Entries, tabulate: Callable[[Entries], TableSet]) -> TableSet:
    """`made`, which `tabulate` made of `entries`, with what every other model makes of it.

    `statistics` gets `COLUMNS`, the table `power_models` holds every statistic under every model, and each
    column of what goes with energy gets its band, `<column>_band_low` and `<column>_band_high`. Where nothing
    is modelled there is no band and `power_models` is empty.
    """
    again = Rereading(entries)
    others = {model: tabulate(again.under(model)) for model in again.models}
    models = _statistics_by_model({HEADLINE: made, **others} if others else {})
    banded = {
        name: with_bands(table, [each[name] for each in others.values()]) for name, table in made.items()
    }
    statistics = _with_range(made["statistics"], models)
    reasons = [_reason(row, made["runs"]) for row in statistics.to_dict("records")]
    return {**banded, "statistics": statistics.assign(band_reason=reasons), POWER_MODELS_TABLE: models}


def _statistics_by_model(made: Mapping[str, TableSet]) -> pd.DataFrame:
    tables = [
        tables["statistics"].assign(power_model=model).reindex(columns=UNDER)
        for model, tables in made.items()
    ]
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


def _reason(row: Mapping[str, Any], runs: pd.DataFrame) -> str | None:
    """Why the estimate of a row of statistics.csv does not hang on the model of power; None where it does, or
    where there is no other model."""
    low, high = row["band_low"], row["band_high"]
    if pd.isna(low) or pd.isna(high):
        return None
    largest = max(abs(low), abs(high))
    if high - low <= _ROUNDING * largest:
        return NO_ENERGY
    if high - low > _AGREEMENT * largest:
        return None
    named = runs["arm"].isin([row.get("group"), row.get("base")])
    compared = runs[named] if named.any() else runs
    busy = (compared["cpu_s"] / compared["duration_s"]).groupby(compared["arm"]).mean().dropna()
    return EQUAL_CORES if len(busy) and busy.max() - busy.min() <= _EQUAL * busy.max() else SMALL_LOADS


def with_bands(table: pd.DataFrame, others: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """`table` with the least and the largest of each column of energy over it and `others`, whose rows are
    about the same things in the same order. Raises ValueError where they are not."""
    names = [name for name in table if _goes_with_energy(name, table)]
    if not others or not names or table.empty:
        return table
    keys = [key for key in _KEYS if key in table]
    for each in others:
        if not table[keys].equals(each[keys]):
            raise ValueError(
                f"a table's rows ({', '.join(keys)}) come in another order under another model of power"
            )
    bands: dict[str, Any] = {}
    for name in names:
        numbers = np.array([each[name].to_numpy(dtype=np.float64) for each in (table, *others)])
        # NaN is what is missing under every model.
        low, high = np.fmin.reduce(numbers), np.fmax.reduce(numbers)
        if not all(np.array_equal(end, numbers[0], equal_nan=True) for end in (low, high)):
            bands |= {f"{name}{LOW}": low, f"{name}{HIGH}": high}
    return table.assign(**bands)


def _goes_with_energy(name: str, table: pd.DataFrame) -> bool:
    return (
        columns.unit(name) in _ENERGY
        and not any(word in name for word in _NO_BAND)
        and pd.api.types.is_numeric_dtype(table[name])
    )
