"""Reads block files of records."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from joules.analysis.parallel import parallel_map
from joules.analysis.records.collection import Records, check_versions
from joules.analysis.records.record_columns import RecordColumns, concat_columns, to_columns
from joules.bench.journal import parse_records
from joules.bench.record import Idle, Run
from joules.errors import UserError
from joules.models import Closed, read_yaml, validate
from joules.power.servers import ProcessorIdentity
from joules.study.campaign import STATED
from joules.study.files import COMPRESSED, read_content

# Records of more bytes than this are not kept in memory but for their columns.
_KEPT_BYTES = 100_000_000
# What a process reads of them at a time.
_READ_BYTES = 20_000_000


class Stated(Closed):
    """What records do not tell of their machine and was stated later; `basis` is the reason to believe it."""

    identity: ProcessorIdentity
    basis: str


@dataclasses.dataclass(frozen=True)
class _Files:
    """Files of records, which are read by whoever walks over them; `sha256` holds the hashes of those that
    were."""

    files: Sequence[Path]
    stated: Stated | None
    sha256: dict[str, str] = dataclasses.field(default_factory=dict)

    def __iter__(self) -> Iterator[Run | Idle]:
        for path in self.files:
            read = read_content(path)
            self.sha256[_name(path)] = hashlib.sha256(read).hexdigest()
            for entry in _of_block(path, read):
                yield _identified(entry, self.stated.identity) if self.stated else entry


def _columns_of(files: _Files) -> tuple[RecordColumns, dict[str, str]]:
    return to_columns(files), files.sha256


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name.removesuffix(COMPRESSED)}"


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
    stated = read_stated(files[0].parent.parent / STATED) if files else None
    every = _Files(files, stated)
    if sum(sizes) <= _KEPT_BYTES:
        entries = list(every)
        loaded = Records(to_columns(entries), entries, sha256=every.sha256)
    else:
        parts = [_Files(some, stated) for some in _shared_out(files, sizes)]
        of_parts, digests = zip(*parallel_map(_columns_of, parts), strict=True)
        sha256 = {name: digest for of_part in digests for name, digest in of_part.items()}
        loaded = Records(concat_columns(of_parts), every, are_kept=False, sha256=sha256)
    check_versions(loaded)
    return loaded


def _shared_out(files: Sequence[Path], sizes: Sequence[int]) -> list[list[Path]]:
    """The files in order, by so many that a process reads them at a time."""
    ends = np.cumsum(sizes) // _READ_BYTES
    groups = itertools.groupby(zip(files, ends, strict=True), key=lambda pair: pair[1])
    return [[path for path, _ in group] for _, group in groups]


def read_stated(path: Path) -> Stated | None:
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
    entries = parse_records(path, read)
    if not any(isinstance(entry, Run) for entry in entries):
        raise UserError(f"{path} holds no run: restore it, or delete it and measure that block again")
    for experiment, block in dict.fromkeys((entry.experiment, entry.block) for entry in entries):
        named = f"{experiment}/block-{block}.jsonl"
        if named != _name(path):
            raise UserError(f"{path} holds a record of {named}: a file was copied or renamed, restore it")
    return entries
