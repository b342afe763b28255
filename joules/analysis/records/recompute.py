"""Records as every other model of power would have read them, and what becomes of the tables.

A record's energy under a model is the model's mean power over the window times its duration, for those
parts of the machine whose energy is modelled; what counters and sensors read stays. Within a window the
record keeps no course of the load, so the energy of a part, a phase or a step goes with its duration.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel

from joules.analysis.records.collection import Records
from joules.analysis.records.record_columns import Channel, Floats, ReadingGroup
from joules.bench.record import Idle, Run
from joules.instrument.reading import PowerCourse, rank, total
from joules.power.models import DEFAULT_MODEL, POWER_MODELS, power_w
from joules.power.use import MEMORY, NotCovered

Changed = TypeVar("Changed", bound=BaseModel)


def alternative_models(every: Iterable[Records]) -> list[str]:
    """The models but the headline that say something of every machine that all these records are of; none
    where nothing of it is modelled."""
    modelled = [alike for records in every for alike in records.groups if _is_modelled(alike)]
    return [
        model for model in POWER_MODELS if model != DEFAULT_MODEL and modelled and _covers(model, modelled)
    ]


def recompute_under(records: Records, model: str) -> Records:
    """The records as `model` would have read them. Raises NotCovered where it says nothing of their machine.

    The uncertainty of what is read again is left at zero: that is what the band over models is for.
    """
    changes = [_Change.by(model, alike) if _is_modelled(alike) else None for alike in records.groups]
    again = [
        alike if change is None else change.alike_again(alike)
        for alike, change in zip(records.groups, changes, strict=True)
    ]
    return records.with_readings(again, _Reader(again, changes))


def _is_modelled(alike: ReadingGroup) -> bool:
    return bool(alike.modelled) and alike.use is not None


def _covers(model: str, every: Iterable[ReadingGroup]) -> bool:
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
    def by(cls, model: str, alike: ReadingGroup) -> _Change:
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

    def alike_again(self, alike: ReadingGroup) -> ReadingGroup:
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

    def _reading_j(self, channel: Channel, alike: ReadingGroup) -> Floats:
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

    def __init__(self, again: Sequence[ReadingGroup], changes: Sequence[_Change | None]) -> None:
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


def _entry_again(entry: Run | Idle, alike: ReadingGroup, change: _Change, place: int) -> Run | Idle:
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
