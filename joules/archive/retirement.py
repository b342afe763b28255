"""A released campaign that a newer one has succeeded: its records stay, what can be made from them goes."""

from __future__ import annotations

import gzip
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd

from joules.archive.manifest import check_records
from joules.errors import UserError
from joules.study.campaign import Campaign
from joules.study.files import COMPRESSED
from joules.study.manifest import Manifest, read_manifest

_PAGE = """# Campaign {name}

Measured on a {machine} at `{scale}` scale from {first} to {last} (UTC).
Energy: {energy}. Released by version {version}.

| experiment | runs |
|---|---|
{experiments}

Verdicts on the claims of the paper ([claims.csv](claims.csv)): {verdicts}.

`runs/` holds every record as it was taken, one compressed file a block:
`zcat runs/<experiment>/block-0.jsonl.gz` prints a run or an idle reading a line. `manifest.json` lists the
SHA-256 of each file that version {version} released; that of a record file is of its content.

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


def retire(campaign: Campaign) -> Path:
    """Reduces a released campaign to its records (compressed), manifest, claims and a page; returns the page.

    Raises:
        UserError: the campaign is the reader's own, or a record is not what its manifest lists.
    """
    if campaign.is_local:
        raise UserError("'local' is not a released campaign: name one with --campaign")
    manifest = read_manifest(campaign)
    counts = {
        experiment: len(records.cells.runs["arm"])
        for experiment, records in check_records(campaign, manifest).items()
    }
    for path in sorted(campaign.runs.glob("*/*.jsonl")):
        _compress(path)
    for folder in (campaign.results / "tables", campaign.figures, campaign.build):
        shutil.rmtree(folder, ignore_errors=True)
    kept = {campaign.runs, campaign.manifest, campaign.claims}
    for path in campaign.results.iterdir():
        if path not in kept and path.is_file():
            path.unlink()
    page = campaign.results / "README.md"
    page.write_text(_page(campaign, manifest, counts), encoding="utf-8")
    return page


def _compress(path: Path) -> None:
    """Replaces a file by its compressed form, the same bytes on every machine."""
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
