"""Records of a campaign, in order and by columns."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from joules.analysis.records.record_columns import (
    Column,
    Kind,
    Mask,
    ReadingGroup,
    Record,
    RecordColumns,
    Rows,
    concat_columns,
    to_columns,
)
from joules.errors import UserError
from joules.instrument.host.machine import Machine
from joules.instrument.reading_arrays import Floats

# Powers of the idle machine before and after a block that differ by more than this share are flagged.
IDLE_MISMATCH = 0.1


@dataclasses.dataclass(frozen=True)
class Repeatable:
    """Records that can be iterated over more than once: `begin` starts from the first."""

    begin: Callable[[], Iterator[Record]]

    def __iter__(self) -> Iterator[Record]:
        return self.begin()


class Records:
    """Records in order, and the columns that tables need of all of them.

    Records that are too many to keep in memory are read from their files at each iteration.

    Attributes:
        cells, groups: the columns (see `RecordColumns`).
        is_kept: whether the records themselves are in memory.
        sha256: hash of each file as it was read, by its name in the campaign's folder of runs.
    """

    def __init__(
        self,
        columns: RecordColumns,
        records: Iterable[Record],
        is_kept: bool = True,
        sha256: Mapping[str, str] | None = None,
    ) -> None:
        """`records` can be iterated over more than once."""
        self.cells, self.groups = self.columns = columns
        self.is_kept = is_kept
        self.sha256 = sha256 or {}
        self._records = records

    @classmethod
    def from_sequence(cls, records: Records | Sequence[Record]) -> Records:
        """Records that are in memory."""
        return records if isinstance(records, Records) else cls(to_columns(records), list(records))

    def __iter__(self) -> Iterator[Record]:
        return iter(self._list if self.is_kept else self._records)

    def __len__(self) -> int:
        return self.count("run") + self.count("idle")

    @functools.cached_property
    def _list(self) -> list[Record]:
        return list(self._records)

    def count(self, kind: Kind) -> int:
        """The number of runs, failed ones included, or of idle records."""
        return len(self.cells.runs["arm"] if kind == "run" else self.cells.idle["session"])

    @property
    def has_runs(self) -> bool:
        """Whether there is any run, failed ones included."""
        return self.count("run") > 0

    def collect(
        self, kind: Kind, values_of: Callable[[ReadingGroup], Any], missing: object = math.nan
    ) -> Column:
        """What `values_of` gives for each group, as one array in the order of the records of a kind;
        `missing` where it gives None."""
        collected = np.full(self.count(kind), missing)
        for group in self.groups:
            if group.kind == kind and (values := values_of(group)) is not None:
                collected[group.rows] = values
        return collected

    @functools.cached_property
    def energy_j(self) -> Floats:
        """Energy of every run in joules; NaN where it was not read."""
        return self.collect("run", lambda group: group.total_j)

    @functools.cached_property
    def idle(self) -> IdleReadings:
        """The idle readings around every run."""
        return _idle_readings(self)

    def select_experiments(self, *names: str) -> Records:
        """The records of the named experiments."""
        return self.subset(*(np.isin(of["experiment"], names) for of in (self.cells.runs, self.cells.idle)))

    def drop_experiments(self, *names: str) -> Records:
        """The records of all other experiments."""
        return self.subset(*(~np.isin(of["experiment"], names) for of in (self.cells.runs, self.cells.idle)))

    def subset(self, runs: Mask, idle: Mask) -> Records:
        """The chosen runs and idle records."""
        if runs.all() and idle.all():
            return self
        chosen = {"run": runs, "idle": idle}
        kept = Repeatable(lambda: (record for record, row in _numbered(self) if chosen[record.kind][row]))
        return Records(self.columns.subset(runs, idle), kept, self.is_kept)

    def with_readings(self, groups: list[ReadingGroup], change: Callable[[Record, int], Record]) -> Records:
        """The same records with other readings: `groups`, and what `change` makes of a record and its row."""
        changed = Repeatable(lambda: itertools.starmap(change, _numbered(self)))
        return Records(RecordColumns(self.cells, groups), changed, self.is_kept, self.sha256)


def _numbered(records: Iterable[Record]) -> Iterator[tuple[Record, int]]:
    """Records with their rows among the runs or among the idle records."""
    rows = {"run": itertools.count(), "idle": itertools.count()}
    return ((record, next(rows[record.kind])) for record in records)


def concat(parts: Sequence[Records]) -> Records:
    """The records of several experiments, one after another.

    Raises:
        UserError: where they mix versions of the meter, or machines.
    """
    if len(parts) == 1:
        return parts[0]
    columns = concat_columns([part.columns for part in parts])
    chained = Repeatable(lambda: itertools.chain.from_iterable(parts))
    whole = Records(columns, chained, all(part.is_kept for part in parts))
    check_versions(whole)
    find_machine([whole])
    return whole


def check_versions(records: Records) -> None:
    """Raises UserError where records were measured by different versions of the meter."""
    every = (records.cells.runs, records.cells.idle)
    versions = sorted({version for of in every for version in of["meter_version"].tolist()})
    if len(versions) < 2:
        return
    names = ("experiment", "block", "meter_version")
    found = {row for of in every for row in zip(*(of[name] for name in names), strict=True)}
    older = sorted(
        {f"{name}/block-{block}.jsonl" for name, block, version in found if version < versions[-1]}
    )
    more = f" and {len(older) - 1} more" if len(older) > 1 else ""
    raise UserError(
        f"records of meter versions {versions} cannot share a table: delete the older ones ({older[0]}{more} "
        "in the campaign's folder runs) and measure them again"
    )


def find_machine(every: Iterable[Records]) -> Machine | None:
    """The machine on which records were measured; None if there are no records.

    Raises:
        UserError: If they come from several machines.
    """
    machines = {name: machine for each in every for name, machine in each.cells.machines.items()}
    if len(machines) > 1:
        raise UserError(
            "the records of this campaign come from several machines "
            f"({', '.join(machine.words for machine in machines.values())}): measure each machine as a "
            "campaign of its own"
        )
    return next(iter(machines.values()), None)


@dataclasses.dataclass(frozen=True)
class IdleReadings:
    """Mean power of the idle machine around the session of each run, and its spread, in watts; NaN where none
    was read.

    `flags` are the quality flags of a run and of its idle readings, keyword and evidence, once for all runs
    that have the same; `flags_of_run` are their places there.
    """

    power_w: Floats
    spread_w: Floats
    flags: list[tuple[str, ...]]
    flags_of_run: Rows


def _idle_readings(records: Records) -> IdleReadings:
    cells = records.cells
    power_w = records.collect("idle", lambda group: np.maximum(group.total_j, 0.0) / group.duration_s)
    of_session: dict[str, list[float]] = {}
    for session, watts in zip(cells.idle["session"].tolist(), power_w.tolist(), strict=True):
        if not math.isnan(watts):
            of_session.setdefault(session, []).append(watts)
    session_of_run, sessions = cells.codes["session"]
    around_w = [of_session.get(session, []) for session in sessions]
    mean_w = np.array([sum(watts) / len(watts) if watts else math.nan for watts in around_w])
    spread_w = np.array([max(watts) - min(watts) if watts else math.nan for watts in around_w])
    # Of a million runs few have flags of their own, and those of a session are the same for all of its runs.
    idle, of_idle = pd.factorize(pd.Series([_idle_flags(each) for each in around_w], dtype=object).to_numpy())
    own, of_own = cells.codes["flags"]
    flags_of_run, both = pd.factorize(own * len(of_idle) + idle[session_of_run])
    return IdleReadings(
        power_w=mean_w[session_of_run],
        spread_w=spread_w[session_of_run],
        flags=[of_own[each // len(of_idle)] + of_idle[each % len(of_idle)] for each in both],
        flags_of_run=flags_of_run,
    )


def _idle_flags(power_w: Sequence[float]) -> tuple[str, ...]:
    if len(power_w) < 2:
        return ("idle-bracket: the idle machine was not measured on both sides",)
    if max(power_w) > min(power_w) * (1 + IDLE_MISMATCH):
        return (f"idle-mismatch: {min(power_w):.1f} to {max(power_w):.1f} W",)
    return ()
