"""Records of a campaign as one tidy table."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joules.analysis import workers
from joules.analysis.recorded import Alike, Column, Floats, Places, Recorded, joined, recorded
from joules.bench.journal import content_of, entries_of
from joules.bench.record import Idle, Run
from joules.errors import UserError
from joules.instrument.source import PREFERENCE
from joules.models import Closed, read_yaml, validate
from joules.power.servers import ProcessorIdentity
from joules.study.campaign import STATED
from joules.study.design import Design

# Tables by name.
TableSet = dict[str, pd.DataFrame]

# An idle machine whose power before and after a block differs by more than this was not at rest.
IDLE_MISMATCH = 0.1
# Records of more bytes than this are not kept in memory but for their columns.
_KEPT_BYTES = 100_000_000
# What a process reads of them at a time.
_READ_BYTES = 20_000_000


class Stated(Closed):
    """What records do not tell of their machine and was stated later; `basis` is the reason to believe it."""

    identity: ProcessorIdentity
    basis: str


class Records(Sequence[Run | Idle]):
    """Entries of records in order, and what tables take of all of them by columns.

    Entries that are too many to keep are read from their files by whoever walks over them, each time again.
    `sha256` is that of every file they were loaded from as it was read, by its name in the campaign's folder
    of runs.
    """

    def __init__(
        self,
        columns: Recorded,
        entries: Iterable[Run | Idle],
        are_kept: bool = True,
        sha256: Mapping[str, str] | None = None,
    ) -> None:
        """`entries` can be walked over more than once."""
        self.cells, self.alike = self.columns = columns
        self.are_kept = are_kept
        self.sha256 = sha256 or {}
        self._entries = entries

    @classmethod
    def of(cls, entries: Sequence[Run | Idle]) -> Records:
        """Entries that are at hand."""
        return entries if isinstance(entries, Records) else cls(recorded(entries), list(entries))

    def __iter__(self) -> Iterator[Run | Idle]:
        return iter(self._list if self.are_kept else self._entries)

    def __len__(self) -> int:
        return len(self.cells.runs["arm"]) + len(self.cells.rests["session"])

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
    def rests(self) -> Rests:
        """The rests around every run."""
        return _rests(self)

    @property
    def has_runs(self) -> bool:
        """Whether there is any run, failed ones included."""
        return len(self.cells.runs["arm"]) > 0

    def of_question(self, *names: str) -> Records:
        """The records of questions that are named."""
        return self.some(*(np.isin(of["experiment"], names) for of in (self.cells.runs, self.cells.rests)))

    def of_others(self, *names: str) -> Records:
        """The records of questions that are not named."""
        return self.some(*(~np.isin(of["experiment"], names) for of in (self.cells.runs, self.cells.rests)))

    def some(self, runs: NDArray[np.bool_], rests: NDArray[np.bool_]) -> Records:
        """Those of the runs and those of the rests that are chosen."""
        if runs.all() and rests.all():
            return self
        return Records(self.columns.some(runs, rests), _Chosen(self, runs, rests), self.are_kept)

    def read_again(self, alike: list[Alike], again: Callable[[Run | Idle, int], Run | Idle]) -> Records:
        """The same records with other readings: `alike` by columns, and what `again` makes of an entry and of
        its place among the runs or the rests."""
        return Records(Recorded(self.cells, alike), _Again(self, again), self.are_kept)


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


@dataclasses.dataclass(frozen=True)
class _Files:
    """Files of records, which are read by whoever walks over them; `sha256` holds the hashes of those that
    were."""

    files: Sequence[Path]
    stated: Stated | None
    sha256: dict[str, str] = dataclasses.field(default_factory=dict)

    def __iter__(self) -> Iterator[Run | Idle]:
        for path in self.files:
            read = content_of(path)
            self.sha256[_name(path)] = hashlib.sha256(read).hexdigest()
            for entry in _of_block(path, read):
                yield _identified(entry, self.stated.identity) if self.stated else entry


def _columns_of(files: _Files) -> tuple[Recorded, dict[str, str]]:
    return recorded(files), files.sha256


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def load(files: Sequence[Path]) -> Records:
    """The entries of block files, with what was stated of their machine filled in.

    Raises UserError where a file is missing, was edited, or mixes versions of the meter.
    """
    sizes = []
    for path in files:
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:
            raise UserError(f"{path} does not exist: measure the campaign first") from None
    stated = stated_of(files[0].parent.parent / STATED) if files else None
    every = _Files(files, stated)
    if sum(sizes) <= _KEPT_BYTES:
        entries = list(every)
        loaded = Records(recorded(entries), entries, sha256=every.sha256)
    else:
        parts = [_Files(some, stated) for some in _shared_out(files, sizes)]
        of_parts, digests = zip(*workers.each(_columns_of, parts), strict=True)
        sha256 = {name: digest for of_part in digests for name, digest in of_part.items()}
        loaded = Records(joined(of_parts), every, are_kept=False, sha256=sha256)
    _check_versions(loaded)
    return loaded


def together(parts: Sequence[Records]) -> Records:
    """The records of several questions, one after another. Raises UserError where they mix versions of the
    meter."""
    if len(parts) == 1:
        return parts[0]
    columns = joined([part.columns for part in parts])
    whole = Records(columns, _Chained(parts), all(part.are_kept for part in parts))
    _check_versions(whole)
    return whole


def _check_versions(entries: Records) -> None:
    every = (entries.cells.runs, entries.cells.rests)
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


def _shared_out(files: Sequence[Path], sizes: Sequence[int]) -> list[list[Path]]:
    """The files in order, by so many that a process reads them at a time."""
    ends = np.cumsum(sizes) // _READ_BYTES
    groups = itertools.groupby(zip(files, ends, strict=True), key=lambda pair: pair[1])
    return [[path for path, _ in group] for _, group in groups]


def stated_of(path: Path) -> Stated | None:
    """What was stated of a campaign's machine; None where nothing was. Raises UserError where it cannot be
    read."""
    return validate(Stated, read_yaml(path), str(path)) if path.exists() else None


def _identified(entry: Run | Idle, identity: ProcessorIdentity) -> Run | Idle:
    """The entry with a processor that it did not name. What was recorded is never replaced."""
    if entry.machine.identity is not None:
        return entry
    machine = entry.machine.model_copy(update={"identity": identity})
    return entry.model_copy(update={"machine": machine})


def _of_block(path: Path, read: bytes) -> list[Run | Idle]:
    """The entries in what was read of a block's file. Raises UserError where they are not those of that
    block."""
    entries = entries_of(path, read)
    if not any(isinstance(entry, Run) for entry in entries):
        raise UserError(f"{path} holds no run: restore it, or delete it and measure that block again")
    for experiment, block in dict.fromkeys((entry.experiment, entry.block) for entry in entries):
        named = f"{experiment}/block-{block}.jsonl"
        if named != _name(path):
            raise UserError(f"{path} holds a record of {named}: a file was copied or renamed, restore it")
    return entries


@dataclasses.dataclass(frozen=True)
class Energies:
    """Energies of runs in joules and powers of rests in watts, each in the order of the records and NaN where
    it was not read; `domain_j` are those of the machine by domain."""

    energy_j: Floats
    uncertainty_j: Floats
    attributed_j: Floats
    provenance: Column
    domain_j: dict[str, Floats]
    rest_w: Floats


def _energies(entries: Records) -> Energies:
    runs, rests = len(entries.cells.runs["arm"]), len(entries.cells.rests["session"])
    made = Energies(
        energy_j=np.full(runs, np.nan),
        uncertainty_j=np.full(runs, np.nan),
        attributed_j=np.full(runs, np.nan),
        provenance=np.full(runs, "missing", dtype=object),
        domain_j={},
        rest_w=np.full(rests, np.nan),
    )
    for alike in entries.alike:
        if alike.layout.kind == "idle":
            made.rest_w[alike.rows] = np.maximum(alike.summed_j(), 0.0) / alike.duration_s
            continue
        made.energy_j[alike.rows] = alike.total_j
        made.uncertainty_j[alike.rows] = alike.total_uncertainty_j
        made.attributed_j[alike.rows] = alike.attributed_j()
        made.provenance[alike.rows] = alike.layout.provenance
        for channel in alike.primary:
            of_domain = made.domain_j.setdefault(channel.domain, np.full(runs, np.nan))
            of_domain[alike.rows] = alike.energy_j[:, channel.place]
    return made


def runs_table(entries: Sequence[Run | Idle]) -> pd.DataFrame:
    """One row a run, failed ones included, in order of block and position.

    Energies in joules, gross and net of the idle power that brackets the run's session; power in
    watts; CPU time in seconds; instructions in user mode, none where the processor counts none. Flags are
    separated by '; '.
    """
    return with_metrics(entries)


def with_metrics(
    entries: Sequence[Run | Idle], parameters: Sequence[str] = (), metrics: Sequence[str] = ()
) -> pd.DataFrame:
    """`runs_table` with the named parameters and metrics of each run as columns; None where absent."""
    records = Records.of(entries)
    cells, energies, rests = records.cells, records.energies, records.rests
    duration_s = cells.runs["duration_s"].astype(np.float64)
    of_energy = {
        "energy_j": energies.energy_j,
        "energy_uncertainty_j": energies.uncertainty_j,
        "energy_net_j": energies.energy_j - rests.power_w * duration_s,
        "energy_net_uncertainty_j": energies.uncertainty_j + rests.spread_w / 2 * duration_s,
        "energy_attributed_j": energies.attributed_j,
        "provenance": energies.provenance,
        **{f"energy_{domain}_j": energies.domain_j[domain] for domain in sorted(energies.domain_j)},
        "idle_power_w": rests.power_w,
    }
    flags = np.array(["; ".join(each) for each in rests.flags], dtype=object)[rests.flags_of_run]

    def of_run(*names: str) -> dict[str, pd.Series]:
        return {name: cells.column("runs", name) for name in names}

    return pd.DataFrame(
        {
            **of_run("experiment", "arm"),
            **{name: cells.column("parameters", name) for name in parameters},
            **of_run("block", "position", "scale", "duration_s"),
            **{name: column[cells.order] for name, column in of_energy.items()},
            **of_run("cpu_s", "instructions", "foreign_cores", "peak_memory_bytes", "failure"),
            "flags": flags[cells.order],
            **of_run("fingerprint", "measured_at"),
            **{name: cells.column("metrics", name) for name in metrics},
        },
        # Tables of the same records share what no model of power touches; Pandas copies what is changed.
        copy=False,
    )


def with_result(runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table of runs that worked to their end and whose energy was read."""
    is_result = runs["failure"].isna() & runs["energy_j"].notna()
    return runs.copy(deep=False) if is_result.all() else runs[is_result]


def in_order(table: pd.DataFrame, design: Design) -> pd.DataFrame:
    """A table with a row an arm in the order of the design, not of the first block's random one."""
    if table.empty:
        return table
    places = {arm: place for place, arm in enumerate(design.arms)}
    return table.sort_values("arm", key=lambda arms: arms.map(places), kind="stable", ignore_index=True)


@dataclasses.dataclass(frozen=True)
class Rests:
    """Of the rests around the session of each run: their mean power and its spread in watts, NaN where none
    was read. `flags` is everything that speaks against a run or against them, each a word and its evidence,
    once for all runs that have the same; `flags_of_run` are the places there of those of each run."""

    power_w: Floats
    spread_w: Floats
    flags: list[tuple[str, ...]]
    flags_of_run: Places


def _rests(entries: Records) -> Rests:
    cells = entries.cells
    powers_w: dict[str, list[float]] = {}
    sessions_of_rests = cells.rests["session"].tolist()
    for session, power_w in zip(sessions_of_rests, entries.energies.rest_w.tolist(), strict=True):
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
    return Rests(
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


def provenance_of(runs: pd.DataFrame) -> str:
    """The weakest provenance among runs with a result: what a caption must say."""
    kinds = with_result(runs)["provenance"].unique()
    return max(kinds, key=[*PREFERENCE].index) if len(kinds) else "missing"
