"""What tables take of records, by columns: cells of runs and rests, and readings of entries that are alike.

Tables of many runs under every model of power are arithmetic on columns. A record at a time it takes ten
times as long, and records in memory take thirty times the place of their columns.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joules.bench.record import Idle, Run
from joules.instrument.host.machine import Machine
from joules.instrument.reading import primary
from joules.power.servers import ProcessorIdentity, recognize_servers
from joules.power.use import DOMAINS, Use, parse_tdp_w

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
# A column: numbers where all cells are, else objects.
Column = NDArray[Any]

_OF_RUN = (
    "experiment",
    "arm",
    "block",
    "position",
    "scale",
    "seed",
    "threads",
    "session",
    "duration_s",
    "cpu_s",
    "instructions",
    "foreign_cores",
    "peak_memory_bytes",
    "failure",
    "flags",
    "fingerprint",
    "measured_at",
    "meter_version",
)
_OF_IDLE = ("experiment", "block", "session", "measured_at", "meter_version")
# Numbers of an entry before those of its readings.
_OF_ENTRY = (
    "duration_s",
    "busy_cores",
    "job_cpu_s",
    "total_j",
    "total_uncertainty_j",
    "spent_s",
    "spent_j",
)


class Channel(NamedTuple):
    """A reading without its numbers. `detail` is kept of readings of the machine: a job's differs from run to
    run."""

    place: int
    scope: Literal["machine", "job"]
    domain: str
    source: str
    provenance: str
    is_read: bool
    detail: str
    covers: tuple[str, ...]


class Layout(NamedTuple):
    """What alike entries have in common. One `is_watched` that tells the use of the machine over a window;
    `provenance` is that of the total, 'missing' where there is none."""

    kind: Literal["run", "idle"]
    machine: str
    logical_cores: int
    memory_gib: int
    identity: ProcessorIdentity | None
    floor_power_w: float
    is_watched: bool
    provenance: str
    channels: tuple[Channel, ...]


@dataclasses.dataclass(frozen=True)
class ReadingGroup:
    """The numbers of n entries of one layout with k channels: arrays of n or of [n, k], NaN where a number is
    missing. `rows` are their places among the runs, or among the rests, of the records. `total_j` is NaN for
    rests."""

    layout: Layout
    rows: Places
    duration_s: Floats
    busy_cores: Floats
    job_cpu_s: Floats
    total_j: Floats
    total_uncertainty_j: Floats
    spent_s: Floats
    spent_j: Floats
    energy_j: Floats
    uncertainty_j: Floats

    @functools.cached_property
    def primary(self) -> list[Channel]:
        """The machine's best channel of each domain."""
        return primary(self.layout.channels)

    def summed_j(self) -> Floats:
        """The sum of the machine's domains; NaN where one is missing."""
        return _sum(self.energy_j, [channel.place for channel in self.primary])

    def summed_uncertainty_j(self) -> Floats:
        """The sum of their uncertainties, as for a total."""
        return _sum(np.nan_to_num(self.uncertainty_j), [channel.place for channel in self.primary])

    def attributed_j(self) -> Floats:
        """Energy that the job answers for (see `attribution`); NaN where a domain has no share."""
        shares = {channel.domain: channel.place for channel in self.layout.channels if channel.scope == "job"}
        places = [shares.get(channel.domain) for channel in self.primary]
        known = [place for place in places if place is not None]
        return _sum(self.energy_j, known if len(known) == len(places) else [])

    @functools.cached_property
    def use(self) -> Use | None:
        """What their windows and their machine say to the models of power, in arrays; None where they were
        not watched to their end."""
        layout = self.layout
        if not layout.is_watched:
            return None
        modelled = {
            channel.domain: channel
            for channel in layout.channels
            if channel.scope == "machine" and channel.provenance == "modelled"
        }
        processors, memory = modelled.get("cpu"), modelled.get("dram")
        return Use(
            busy_cores=self.busy_cores,
            threads=layout.logical_cores,
            memory_gib=layout.memory_gib,
            tdp_w=parse_tdp_w(processors.detail) if processors else None,
            memory_w=self.energy_j[:, memory.place] / self.duration_s if memory and memory.is_read else None,
            servers=recognize_servers(layout.identity),
        )

    @functools.cached_property
    def modelled(self) -> frozenset[str]:
        """Parts of the machine whose energy is modelled."""
        return DOMAINS & {channel.domain for channel in self.primary if channel.provenance == "modelled"}

    @functools.cached_property
    def modelled_w(self) -> dict[str, Floats]:
        """The mean power that those parts were taken to have."""
        return {
            channel.domain: np.nan_to_num(self.energy_j[:, channel.place]) / self.duration_s
            for channel in self.primary
            if channel.domain in self.modelled
        }

    def subset(self, chosen: NDArray[np.bool_], rows: Places) -> ReadingGroup:
        """Those of the entries that are `chosen`, with other `rows`."""
        arrays = {
            field.name: getattr(self, field.name)[chosen]
            for field in dataclasses.fields(self)
            if field.name not in ("layout", "rows")
        }
        return ReadingGroup(layout=self.layout, rows=rows, **arrays)


def _sum(numbers: Floats, places: Sequence[int]) -> Floats:
    """Columns of `numbers` [n, k] added in turn, as single numbers are; NaN where there are none."""
    if not places:
        return np.full(len(numbers), np.nan)
    return functools.reduce(np.add, [numbers[:, place] for place in places])


@dataclasses.dataclass(frozen=True)
class Cells:
    """Cells of every run, its parameters and metrics among them, and of every rest, by name and in the order
    of the records. `machines` are those of the records by id, `versions` the packages of the first run."""

    runs: Mapping[str, Column]
    parameters: Mapping[str, Column]
    metrics: Mapping[str, Column]
    idle: Mapping[str, Column]
    machines: Mapping[str, Machine]
    versions: Mapping[str, str]
    _series_of: dict[str, pd.Series] = dataclasses.field(default_factory=dict, repr=False)

    @functools.cached_property
    def order(self) -> Places:
        """Runs in order of block and position."""
        return np.lexsort([self.runs[name].astype(np.int64) for name in ("position", "block")])

    @functools.cached_property
    def sessions(self) -> tuple[Places, Column]:
        """The session of each run, as its place among the sessions, and those."""
        codes, names = pd.factorize(self.runs["session"])
        return codes, np.asarray(names, dtype=object)

    @functools.cached_property
    def own_flags(self) -> tuple[Places, Column]:
        """The flags of each run, as their place among those that there are, and those."""
        codes, flags = pd.factorize(self.runs["flags"])
        return codes, np.asarray(flags, dtype=object)

    def column(self, kind: Literal["runs", "parameters", "metrics"], name: str) -> pd.Series:
        """The column of a table, in `order`: numbers where all cells are, NaN for those that are missing; all
        None where no run has any such."""
        key = f"{kind}/{name}"
        if key not in self._series_of:
            cells = getattr(self, kind).get(name)
            # A table under every model has the same.
            self._series_of[key] = _series([None] * len(self.order) if cells is None else cells[self.order])
        return self._series_of[key]

    def subset(self, runs: NDArray[np.bool_], idle: NDArray[np.bool_]) -> Cells:
        """Those of the runs and those of the rests that are chosen."""
        chosen = {"runs": runs, "parameters": runs, "metrics": runs, "idle": idle}
        return dataclasses.replace(
            self,
            **{
                kind: {name: column[of_kind] for name, column in getattr(self, kind).items()}
                for kind, of_kind in chosen.items()
            },
            _series_of={},
        )


class RecordColumns(NamedTuple):
    """Records by columns: their cells, and their readings."""

    cells: Cells
    groups: list[ReadingGroup]

    def subset(self, runs: NDArray[np.bool_], idle: NDArray[np.bool_]) -> RecordColumns:
        """Those of the runs and those of the rests that are chosen."""
        chosen = {"run": runs, "idle": idle}
        places = {kind: np.cumsum(each) - 1 for kind, each in chosen.items()}
        alike = []
        for each in self.groups:
            mine = chosen[each.layout.kind][each.rows]
            if mine.any():
                alike.append(each.subset(mine, places[each.layout.kind][each.rows[mine]]))
        return RecordColumns(self.cells.subset(runs, idle), alike)


def to_columns(entries: Iterable[Run | Idle]) -> RecordColumns:
    """The columns of `entries`, of which none is kept."""
    runs: list[tuple[object, ...]] = []
    rests: list[tuple[object, ...]] = []
    parameters: list[Mapping[str, object]] = []
    metrics: list[Mapping[str, object]] = []
    numbers: dict[Layout, tuple[list[int], list[float | None]]] = {}
    machines: dict[str, Machine] = {}
    versions: Mapping[str, str] = {}
    same: dict[str, str] = {}
    for entry in entries:
        machines[entry.machine.id] = entry.machine
        rows, of_group = numbers.setdefault(_layout(entry), ([], []))
        of_group.extend(_numbers(entry))
        if isinstance(entry, Idle):
            rows.append(len(rests))
            rests.append(
                (entry.experiment, entry.block, entry.session, entry.measured_at, entry.meter_version)
            )
            continue
        rows.append(len(runs))
        versions = versions or entry.versions
        use = entry.contention
        parameters.append(entry.parameters)
        metrics.append(entry.metrics)
        runs.append(
            (
                entry.experiment,
                entry.arm,
                entry.block,
                entry.position,
                entry.scale,
                entry.seed,
                entry.threads,
                entry.session,
                entry.duration_s,
                use.job_cpu_s if use else None,
                use.job_instructions if use else None,
                use.foreign_cores if use else None,
                entry.peak_memory_bytes,
                entry.failure,
                tuple(entry.flags),
                same.setdefault(entry.fingerprint, entry.fingerprint),
                entry.measured_at,
                entry.meter_version,
            )
        )
    cells = Cells(
        runs=_columns(_OF_RUN, runs),
        parameters=_by_name(parameters),
        metrics=_by_name(metrics),
        idle=_columns(_OF_IDLE, rests),
        machines=machines,
        versions=versions,
    )
    return RecordColumns(cells, [_reading_group(layout, *of_layout) for layout, of_layout in numbers.items()])


def concat_columns(parts: Sequence[RecordColumns]) -> RecordColumns:
    """The columns of records of which each of `parts` holds some, in their order."""
    every = [part.cells for part in parts]
    runs = [len(cells.runs["arm"]) for cells in every]
    rests = [len(cells.idle["session"]) for cells in every]
    before = {"run": [0, *itertools.accumulate(runs)], "idle": [0, *itertools.accumulate(rests)]}
    alike: dict[Layout, list[ReadingGroup]] = {}
    for number, part in enumerate(parts):
        for each in part.groups:
            moved = dataclasses.replace(each, rows=each.rows + before[each.layout.kind][number])
            alike.setdefault(each.layout, []).append(moved)
    cells = Cells(
        runs=_joined([cells.runs for cells in every], runs),
        parameters=_joined([cells.parameters for cells in every], runs),
        metrics=_joined([cells.metrics for cells in every], runs),
        idle=_joined([cells.idle for cells in every], rests),
        machines={name: machine for cells in every for name, machine in cells.machines.items()},
        versions=next((cells.versions for cells in every if cells.versions), {}),
    )
    return RecordColumns(cells, [_concat_groups(each) for each in alike.values()])


def _layout(entry: Run | Idle) -> Layout:
    machine, total = entry.machine, None if isinstance(entry, Idle) else entry.total
    return Layout(
        entry.kind,
        machine.id,
        machine.logical_cores,
        machine.memory_gib,
        machine.identity,
        0.0 if isinstance(entry, Idle) else entry.floor_power_w,
        entry.contention is not None and bool(entry.duration_s),
        total.provenance if total else "missing",
        tuple(
            [
                Channel(
                    place,
                    reading.scope,
                    reading.domain,
                    reading.source,
                    reading.provenance,
                    reading.energy_j is not None,
                    reading.detail if reading.scope == "machine" else "",
                    tuple(reading.covers),
                )
                for place, reading in enumerate(entry.readings)
            ]
        ),
    )


def _numbers(entry: Run | Idle) -> list[float | None]:
    use, total = entry.contention, None if isinstance(entry, Idle) else entry.total
    return [
        entry.duration_s,
        use.busy_cores if use else None,
        use.job_cpu_s if use else None,
        total.energy_j if total else None,
        total.uncertainty_j if total else None,
        entry.spent.duration_s,
        entry.spent.energy_j,
        *[reading.energy_j for reading in entry.readings],
        *[reading.uncertainty_j for reading in entry.readings],
    ]


def _reading_group(layout: Layout, rows: Sequence[int], numbers: Sequence[float | None]) -> ReadingGroup:
    own, channels = len(_OF_ENTRY), len(layout.channels)
    table = np.array(numbers, dtype=np.float64).reshape(len(rows), own + 2 * channels)
    of_entries, energy_j, uncertainty_j = np.split(table, [own, own + channels], axis=1)
    return ReadingGroup(
        layout=layout,
        rows=np.array(rows, dtype=np.intp),
        energy_j=energy_j,
        uncertainty_j=uncertainty_j,
        **dict(zip(_OF_ENTRY, of_entries.T, strict=True)),
    )


def _concat_groups(parts: Sequence[ReadingGroup]) -> ReadingGroup:
    arrays = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in dataclasses.fields(ReadingGroup)
        if field.name != "layout"
    }
    return ReadingGroup(layout=parts[0].layout, **arrays)


def _columns(names: Sequence[str], rows: Sequence[tuple[object, ...]]) -> dict[str, Column]:
    cells = zip(*rows, strict=True) if rows else ((),) * len(names)
    return {name: _column(column) for name, column in zip(names, cells, strict=True)}


def _by_name(of_runs: Sequence[Mapping[str, object]]) -> dict[str, Column]:
    names = dict.fromkeys(name for of_run in of_runs for name in of_run)
    return {name: _column([of_run.get(name) for of_run in of_runs]) for name in names}


def _series(cells: Column | Sequence[object]) -> pd.Series:
    return pd.Series(cells.tolist() if isinstance(cells, np.ndarray) and cells.dtype == object else cells)


def _column(cells: Sequence[object]) -> Column:
    """Cells as one array. Whole numbers stay what they are beside others and missing ones: some of them alone
    may be a column of whole numbers."""
    column = np.asarray(pd.Series(cells).to_numpy())
    if column.dtype == np.float64 and any(isinstance(cell, int) for cell in cells):
        return np.array(cells, dtype=object)
    return column


def _joined(parts: Sequence[Mapping[str, Column]], lengths: Sequence[int]) -> dict[str, Column]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: _end_to_end(
            [part.get(name, _column([None] * n)) for part, n in zip(parts, lengths, strict=True)]
        )
        for name in names
    }


def _end_to_end(columns: Sequence[Column]) -> Column:
    if len({column.dtype for column in columns}) == 1:
        return np.concatenate(columns)
    return _column([cell for column in columns for cell in column.tolist()])
