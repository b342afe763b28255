"""Reads block files of records."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from joules.analysis.parallel import parallel_map
from joules.analysis.records.collection import Records, check_versions, find_machine
from joules.analysis.records.recompute import read_by_default
from joules.analysis.records.record_columns import Record, RecordColumns, concat_columns, to_columns
from joules.bench.journal import parse_records
from joules.bench.record import Run
from joules.errors import UserError
from joules.models import Closed, validate
from joules.power.servers import ProcessorIdentity
from joules.study.campaign import STATED
from joules.study.files import COMPRESSED, read_content
from joules.yaml_files import read_yaml

# Of files larger than this, only the columns are kept in memory.
_KEPT_BYTES = 100_000_000
# Bytes that a process reads at a time.
_READ_BYTES = 20_000_000


class Stated(Closed):
    """Facts about the machine that its records lack and a file adds later; `basis` is their evidence."""

    identity: ProcessorIdentity
    basis: str


@dataclasses.dataclass(frozen=True)
class _Files:
    """Block files; `sha256` holds the hashes of those that were read."""

    paths: Sequence[Path]
    stated: Stated | None
    sha256: dict[str, str] = dataclasses.field(default_factory=dict)

    def __iter__(self) -> Iterator[Record]:
        for path in self.paths:
            content = read_content(path)
            self.sha256[_name(path)] = hashlib.sha256(content).hexdigest()
            for record in _block_records(path, content):
                yield _identified(record, self.stated.identity) if self.stated else record


def load_records(files: Sequence[Path]) -> Records:
    """Loads the records of block files.

    Facts from `machine.yaml` are filled in, and modelled energy is recomputed under the default power model.

    Raises:
        UserError: If a file is missing or was edited, or the records mix versions of the meter or machines.
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
        kept = list(every)
        loaded = Records(to_columns(kept), kept, sha256=every.sha256)
    else:
        parts = [_Files(some, stated) for some in _split_files(files, sizes)]
        columns, digests = zip(*parallel_map(_read_columns, parts), strict=True)
        sha256 = {name: digest for of_part in digests for name, digest in of_part.items()}
        loaded = Records(concat_columns(columns), every, is_kept=False, sha256=sha256)
    check_versions(loaded)
    find_machine([loaded])
    return read_by_default(loaded)


def read_stated(path: Path) -> Stated | None:
    """Facts about a campaign's machine that a file adds to the records; None if there is no such file.

    Raises:
        UserError: If the file cannot be read.
    """
    return validate(Stated, read_yaml(path), str(path)) if path.exists() else None


def _read_columns(files: _Files) -> tuple[RecordColumns, dict[str, str]]:
    return to_columns(files), files.sha256


def _split_files(files: Sequence[Path], sizes: Sequence[int]) -> list[list[Path]]:
    """The files in order, in lists that a process reads at a time."""
    ends = np.cumsum(sizes) // _READ_BYTES
    groups = itertools.groupby(zip(files, ends, strict=True), key=lambda pair: pair[1])
    return [[path for path, _ in group] for _, group in groups]


def _identified(record: Record, identity: ProcessorIdentity) -> Record:
    """The record with a processor that it did not name. What was recorded is never replaced."""
    if record.machine.identity is not None:
        return record
    machine = record.machine.model_copy(update={"identity": identity})
    return record.model_copy(update={"machine": machine})


def _block_records(path: Path, content: bytes) -> list[Record]:
    """The records in the content of a block file. Raises UserError where they are not those of that block."""
    records = parse_records(path, content)
    if not any(isinstance(record, Run) for record in records):
        raise UserError(f"{path} holds no run: restore it, or delete it and measure that block again")
    for experiment, block in dict.fromkeys((record.experiment, record.block) for record in records):
        named = f"{experiment}/block-{block}.jsonl"
        if named != _name(path):
            raise UserError(f"{path} holds a record of {named}: a file was copied or renamed, restore it")
    twice = next((words for words, count in Counter(map(_words, records)).items() if count > 1), None)
    if twice:
        raise UserError(f"{path} holds {twice} twice: restore the file, or delete one of its lines")
    return records


def _words(record: Record) -> str:
    """What a block holds once."""
    if isinstance(record, Run):
        return f"arm '{record.arm}'"
    return f"the idle machine {record.position} session {record.session}"


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name.removesuffix(COMPRESSED)}"
