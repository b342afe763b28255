"""Reduces a released campaign to its records once a newer campaign has replaced it."""

from __future__ import annotations

import gzip
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd

from joules.archive.verification import check_records
from joules.errors import UserError
from joules.study.campaign import Campaign
from joules.study.files import COMPRESSED
from joules.study.manifest import Manifest, read_manifest, store_manifest

_PAGE = """# Campaign {name}

Measured on a {machine} at `{scale}` scale from {first} to {last} (UTC).
Energy: {energy}. Released by version {version}.

| experiment | runs |
|---|---|
{experiments}

Verdicts on the claims of the paper ([claims.csv](claims.csv)): {verdicts}.

`runs/` holds every record, one compressed file per block:
`zcat runs/<experiment>/block-0.jsonl.gz` prints one run or idle measurement per line. `manifest.json` lists
the SHA-256 of each file that version {version} released; that of a record file is of its content.

```sh
# Check that the records are what was released
joules trace --verify --campaign {name}
# Make tables, figures and paper with the code at hand ('git restore results' undoes it)
snakemake --cores all --config campaign={name}
# Get the code that made the released ones
git checkout v{version}
```

Records and verdicts are in the public domain (CC0-1.0). Cite `CITATION.cff` and the name of the campaign.
"""


def retire_campaign(campaign: Campaign) -> Path:
    """Keeps the compressed records, the manifest, the claims and a README of a campaign; deletes the rest.

    Args:
        campaign: A released campaign.

    Returns:
        Path of the README.

    Raises:
        UserError: If the campaign is 'local', or a record does not match the manifest.
    """
    if campaign.is_local:
        raise UserError("campaign 'local' is not released: name a released one with --campaign")
    manifest = read_manifest(campaign)
    counts = {
        experiment: len(records.cells.runs["arm"])
        for experiment, records in check_records(campaign, manifest).items()
    }
    for path in sorted(campaign.runs.glob("*/*.jsonl")):
        _compress(path)
    kept = {campaign.runs, campaign.manifest, campaign.claims, campaign.reanalysis}
    for path in [*campaign.results.iterdir(), campaign.figures, campaign.build]:
        if path.is_dir() and path not in kept:
            shutil.rmtree(path)
        elif path not in kept:
            path.unlink(missing_ok=True)
    store_manifest(campaign, manifest.model_copy(update={"is_retired": True}))
    page = campaign.results / "README.md"
    page.write_text(_page(campaign, manifest, counts), encoding="utf-8")
    return page


def _compress(path: Path) -> None:
    """Replaces a file by its compressed form, with the same bytes on every machine."""
    packed = gzip.compress(path.read_bytes(), compresslevel=9, mtime=0)
    path.with_name(path.name + COMPRESSED).write_bytes(packed)
    path.unlink()


def _page(campaign: Campaign, manifest: Manifest, counts: dict[str, int]) -> str:
    verdicts = Counter(pd.read_csv(campaign.claims)["verdict"])
    origin = manifest.origin
    return _PAGE.format(
        name=campaign.name,
        machine=origin.words,
        scale=origin.scale,
        first=origin.first_measured_at[:16].replace("T", " "),
        last=origin.last_measured_at[:16].replace("T", " "),
        energy=origin.energy,
        version=manifest.version,
        experiments="\n".join(f"| {name} | {count} |" for name, count in counts.items()),
        verdicts=", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()),
    )
