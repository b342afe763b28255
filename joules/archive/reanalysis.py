"""Evaluates the current claims on the records of a campaign that an earlier version released."""

from __future__ import annotations

from pathlib import Path

from joules.analysis.origin import describe_setting
from joules.analysis.records import concat
from joules.analysis.steps import cached_loader, tabulate_records
from joules.archive.verification import check_records, read_config
from joules.errors import UserError
from joules.paper.claims import evaluate_tables
from joules.study.campaign import Campaign, other_releases
from joules.study.config import LOCAL
from joules.study.fingerprint import file_sha256
from joules.study.manifest import read_manifest, store_manifest
from joules.version import VERSION


def list_retired() -> list[Campaign]:
    """Released campaigns of which only records and claims are kept."""
    return [each for each in other_releases(Campaign(LOCAL)) if read_manifest(each).is_retired]


def reanalyse_campaign(campaign: Campaign) -> Path:
    """Makes the tables of a retired campaign in memory, and stores its verdicts beside those it was released
    with. Their hash and the first seed are added to its manifest; the records stay as they
    are.

    Returns:
        Path of the verdicts.

    Raises:
        UserError: If the campaign is not retired, or a record does not match the manifest.
    """
    manifest = read_manifest(campaign)
    if not manifest.is_retired:
        raise UserError(f"campaign '{campaign.name}' is not retired: {campaign.rerun_hint('evaluate')}")
    config = read_config(campaign, manifest)
    load = cached_loader(campaign, config)
    loaded = check_records(campaign, manifest, load)
    made = {
        name: tabulate_records(name, concat([load(each) for each in campaign.sources(name, config)]))
        for name in loaded
    }
    setting = describe_setting(loaded.values())
    verdicts = evaluate_tables(made).assign(**setting)
    path = campaign.reanalysis
    verdicts.to_csv(path, index=False, lineterminator="\n")
    files = {**manifest.files, campaign.relative(path): file_sha256(path)}
    origin = manifest.origin.model_copy(update={"first_seed": setting["first_seed"]})
    changed = {"files": files, "origin": origin, "reanalysed_by": VERSION}
    store_manifest(campaign, manifest.model_copy(update=changed))
    return path
