"""Releases a campaign: a data package, an RO-Crate, metadata of a deposit, a README and an archive."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from joules.archive import explorer
from joules.archive.codebook import write_codebook
from joules.archive.crate import WORKFLOW, describe_crate
from joules.archive.datapackage import describe_package
from joules.archive.metadata import describe_campaign, read_instruments, read_machine
from joules.archive.verification import list_files, verify_campaign
from joules.errors import UserError
from joules.study.campaign import Campaign
from joules.study.citation import citation
from joules.study.manifest import read_manifest
from joules.study.repository import repository_root

# A fixed date, so that the bytes of an archive depend on its content alone.
_ZIP_DATE = (2026, 1, 1, 0, 0, 0)


def release(campaign: Campaign) -> list[Path]:
    """Writes what others need to find, cite and use a campaign.

    Args:
        campaign: A campaign whose paper, manifest and explorer are built.

    Returns:
        `datapackage.json`, `ro-crate-metadata.json`, `deposit.json`, `README.md`, `results/<campaign>.zip`.

    Raises:
        UserError: If the campaign does not verify, its explorer is not made from it, or a column of a table
            has no description.
    """
    for _ in verify_campaign(campaign):
        pass
    page = campaign.explorer
    if not page.exists() or page.read_text(encoding="utf-8") != explorer.render_page(campaign):
        raise UserError(f"{page} does not match the campaign: {campaign.rerun_hint('explorer')}")
    package = describe_package(campaign)
    texts = {
        "datapackage.json": _format_json(package),
        "ro-crate-metadata.json": _format_json(describe_crate(campaign)),
        "deposit.json": _format_json(_describe_deposit(campaign)),
        "README.md": write_codebook(package, read_machine(campaign), read_instruments(campaign)),
    }
    written = []
    for name, text in texts.items():
        written.append(campaign.results / name)
        written[-1].write_text(text, encoding="utf-8")
    _write_archive(campaign, [*written, page])
    return [*written, campaign.archive]


def _format_json(body: dict[str, Any]) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _describe_deposit(campaign: Campaign) -> dict[str, Any]:
    """Metadata for a deposit of the archive, in the form of Zenodo's API."""
    cited, described = citation(), describe_campaign(campaign)
    return {
        "metadata": {
            "upload_type": "dataset",
            "title": described["title"],
            "description": described["description"],
            "version": described["version"],
            "publication_date": described["created"][:10],
            "license": "cc0-1.0",
            "access_right": "open",
            "keywords": cited.get("keywords", []),
            "creators": [
                {
                    "name": f"{author['family-names']}, {author['given-names']}"
                    if "family-names" in author
                    else author["name"]
                }
                | ({"orcid": author["orcid"].rpartition("/")[2]} if "orcid" in author else {})
                for author in cited["authors"]
            ],
        }
    }


def list_members(campaign: Campaign, written: Sequence[Path]) -> dict[str, Path]:
    """The files of a campaign's archive by their path in it: what the manifest lists, what a release writes,
    licences, citation, and the workflow with the designs and claims that it reads.

    The layout is that of the repository: paths between files stay valid, links of the paper included.
    """
    root = repository_root()
    inputs = [
        root / "experiments" / name / file
        for name in read_manifest(campaign).experiments
        for file in ("design.yaml", "claims.yaml")
    ]
    workflow = [root / WORKFLOW, *(path for path in sorted((root / "workflow").rglob("*")) if path.is_file())]
    stated = [root / name for name in ("CITATION.cff", "LICENSE", "LICENSES/CC0-1.0.txt")]
    made = [*list_files(campaign), campaign.manifest, *written]
    return {path.relative_to(campaign.root).as_posix(): path for path in made} | {
        path.relative_to(root).as_posix(): path for path in (*inputs, *workflow, *stated)
    }


def _write_archive(campaign: Campaign, written: Sequence[Path]) -> None:
    """Packs the campaign as an RO-Crate of its own, which has the workflow."""
    members = list_members(campaign, written)
    with zipfile.ZipFile(campaign.archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(members):
            add_member(packed, f"{campaign.name}/{name}", members[name].read_bytes())
        body = _format_json(describe_crate(campaign, members))
        add_member(packed, f"{campaign.name}/ro-crate-metadata.json", body.encode())


def add_member(packed: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Adds a file to an archive, with the same bytes on every machine and day."""
    member = zipfile.ZipInfo(name, _ZIP_DATE)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    packed.writestr(member, content)
