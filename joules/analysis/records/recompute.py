"""Records as another power model would have read them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from joules.analysis.records.collection import Records
from joules.analysis.records.record_columns import Kind, ReadingGroup, Record
from joules.bench.record import Idle
from joules.instrument.reading import PowerCourse
from joules.instrument.reading_arrays import LOAD_CURVE, PowerChange
from joules.power.models import DEFAULT_MODEL, POWER_MODELS
from joules.power.use import NotCovered

# In the detail of a recomputed reading, before what it was.
IN_PLACE_OF = ", in place of "

Changed = TypeVar("Changed", bound=BaseModel)
Segment = TypeVar("Segment", bound=BaseModel)


def alternative_models(every: Iterable[Records]) -> list[str]:
    """Names of the models other than the default that cover the machines of all these records; none where
    nothing is modelled."""
    modelled = [group for records in every for group in records.groups if group.is_modelled]
    others = [name for name in POWER_MODELS if name != DEFAULT_MODEL]
    return [name for name in others if modelled and all(_covers(name, group) for group in modelled)]


def _covers(model: str, group: ReadingGroup) -> bool:
    try:
        group.change_power(POWER_MODELS[model])
    except NotCovered:
        return False
    return True


def read_by_default(records: Records) -> Records:
    """The records as the default model would have read them, where another read processors and memory."""
    others = [group for group in records.groups if group.is_modelled and not _is_by_default(group)]
    if others and all(_covers(DEFAULT_MODEL, group) for group in others):
        return recompute_under(records, DEFAULT_MODEL)
    return records


def _is_by_default(group: ReadingGroup) -> bool:
    return all(kind.source == LOAD_CURVE for kind in group.primary if kind.domain in group.modelled)


def recompute_under(records: Records, model: str) -> Records:
    """The records as a power model would have read them.

    The uncertainty of what it replaces is that of the model's prediction interval. Of a model without it is
    zero: the range over models stands for it.

    Raises:
        NotCovered: where the model says nothing of their machine.
    """
    changes = [
        group.change_power(POWER_MODELS[model]) if group.is_modelled else None for group in records.groups
    ]
    groups = [
        group
        if change is None
        else dataclasses.replace(group.apply(change), spent_j=change.energy_j(group.spent_j, group.spent_s))
        for group, change in zip(records.groups, changes, strict=True)
    ]
    return records.with_readings(groups, _RecordChange(groups, changes))


class _RecordChange:
    """Makes of a record what the model reads in it."""

    def __init__(self, groups: Sequence[ReadingGroup], changes: Sequence[PowerChange | None]) -> None:
        self._groups, self._changes = groups, changes

    def __call__(self, record: Record, row: int) -> Record:
        number, place = self._places[record.kind, row]
        change = self._changes[number]
        if change is None:
            return record
        return _changed_record(record, self._groups[number], change.select_window(place), place)

    @functools.cached_property
    def _places(self) -> dict[tuple[Kind, int], tuple[int, int]]:
        """The group of every record by its kind and row, and its place there."""
        return {
            (group.kind, row): (number, place)
            for number, group in enumerate(self._groups)
            for place, row in enumerate(group.rows.tolist())
        }


def _changed_record(record: Record, group: ReadingGroup, change: PowerChange, place: int) -> Record:
    def changed(segments: Iterable[Segment], seconds: Callable[[Segment], float]) -> list[Segment]:
        return [_with_energy(segment, change, seconds(segment)) for segment in segments]

    readings = [
        _replace(
            reading,
            energy_j=float(energy_j),
            uncertainty_j=float(change.uncertainty * energy_j),
            calibration_j=0.0,
            detail=f"{change.model.words}{IN_PLACE_OF}{reading.detail.rpartition(IN_PLACE_OF)[2]}",
        )
        if change.applies_to(kind)
        else reading
        for reading, kind, energy_j in zip(
            record.readings, group.layout.kinds, group.energy_j[place], strict=True
        )
    ]
    spent = _with_energy(record.spent, change, record.spent.duration_s)
    if isinstance(record, Idle):
        return _replace(record, readings=readings, spent=spent)
    return _replace(
        record,
        readings=readings,
        spent=spent,
        total=group.total(place),
        parts=changed(record.parts, lambda part: part.duration_s),
        phases=changed(record.phases, lambda phase: phase.end_s - phase.start_s),
        steps=changed(record.steps, lambda step: step.time_s),
        power=[_changed_course(course, change) for course in record.power],
    )


def _with_energy(segment: Any, change: PowerChange, seconds: float) -> Any:
    if segment.energy_j is None:
        return segment
    return _replace(segment, energy_j=change.energy_j(segment.energy_j, seconds))


def _changed_course(course: PowerCourse, change: PowerChange) -> PowerCourse:
    if not change.recorded_w.get(course.domain):
        return course
    factor = change.model_w[course.domain] / change.recorded_w[course.domain]
    return _replace(course, power_w=[factor * watts for watts in course.power_w])


def _replace(model: Changed, **changes: Any) -> Changed:
    """A copy with other values of some fields. Pydantic's own takes twice as long and a set of fields each,
    and a table takes thousands of them under every model."""
    copy = object.__new__(type(model))
    object.__setattr__(copy, "__dict__", model.__dict__ | changes)
    object.__setattr__(copy, "__pydantic_fields_set__", model.model_fields_set)
    object.__setattr__(copy, "__pydantic_extra__", None)
    object.__setattr__(copy, "__pydantic_private__", None)
    return copy
