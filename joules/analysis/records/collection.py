"""Records of a campaign, in order and by columns."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joules.analysis.records.record_columns import (
    Column,
    Floats,
    Places,
    ReadingGroup,
    RecordColumns,
    concat_columns,
    to_columns,
)
from joules.bench.record import Idle, Run
from joules.errors import UserError

# An idle machine whose power before and after a block differs by more than this was not at rest.
IDLE_MISMATCH = 0.1


class Records(Sequence[Run | Idle]):
    """Entries of records in order, and what tables take of all of them by columns.

    Entries that are too many to keep are read from their files by whoever walks over them, each time again.
    `sha256` is that of every file they were loaded from as it was read, by its name in the campaign's folder
    of runs.
    """

    def __init__(
        self,
        columns: RecordColumns,
        entries: Iterable[Run | Idle],
        are_kept: bool = True,
        sha256: Mapping[str, str] | None = None,
    ) -> None:
        """`entries` can be walked over more than once."""
        self.cells, self.groups = self.columns = columns
        self.are_kept = are_kept
        self.sha256 = sha256 or {}
        self._entries = entries

    @classmethod
    def from_sequence(cls, entries: Sequence[Run | Idle]) -> Records:
        """Entries that are at hand."""
        return entries if isinstance(entries, Records) else cls(to_columns(entries), list(entries))

    def __iter__(self) -> Iterator[Run | Idle]:
        return iter(self._list if self.are_kept else self._entries)

    def __len__(self) -> int:
        return len(self.cells.runs["arm"]) + len(self.cells.idle["session"])

    @overload
    def __getitem__(self, place: int) -> Run | Idle: ...

    @overload
    def __getitem__(self, place: slice) -> list[Run | Idle]: ...

    def __getitem__(self, place: int | slice) -> Run | Idle | list[Run | Idle]:
        return list(self)[place]

    @functools.cached_property
    def _list(self) -> list[Run | Idle]:
        return list(self._entries)

    @functools.cached_property
    def energies(self) -> Energies:
        """What was read of every run and of every rest."""
        return _energies(self)

    @functools.cached_property
    def idle(self) -> IdleReadings:
        """The rests around every run."""
        return _idle_readings(self)

    @property
    def has_runs(self) -> bool:
        """Whether there is any run, failed ones included."""
        return len(self.cells.runs["arm"]) > 0

    def select_experiments(self, *names: str) -> Records:
        """The records of questions that are named."""
        return self.subset(*(np.isin(of["experiment"], names) for of in (self.cells.runs, self.cells.idle)))

    def drop_experiments(self, *names: str) -> Records:
        """The records of questions that are not named."""
        return self.subset(*(~np.isin(of["experiment"], names) for of in (self.cells.runs, self.cells.idle)))

    def subset(self, runs: NDArray[np.bool_], rests: NDArray[np.bool_]) -> Records:
        """Those of the runs and those of the rests that are chosen."""
        if runs.all() and rests.all():
            return self
        return Records(self.columns.subset(runs, rests), _Chosen(self, runs, rests), self.are_kept)

    def with_readings(
        self, alike: list[ReadingGroup], again: Callable[[Run | Idle, int], Run | Idle]
    ) -> Records:
        """The same records with other readings: `alike` by columns, and what `again` makes of an entry and of
        its place among the runs or the rests."""
        return Records(RecordColumns(self.cells, alike), _Again(self, again), self.are_kept)


@dataclasses.dataclass(frozen=True)
class _Chosen:
    entries: Iterable[Run | Idle]
    runs: NDArray[np.bool_]
    rests: NDArray[np.bool_]

    def __iter__(self) -> Iterator[Run | Idle]:
        for entry, place in _placed(self.entries):
            if (self.runs if isinstance(entry, Run) else self.rests)[place]:
                yield entry


@dataclasses.dataclass(frozen=True)
class _Again:
    entries: Iterable[Run | Idle]
    again: Callable[[Run | Idle, int], Run | Idle]

    def __iter__(self) -> Iterator[Run | Idle]:
        return itertools.starmap(self.again, _placed(self.entries))


def _placed(entries: Iterable[Run | Idle]) -> Iterator[tuple[Run | Idle, int]]:
    """Entries with their places, among the runs or among the rests."""
    runs, rests = itertools.count(), itertools.count()
    for entry in entries:
        yield entry, next(runs if isinstance(entry, Run) else rests)


@dataclasses.dataclass(frozen=True)
class _Chained:
    parts: Sequence[Records]

    def __iter__(self) -> Iterator[Run | Idle]:
        return itertools.chain.from_iterable(self.parts)


def concat(parts: Sequence[Records]) -> Records:
    """The records of several questions, one after another. Raises UserError where they mix versions of the
    meter."""
    if len(parts) == 1:
        return parts[0]
    columns = concat_columns([part.columns for part in parts])
    whole = Records(columns, _Chained(parts), all(part.are_kept for part in parts))
    check_versions(whole)
    return whole


def check_versions(entries: Records) -> None:
    every = (entries.cells.runs, entries.cells.idle)
    versions = sorted({version for of in every for version in of["meter_version"].tolist()})
    if len(versions) < 2:
        return
    older = sorted(
        {
            f"{experiment}/block-{block}.jsonl"
            for of in every
            for experiment, block, version in zip(
                of["experiment"], of["block"], of["meter_version"], strict=True
            )
            if version < versions[-1]
        }
    )
    more = f" and {len(older) - 1} more" if len(older) > 1 else ""
    raise UserError(
        f"records of meter versions {versions} cannot share a table: delete the older ones ({older[0]}{more} "
        "in the campaign's folder runs) and measure them again"
    )


@dataclasses.dataclass(frozen=True)
class Energies:
    """Energies of runs in joules and powers of rests in watts, each in the order of the records and NaN where
    it was not read; `domain_j` are those of the machine by domain."""

    energy_j: Floats
    uncertainty_j: Floats
    attributed_j: Floats
    provenance: Column
    domain_j: dict[str, Floats]
    idle_w: Floats


def _energies(entries: Records) -> Energies:
    runs, rests = len(entries.cells.runs["arm"]), len(entries.cells.idle["session"])
    made = Energies(
        energy_j=np.full(runs, np.nan),
        uncertainty_j=np.full(runs, np.nan),
        attributed_j=np.full(runs, np.nan),
        provenance=np.full(runs, "missing", dtype=object),
        domain_j={},
        idle_w=np.full(rests, np.nan),
    )
    for alike in entries.groups:
        if alike.layout.kind == "idle":
            made.idle_w[alike.rows] = np.maximum(alike.summed_j(), 0.0) / alike.duration_s
            continue
        made.energy_j[alike.rows] = alike.total_j
        made.uncertainty_j[alike.rows] = alike.total_uncertainty_j
        made.attributed_j[alike.rows] = alike.attributed_j()
        made.provenance[alike.rows] = alike.layout.provenance
        for channel in alike.primary:
            of_domain = made.domain_j.setdefault(channel.domain, np.full(runs, np.nan))
            of_domain[alike.rows] = alike.energy_j[:, channel.place]
    return made


@dataclasses.dataclass(frozen=True)
class IdleReadings:
    """Of the rests around the session of each run: their mean power and its spread in watts, NaN where none
    was read. `flags` is everything that speaks against a run or against them, each a word and its evidence,
    once for all runs that have the same; `flags_of_run` are the places there of those of each run."""

    power_w: Floats
    spread_w: Floats
    flags: list[tuple[str, ...]]
    flags_of_run: Places


def _idle_readings(entries: Records) -> IdleReadings:
    cells = entries.cells
    powers_w: dict[str, list[float]] = {}
    sessions_of_rests = cells.idle["session"].tolist()
    for session, power_w in zip(sessions_of_rests, entries.energies.idle_w.tolist(), strict=True):
        if not math.isnan(power_w):
            powers_w.setdefault(session, []).append(power_w)
    session_of_run, sessions = cells.sessions
    around_w = [powers_w.get(session, []) for session in sessions]
    mean_w = np.array([sum(each) / len(each) if each else math.nan for each in around_w])
    spread_w = np.array([max(each) - min(each) if each else math.nan for each in around_w])
    # Of a million runs few have flags of their own, and those of a session are the same for all of its runs.
    idle, of_idle = pd.factorize(pd.Series([_idle_flags(each) for each in around_w], dtype=object).to_numpy())
    own, of_own = cells.own_flags
    flags_of_run, both = pd.factorize(own * len(of_idle) + idle[session_of_run])
    return IdleReadings(
        power_w=mean_w[session_of_run],
        spread_w=spread_w[session_of_run],
        flags=[of_own[each // len(of_idle)] + of_idle[each % len(of_idle)] for each in both],
        flags_of_run=flags_of_run,
    )


def _idle_flags(powers_w: Sequence[float]) -> tuple[str, ...]:
    if len(powers_w) < 2:
        return ("idle-bracket: the idle machine was not measured on both sides",)
    if max(powers_w) > min(powers_w) * (1 + IDLE_MISMATCH):
        return (f"idle-mismatch: {min(powers_w):.1f} to {max(powers_w):.1f} W",)
    return ()
