"""File times of a released campaign in a clone, where they say nothing of what was made from what."""

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
    """Gives the files of a campaign the order of time in which they are made, once in a clone, so that
    Snakemake makes only what is missing or older than a source edited since.

    Nothing happens where a file is not what the campaign's manifest lists, or the manifest is none: what is
    amiss is then rebuilt as usual. Nor does it where this user may not set times, as in a clone that is
    another's.
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
            # A millisecond a stage: enough for an order, too little to be in anybody's future.
            at_ns = now_ns + 1_000_000 * _stage(campaign, path)
            os.utime(path, ns=(at_ns, at_ns))
        stamp.parent.mkdir(exist_ok=True)
        stamp.touch()


def _stage(campaign: Campaign, path: Path) -> int:
    """Place of a file on the way from records to release."""
    if path.is_relative_to(campaign.results):
        name = path.relative_to(campaign.results).parts[0]
        return {"runs": 0, "tables": 1, "claims.csv": 2, "manifest.json": 6}.get(name, 7)
    if path.is_relative_to(campaign.build):
        return 5 if path.name == "paper.pdf" else 4
    return 7 if path == campaign.archive else 3
