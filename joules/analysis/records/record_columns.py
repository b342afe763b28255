"""Records by columns: cells of runs and of idle records, and readings as arrays.

Tables of many runs under every power model are arithmetic on columns. A record at a time it takes ten times
as long, and records in memory take thirty times the space of their columns.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joules.bench.record import Idle, Run
from joules.instrument.host.machine import Machine
from joules.instrument.reading_arrays import Floats, Layout, ReadingArrays

Made = TypeVar("Made")
Record = Run | Idle
Kind = Literal["run", "idle"]
Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]
# A column: numbers where all cells are, else objects.
Column = NDArray[Any]

_IDLE_FIELDS = ("experiment", "block", "session", "measured_at", "meter_version")
_RUN_FIELDS = (
    *_IDLE_FIELDS,
    "arm",
    "position",
    "scale",
    "seed",
    "threads",
    "duration_s",
    "peak_memory_bytes",
    "failure",
)
# Columns of a run and the fields of its contention.
_USE_FIELDS = {"cpu_s": "job_cpu_s", "instructions": "job_instructions", "foreign_cores": "foreign_cores"}
_idle_cells, _run_cells, _use_cells = (
    attrgetter(*names) for names in (_IDLE_FIELDS, _RUN_FIELDS, _USE_FIELDS.values())
)
# Numbers of a record before those of its readings.
_NUMBERS = ("duration_s", "busy_cores", "job_cpu_s", "spent_s", "spent_j")


@dataclasses.dataclass(frozen=True)
class ReadingGroup(ReadingArrays):
    """Readings of n records of one kind and one layout.

    Attributes:
        rows: array [n]: places of the records among the runs, or among the idle records.
        spent_s, spent_j: arrays [n]: seconds and joules of all turns at the machine.
    """

    kind: Kind
    rows: Rows
    spent_s: Floats
    spent_j: Floats

    def subset(self, chosen: Mask, rows: Rows) -> ReadingGroup:
        """The `chosen` records [n], with other `rows`."""
        arrays: dict[str, Any] = {name: getattr(self, name)[chosen] for name in _ARRAYS}
        return dataclasses.replace(self, **arrays | {"rows": rows})

    @classmethod
    def concat(cls, groups: Sequence[ReadingGroup]) -> ReadingGroup:
        """Groups of one kind and one layout as one."""
        arrays: dict[str, Any] = {
            name: np.concatenate([getattr(group, name) for group in groups]) for name in _ARRAYS
        }
        return dataclasses.replace(groups[0], **arrays)


_ARRAYS = [f.name for f in dataclasses.fields(ReadingGroup) if f.name not in ("layout", "kind")]


@dataclasses.dataclass(frozen=True)
class Cells:
    """Cells of runs, with their parameters and metrics, and of idle records, by name and in their order.

    `machines` are those of the records by id, `versions` the packages of the first run.
    """

    runs: Mapping[str, Column]
    parameters: Mapping[str, Column]
    metrics: Mapping[str, Column]
    idle: Mapping[str, Column]
    machines: Mapping[str, Machine]
    versions: Mapping[str, str]
    # Tables under every power model share them.
    _series: dict[str, pd.Series] = dataclasses.field(default_factory=dict, repr=False)
    _computed: dict[Hashable, Any] = dataclasses.field(default_factory=dict, repr=False)

    @functools.cached_property
    def order(self) -> Rows:
        """Rows of runs in order of block and position."""
        return np.lexsort([self.runs[name].astype(np.int64) for name in ("position", "block")])

    @functools.cached_property
    def codes(self) -> dict[str, tuple[Rows, Column]]:
        """Codes of the session and of the flags of each run, and the values that they stand for."""
        return {name: pd.factorize(self.runs[name]) for name in ("session", "flags")}

    def series(self, kind: Literal["runs", "parameters", "metrics"], name: str) -> pd.Series:
        """A column in `order`: numbers where all are, NaN for missing ones; None where no run has it."""
        key = f"{kind}/{name}"
        if key not in self._series:
            column = getattr(self, kind).get(name)
            cells = np.full(len(self.order), None) if column is None else column[self.order]
            self._series[key] = pd.Series(cells.tolist() if cells.dtype == object else cells)
        return self._series[key]

    def compute_once(self, key: Hashable, compute: Callable[[], Made]) -> Made:
        """What `compute` gives, computed once for these runs under all power models: no energy may enter it.

        Args:
            key: identifies what is computed, and everything that it depends on apart from the runs.
            compute: function that is called if no result is stored under this key.
        """
        if key not in self._computed:
            self._computed[key] = compute()
        made: Made = self._computed[key]
        return made

    def subset(self, runs: Mask, idle: Mask) -> Cells:
        """Cells of the chosen runs and idle records."""
        chosen = {"runs": runs, "parameters": runs, "metrics": runs, "idle": idle}
        columns = {
            kind: {name: column[mask] for name, column in getattr(self, kind).items()}
            for kind, mask in chosen.items()
        }
        return dataclasses.replace(self, **columns, _series={}, _computed={})


class RecordColumns(NamedTuple):
    """Records by columns: their cells and their readings."""

    cells: Cells
    groups: list[ReadingGroup]

    def subset(self, runs: Mask, idle: Mask) -> RecordColumns:
        """Columns of the chosen runs and idle records."""
        chosen = {"run": runs, "idle": idle}
        rows = {kind: np.cumsum(mask) - 1 for kind, mask in chosen.items()}
        masks = [chosen[group.kind][group.rows] for group in self.groups]
        groups = [
            group.subset(mask, rows[group.kind][group.rows[mask]])
            for group, mask in zip(self.groups, masks, strict=True)
            if mask.any()
        ]
        return RecordColumns(self.cells.subset(runs, idle), groups)


def to_columns(records: Iterable[Record]) -> RecordColumns:
    """The columns of `records`, of which none is kept."""
    cells: dict[str, list[tuple[object, ...]]] = {"run": [], "idle": []}
    parameters: list[Mapping[str, object]] = []
    metrics: list[Mapping[str, object]] = []
    groups: dict[tuple[Kind, Layout], tuple[list[int], list[float | None]]] = {}
    machines: dict[str, Machine] = {}
    versions: Mapping[str, str] = {}
    for record in records:
        machines[record.machine.id] = record.machine
        rows, numbers = groups.setdefault((record.kind, _layout(record)), ([], []))
        rows.append(len(cells[record.kind]))
        numbers.extend(_numbers(record))
        if isinstance(record, Idle):
            cells["idle"].append(_idle_cells(record))
            continue
        versions = versions or record.versions
        parameters.append(record.parameters)
        metrics.append(record.metrics)
        use = _use_cells(record.contention) if record.contention else (None,) * len(_USE_FIELDS)
        own = (tuple(record.flags), sys.intern(record.fingerprint))
        cells["run"].append((*_run_cells(record), *own, *use))
    runs = _columns((*_RUN_FIELDS, "flags", "fingerprint", *_USE_FIELDS), cells["run"])
    idle = _columns(_IDLE_FIELDS, cells["idle"])
    every = Cells(runs, _by_name(parameters), _by_name(metrics), idle, machines, versions)
    return RecordColumns(every, [_group(*key, *of_key) for key, of_key in groups.items()])


def concat_columns(parts: Sequence[RecordColumns]) -> RecordColumns:
    """The columns of the records of all `parts`, one part after another."""
    every = [part.cells for part in parts]
    lengths = {
        "run": [len(cells.runs["arm"]) for cells in every],
        "idle": [len(cells.idle["session"]) for cells in every],
    }
    groups: dict[tuple[Kind, Layout], list[ReadingGroup]] = {}
    before = {kind: [0, *itertools.accumulate(of_kind)] for kind, of_kind in lengths.items()}
    for number, part in enumerate(parts):
        for group in part.groups:
            moved = dataclasses.replace(group, rows=group.rows + before[group.kind][number])
            groups.setdefault((group.kind, group.layout), []).append(moved)
    cells = Cells(
        runs=_concat([cells.runs for cells in every], lengths["run"]),
        parameters=_concat([cells.parameters for cells in every], lengths["run"]),
        metrics=_concat([cells.metrics for cells in every], lengths["run"]),
        idle=_concat([cells.idle for cells in every], lengths["idle"]),
        machines={name: machine for cells in every for name, machine in cells.machines.items()},
        versions=next((cells.versions for cells in every if cells.versions), {}),
    )
    return RecordColumns(cells, [ReadingGroup.concat(same) for same in groups.values()])


def _layout(record: Record) -> Layout:
    is_watched = record.contention is not None and bool(record.duration_s)
    floor_power_w = 0.0 if isinstance(record, Idle) else record.floor_power_w
    return Layout.from_window(record.readings, record.machine if is_watched else None, floor_power_w)


def _numbers(record: Record) -> list[float | None]:
    use, spent = record.contention, record.spent
    return [
        record.duration_s,
        *((use.busy_cores, use.job_cpu_s) if use else (None, None)),
        spent.duration_s,
        spent.energy_j,
        *[reading.energy_j for reading in record.readings],
        *[reading.uncertainty_j for reading in record.readings],
    ]


def _group(kind: Kind, layout: Layout, rows: Sequence[int], numbers: Sequence[float | None]) -> ReadingGroup:
    own, readings = len(_NUMBERS), len(layout.kinds)
    table = np.array(numbers, dtype=np.float64).reshape(len(rows), own + 2 * readings)
    of_records, energy_j, uncertainty_j = np.split(table, [own, own + readings], axis=1)
    return ReadingGroup(
        kind=kind,
        layout=layout,
        rows=np.array(rows, dtype=np.intp),
        energy_j=energy_j,
        uncertainty_j=uncertainty_j,
        **dict(zip(_NUMBERS, of_records.T, strict=True)),
    )


def _columns(names: Sequence[str], rows: Sequence[tuple[object, ...]]) -> dict[str, Column]:
    cells = zip(*rows, strict=True) if rows else ((),) * len(names)
    return {name: _column(column) for name, column in zip(names, cells, strict=True)}


def _by_name(of_runs: Sequence[Mapping[str, object]]) -> dict[str, Column]:
    names = dict.fromkeys(name for of_run in of_runs for name in of_run)
    return {name: _column([of_run.get(name) for of_run in of_runs]) for name in names}


def _column(cells: Sequence[object]) -> Column:
    """Cells as one array. Integers mixed with other types or missing values keep their type."""
    column = np.asarray(pd.Series(cells).to_numpy())
    if column.dtype == np.float64 and any(isinstance(cell, int) for cell in cells):
        return np.array(cells, dtype=object)
    return column


def _concat(parts: Sequence[Mapping[str, Column]], lengths: Sequence[int]) -> dict[str, Column]:
    columns = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        some = [part.get(name, _column([None] * n)) for part, n in zip(parts, lengths, strict=True)]
        is_alike = len({column.dtype for column in some}) == 1
        columns[name] = (
            np.concatenate(some)
            if is_alike
            else _column([cell for column in some for cell in column.tolist()])
        )
    return columns
