"""Append-only files of records that survive a kill at any instant."""

from __future__ import annotations

import os
from pathlib import Path

from joules.bench.record import Idle, InvalidRecord, Run, format_record, parse_record
from joules.errors import UserError
from joules.study.files import read_content


class Journal:
    """All records ever measured for one block of an experiment in one campaign, in order of time.

    Opening it removes an incomplete last line, left by a crash; `recovered` then says so.

    Args:
        path: The file; it is created by the first record.

    Raises:
        UserError: If the file cannot be read, or a line of it is not a record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recovered: str | None = None
        self.records: list[Run | Idle] = []
        if path.exists():
            self._recover()
            self.records = read_records(path)

    def append(self, record: Run | Idle) -> None:
        """Writes a record, and waits until it is on the disk.

        Args:
            record: The record.

        Raises:
            UserError: If it cannot be written; earlier records stay complete.
        """
        line = format_record(record).encode()
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
                f"cannot write {self.path} ({fault.strerror}): free disk space or fix its permissions, then "
                "run again (recorded runs are kept)"
            ) from None
        self.records.append(record)

    def _recover(self) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with self.path.open("rb+") as file:
                file.truncate(len(whole))
            self.recovered = (
                f"{self.path}: the last record is incomplete after an interruption, so its run is measured "
                f"again ({len(content) - len(whole)} bytes removed)"
            )


def read_records(path: Path) -> list[Run | Idle]:
    """Reads a file of records.

    Raises:
        UserError: If it is a folder, or a line is not a record.
    """
    return parse_records(path, read_content(path))


def parse_records(path: Path, content: bytes) -> list[Run | Idle]:
    """Parses the bytes of a file of records.

    Args:
        path: The file, for messages.
        content: Its bytes.

    Raises:
        UserError: If a line is not a record; the message names the first such line.
    """
    records = []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            records.append(parse_record(line))
        except InvalidRecord as fault:
            raise UserError(
                f"{path} line {number} {fault}: restore the file, or delete it and measure again"
            ) from None
    return records


def write_records(path: Path, records: list[Run | Idle]) -> None:
    """Writes a file of records atomically: after a crash it is complete or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.writelines(format_record(record) for record in records)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
