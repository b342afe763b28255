"""A campaign as one file that others can add to theirs, without what is private about its machine."""

from __future__ import annotations

import getpass
import hashlib
import json
import platform
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from joules.archive.release import add_member
from joules.bench.journal import read_records
from joules.bench.record import Record, Run, format_record
from joules.errors import UserError
from joules.instrument.host.contention import Contention
from joules.models import Closed
from joules.study.campaign import Campaign
from joules.study.design import Scale
from joules.study.files import COMPRESSED
from joules.study.fingerprint import data_sha256
from joules.version import VERSION

FORMAT: Literal["joules bundle 1"] = "joules bundle 1"
CONTENTS = "bundle.json"
# Programs of this repository and the kernel say nothing of a user.
_PUBLIC = re.compile(r"joules|kernel|python[0-9.]*|snakemake|program-\d+")
_NUMBERED_NODE = re.compile(r"node-\d+")
# Files of the system have the same names everywhere.
_PATH = re.compile(r"(?<![\w.])/(?!sys/|proc/|dev/|usr/|lib)[^\s'\",:;()]+/[^\s'\",:;()]*")
_LEAST_NAME = 3


class Bundle(Closed):
    """What a bundle holds: SHA-256 of each file of records by its name, and the version of this code that
    wrote it. `machine` is what a person calls the machine."""

    format: Literal["joules bundle 1"] = FORMAT
    version: str
    scale: Scale
    machine: str
    files: dict[str, str]

    @property
    def sha256(self) -> str:
        """SHA-256 of the content. The author of a bundle states it in a separate message."""
        return data_sha256(self.model_dump(mode="json"))


class Redaction:
    """Replaces what is private in records, each thing by the same number wherever it occurs.

    Args:
        names: Names of people and machines that free text may not hold.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        words = sorted(re.escape(name) for name in names if len(name) >= _LEAST_NAME)
        self._names = re.compile(rf"\b(?:{'|'.join(words)})\b") if words else None
        self._programs: dict[str, str] = {}
        self._nodes: dict[str, str] = {}
        self._texts: set[str] = set()

    def clean(self, record: Record) -> Record:
        """The record without what is private."""
        if not isinstance(record, Run):
            return record.model_copy(
                update={"node": self._node(record.node), "contention": self._contention(record.contention)}
            )
        return record.model_copy(
            update={
                "node": self._node(record.node),
                "contention": self._contention(record.contention),
                "flags": [self._flag(flag, record.contention) for flag in record.flags],
                "failure": record.failure and self._text(record.failure),
                "environment": {name: self._text(value) for name, value in record.environment.items()},
            }
        )

    def describe(self) -> list[str]:
        """What was replaced, a line a kind."""
        return [
            f"programs    {len(self._programs)} names replaced by numbers",
            f"nodes       {len(self._nodes)} names replaced by numbers",
            f"texts       {len(self._texts)} with paths or names of user and host, which were taken out",
        ]

    def _node(self, name: str | None) -> str | None:
        if name is None or _NUMBERED_NODE.fullmatch(name):
            return name
        return self._nodes.setdefault(name, f"node-{len(self._nodes) + 1}")

    def _program(self, name: str) -> str:
        if _PUBLIC.fullmatch(name):
            return name
        return self._programs.setdefault(name, f"program-{len(self._programs) + 1}")

    def _contention(self, found: Contention | None) -> Contention | None:
        if found is None:
            return None
        return found.model_copy(
            update={
                "foreign_programs": {
                    self._program(name): use for name, use in found.foreign_programs.items()
                },
                "discarding_programs": [self._program(name) for name in found.discarding_programs],
            }
        )

    def _flag(self, flag: str, contention: Contention | None) -> str:
        """Flags repeat names of programs, busiest first: records do not keep that order."""
        if contention is not None:
            for name in sorted(contention.foreign_programs, key=len, reverse=True):
                flag = re.sub(rf"(?<=[( ]){re.escape(name)}(?= \d+\.\d)", self._program(name), flag)
            for name in contention.discarding_programs:
                flag = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", self._program(name), flag)
        return self._text(flag)

    def _text(self, text: str) -> str:
        cleaned = _PATH.sub("(path)", text)
        if self._names is not None:
            cleaned = self._names.sub("(name)", cleaned)
        if cleaned != text:
            self._texts.add(text)
        return cleaned


def local_names() -> list[str]:
    """The names of this user and this host."""
    try:
        user = [getpass.getuser()]
    except (KeyError, OSError):
        user = []
    return [*user, platform.node(), *platform.node().split(".")[:1]]


def collect_records(campaign: Campaign, redaction: Redaction) -> dict[str, list[Record]]:
    """The redacted records of a campaign, by the name of their file in its folder of runs.

    Raises:
        UserError: If there are none, or a file is damaged.
    """
    return {
        f"{experiment}/{path.name.removesuffix(COMPRESSED)}": [
            redaction.clean(record) for record in read_records(path)
        ]
        for experiment in campaign.measured_experiments()
        for path in sorted((campaign.runs / experiment).glob("block-*.jsonl*"))
    }


def describe_contents(records: Mapping[str, Sequence[Record]]) -> list[str]:
    """What a bundle of records would tell of its machine, a line a kind."""
    every = [record for of_file in records.values() for record in of_file]
    runs = [record for record in every if isinstance(record, Run)]
    lists = {
        "machine": {record.machine.words for record in every},
        "system": {record.machine.system for record in every},
        "python": {record.machine.python for record in every},
        "packages": {f"{name} {version}" for run in runs for name, version in run.versions.items()},
        "environment": {f"{name}={value}" for run in runs for name, value in run.environment.items()},
        "sources": {reading.source for record in every for reading in record.readings},
        "flags": {flag.partition(":")[0] for run in runs for flag in run.flags},
        "failures": {run.failure for run in runs if run.failure},
        "measured": {
            min(record.measured_at for record in every)[:10],
            max(r.measured_at for r in every)[:10],
        },
    }
    files = [f"{name}: {len(of_file)} records" for name, of_file in records.items()]
    return [*files, *(f"{name:12}{'; '.join(sorted(found)) or 'none'}" for name, found in lists.items())]


def write_bundle(path: Path, records: Mapping[str, Sequence[Record]]) -> Bundle:
    """Writes a bundle. The same records give the same bytes.

    Args:
        path: Where to.
        records: Records by the name of their file.

    Returns:
        What the bundle states.

    Raises:
        UserError: The records are of several machines or scales, or the file exists or cannot be written.
    """
    runs = [record for of_file in records.values() for record in of_file if isinstance(record, Run)]
    settings = {(run.scale, run.machine.id): run for run in runs}
    if len(settings) != 1:
        raise UserError(
            f"a bundle holds runs of one scale on one machine, not of {len(settings)}: make one of each"
        )
    contents = {name: "".join(map(format_record, of_file)).encode() for name, of_file in records.items()}
    bundle = Bundle(
        version=VERSION,
        scale=runs[0].scale,
        machine=runs[0].machine.words,
        files={name: hashlib.sha256(content).hexdigest() for name, content in sorted(contents.items())},
    )
    stated = json.dumps(bundle.model_dump(mode="json"), indent=2) + "\n"
    try:
        with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as packed:
            for name, content in [(CONTENTS, stated.encode()), *sorted(contents.items())]:
                add_member(packed, name, content)
    except FileExistsError:
        raise UserError(f"{path} exists: delete it or name another file") from None
    except OSError as fault:
        path.unlink(missing_ok=True)
        raise UserError(f"cannot write {path} ({fault.strerror}): name another file") from None
    return bundle
