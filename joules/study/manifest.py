"""What a campaign's manifest states: its files, what measured it, and the version that made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from joules.errors import UserError
from joules.models import Closed, read_json
from joules.study.campaign import Campaign, other_releases
from joules.study.config import LOCAL
from joules.study.fingerprint import check_unchanged, present_sha256
from joules.version import VERSION


class Origin(Closed):
    """On what a campaign was measured, and by which code.

    `machine` is the id of the machine, `words` what a person calls it, `energy` how its energy was read;
    `fingerprints` names the code of each arm by experiment. Times are ISO 8601 in UTC. `first_seed` is the
    seed of block 0; manifests of earlier versions lack it.
    """

    machine: str
    words: str
    scale: str
    energy: str
    first_measured_at: str
    last_measured_at: str
    fingerprints: Mapping[str, Mapping[str, str]]
    first_seed: int | None = None

    def is_repeat_of(self, other: Origin) -> bool:
        """Whether both ran the same code on the same machine at the same scale, as far as they share arms."""
        shared = [
            (arms[arm], other.fingerprints[experiment][arm])
            for experiment, arms in self.fingerprints.items()
            for arm in arms.keys() & other.fingerprints.get(experiment, {}).keys()
        ]
        alike = (self.machine, self.scale) == (other.machine, other.scale)
        return alike and bool(shared) and all(here == there for here, there in shared)


class Manifest(Closed):
    """What a campaign consists of: SHA-256 of every file by its name, the options it was made with, and the
    version of this code that made it from its records. A retired campaign keeps only records and claims, and
    the verdicts that a later version gave, `reanalysed_by`."""

    campaign: str
    version: str
    is_retired: bool = False
    reanalysed_by: str | None = None
    origin: Origin
    experiments: list[str]
    options: dict[str, Any]
    files: dict[str, str]

    @property
    def is_whole(self) -> bool:
        """Whether this version made the campaign and everything that it made is kept."""
        return self.version == VERSION and not self.is_retired


def store_manifest(campaign: Campaign, manifest: Manifest) -> None:
    """Writes the manifest of a campaign."""
    body = manifest.model_dump(mode="json", exclude_defaults=True)
    campaign.manifest.write_text(json.dumps(body, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def check_listed_records(campaign: Campaign) -> None:
    """Holds the records of a released campaign against its manifest, before anything is built from them.

    A campaign without a manifest is about to be released.

    Raises:
        UserError: a file of records is missing, was modified, or is not listed.
    """
    if campaign.is_local or not campaign.manifest.exists():
        return
    remedy = f"restore it, or delete {campaign.manifest} to release other records"
    stated = {
        campaign.file_of(name): digest
        for name, digest in read_manifest(campaign, remedy).files.items()
        if campaign.file_of(name).is_relative_to(campaign.runs)
    }
    for path, digest in stated.items():
        present = present_sha256(path)
        if present != digest:
            fault = "is missing" if present is None else "was modified"
            raise UserError(f"{path} {fault}, {campaign.manifest} lists it: {remedy}")
    for path in sorted(path for path in campaign.runs.rglob("*") if path.is_file()):
        if path not in stated:
            raise UserError(
                f"{path} is not listed in {campaign.manifest}: delete it, "
                f"or delete {campaign.manifest} to release other records"
            )


def read_manifest(campaign: Campaign, remedy: str | None = None) -> Manifest:
    """The manifest of a campaign; `remedy` is what to do where it is not one.

    Raises:
        UserError: it is missing, incomplete or another campaign's.
    """
    rebuild = remedy or campaign.rerun_hint("manifest")
    body = read_json(campaign.manifest, "run the workflow first", rebuild)
    try:
        manifest = Manifest.model_validate(body)
    except ValidationError:
        manifest = None
    if manifest is None or manifest.campaign != campaign.name:
        raise UserError(f"{campaign.manifest} was modified, it is not that of {campaign.name}: {rebuild}")
    return manifest


def newest_whole_release(root: Path = Path()) -> Campaign | None:
    """The campaign released last whose tables are in the tree; None if there is none."""
    whole = [each for each in other_releases(Campaign(LOCAL, root)) if each.tables("campaign").is_dir()]
    return max(whole, key=lambda each: read_manifest(each).origin.last_measured_at, default=None)


def released_claims(campaign: Campaign) -> Path:
    """The latest verdicts on a campaign. Raises UserError where a released one's manifest lists others."""
    path = campaign.latest_claims
    stated = None if campaign.is_local else read_manifest(campaign).files.get(campaign.relative(path))
    if stated is not None:
        check_unchanged(path, stated, "released", "restore it")
    return path
