"""Accepts a campaign that somebody else measured, or says why not."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

from joules.archive.contribution import CONTENTS, Bundle
from joules.archive.plausibility import check_records
from joules.bench.journal import parse_records, write_records
from joules.bench.record import Record
from joules.errors import UserError
from joules.models import validate
from joules.study.campaign import BLOCK_FILE, Campaign, campaigns
from joules.study.design import experiment_names
from joules.study.files import read_content

_MOST_BYTES = 4 * 1024**3
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SESSION = re.compile(rb'"session": "([0-9a-f]+)"')


def read_bundle(path: Path) -> tuple[Bundle, dict[str, list[Record]]]:
    """Reads a bundle whose bytes are what it states.

    Returns:
        What it states, and its records by the name of their file.

    Raises:
        UserError: If it is no bundle, was modified, or holds what is no record.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            members = packed.infolist()
            if sum(member.file_size for member in members) > _MOST_BYTES:
                raise UserError(
                    f"{path} holds more than {_MOST_BYTES / 1024**3:g} GiB: contribute fewer blocks"
                )
            contents = {member.filename: packed.read(member) for member in members}
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as fault:
        raise UserError(f"{path} is not a bundle ({fault}): make it with 'joules contribute'") from None
    if len(contents) < len(members):
        raise UserError(f"{path} holds a file twice: make it with 'joules contribute'")
    stated = contents.pop(CONTENTS, None)
    if stated is None:
        raise UserError(f"{path} has no {CONTENTS}: make it with 'joules contribute'")
    try:
        bundle = validate(Bundle, json.loads(stated), f"{path}: {CONTENTS}")
    except ValueError:
        raise UserError(f"{path}: {CONTENTS} is not JSON: make it with 'joules contribute'") from None
    if contents.keys() != bundle.files.keys():
        odd = sorted(contents.keys() ^ bundle.files.keys())[0]
        state = "is not listed" if odd in contents else "is missing"
        raise UserError(f"{path}: {odd} {state}: the bundle was modified, ask for it again")
    records = {}
    for name, content in contents.items():
        experiment, _, file = name.partition("/")
        if experiment not in experiment_names() or not BLOCK_FILE.fullmatch(file):
            raise UserError(f"{path}: {name} is not a record file of any experiment in this version")
        if hashlib.sha256(content).hexdigest() != bundle.files[name]:
            raise UserError(f"{path}: {name} was modified: ask for the bundle again")
        records[name] = parse_records(Path(name), content)
    return bundle, records


def find_same(records: Iterable[Record], root: Path = Path()) -> str | None:
    """The campaign of `results/` that holds any session of these records; None if there is none."""
    sessions = {record.session.encode() for record in records}
    for campaign in campaigns(root):
        for path in sorted(campaign.runs.glob("*/block-*")):
            if not sessions.isdisjoint(_SESSION.findall(read_content(path))):
                return campaign.name
    return None


def accept_bundle(path: Path, name: str, stated_sha256: str | None = None, root: Path = Path()) -> Campaign:
    """Adds the campaign of a bundle to `results/`, as records that can be built.

    Args:
        path: The bundle.
        name: Name of the campaign.
        stated_sha256: Hash that its author states; None if it was not stated.
        root: The repository.

    Returns:
        The campaign.

    Raises:
        UserError: If the bundle is damaged, cannot be what this version measures, or is there already.
    """
    campaign = Campaign(name, root)
    if not _NAME.fullmatch(name) or campaign.is_local:
        raise UserError(
            f"invalid name '{name}': use <machine>-<scale>-<date>, lower case letters, digits and hyphens"
        )
    if campaign.results.exists():
        raise UserError(f"{campaign.results} exists: choose another --name")
    bundle, records = read_bundle(path)
    if stated_sha256 not in (None, bundle.sha256):
        raise UserError(
            f"{path} has SHA-256 {bundle.sha256}, its author states {stated_sha256}: ask for it again"
        )
    every = [record for of_file in records.values() for record in of_file]
    same = find_same(every, root)
    if same is not None:
        raise UserError(f"refused: campaign '{same}' holds these records")
    check_records(bundle, records, datetime.datetime.now(datetime.UTC))
    partial = campaign.results.with_name(f".{name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for file, of_file in records.items():
        write_records(partial / "runs" / file, list(of_file))
    partial.rename(campaign.results)
    return campaign
