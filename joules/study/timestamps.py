"""Resets modification times after `git clone`, so that Snakemake rebuilds nothing of a released campaign."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from joules.errors import UserError
from joules.models import read_json
from joules.study.campaign import Campaign
from joules.study.fingerprint import present_sha256


def order_file_times(campaign: Campaign) -> None:
    """Sets the modification times of a campaign's files in the order in which they are made, once per clone.

    Snakemake then makes only what is missing or older than a source that was edited later. Nothing changes if
    a file differs from the campaign's manifest (Snakemake rebuilds it as usual), if the manifest cannot be
    read, or if this user may not set times.
    """
    stamp = campaign.root / ".snakemake" / f"settled-{campaign.name}"
    if stamp.exists() or not campaign.manifest.exists():
        return
    try:
        listed = read_json(campaign.manifest, "", "", ("files",))["files"]
    except UserError:
        return
    if not isinstance(listed, dict):
        return
    files = {campaign.file_of(name): digest for name, digest in listed.items()}
    for path, digest in files.items():
        if present_sha256(path) != digest:
            return
    now_ns = time.time_ns()
    packaged = [path for path in [*campaign.results.iterdir(), campaign.archive] if path.is_file()]
    with contextlib.suppress(OSError):
        for path in [*files, *packaged]:
            # A millisecond per stage keeps the order and is too short to lie in the future of a later step.
            at_ns = now_ns + 1_000_000 * _stage(campaign, path)
            os.utime(path, ns=(at_ns, at_ns))
        stamp.parent.mkdir(exist_ok=True)
        stamp.touch()


def _stage(campaign: Campaign, path: Path) -> int:
    """Position of a file in the order in which files are made, from 0 for evidence to 7 for a release."""
    if path.is_relative_to(campaign.results):
        name = path.relative_to(campaign.results).parts[0]
        stages = {"runs": 0, "tables": 1, "claims.csv": 2, "evaluated.json": 2, "manifest.json": 6}
        return stages.get(name, 7)
    if path.is_relative_to(campaign.build):
        return 5 if path.suffix in (".pdf", ".html") or path.name == "typeset.json" else 4
    if path.is_relative_to(campaign.figures):
        return 3
    return 7 if path == campaign.archive else 0
