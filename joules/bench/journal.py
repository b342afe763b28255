"""Append-only files of entries that survive a kill at any instant."""

from __future__ import annotations

import os
from pathlib import Path

from joules.bench.record import BadEntry, Idle, Run, dump_line, parse_line
from joules.errors import UserError


class Journal:
    """Every entry ever measured for one block of an experiment in one campaign, in order of time.

    Opening it repairs a last line torn by a crash: the tear is cut off and reported in `recovered`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recovered: str | None = None
        self.entries: list[Run | Idle] = []
        if path.exists():
            self._recover()
            self.entries = read_entries(path)

    def append(self, entry: Run | Idle) -> None:
        """Writes the entry to the disk before returning.

        Raises UserError where it cannot be written; what was written before stays whole.
        """
        line = dump_line(entry).encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                size = file.tell()
                try:
                    file.write(line)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(size)
                    raise
        except OSError as fault:
            raise UserError(
                f"{self.path} could not be written ({fault.strerror}): make room or fix its "
                "permissions and run again; the runs recorded so far are kept"
            ) from None
        self.entries.append(entry)

    def _recover(self) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with self.path.open("rb+") as file:
                file.truncate(len(whole))
            self.recovered = (
                f"{self.path}: the last record was torn by an interruption and is measured again "
                f"({len(content) - len(whole)} bytes cut off)"
            )


def read_entries(path: Path) -> list[Run | Idle]:
    """The entries of a file of records. Raises UserError naming the first line that is not one."""
    return entries_of(path, content_of(path))


def content_of(path: Path) -> bytes:
    """What is in a file of records. Raises UserError where it is none."""
    try:
        return path.read_bytes()
    except IsADirectoryError:
        raise UserError(f"{path} is a folder and not a file of records: move it away") from None


def entries_of(path: Path, content: bytes) -> list[Run | Idle]:
    """The entries in the content of a file of records. Raises UserError naming the first line that is not
    one."""
    entries = []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            entries.append(parse_line(line))
        except BadEntry as fault:
            raise UserError(
                f"{path} line {number} {fault}: restore the file, or delete it and measure again"
            ) from None
    return entries


def write_entries(path: Path, entries: list[Run | Idle]) -> None:
    """Writes a whole file of records at once: after a crash there is all of it or none of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.writelines(dump_line(entry) for entry in entries)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
