"""BibTeX entries of the artifact, of a campaign and of one of its files."""

from __future__ import annotations

import re

from joules.errors import UserError
from joules.models import did_you_mean
from joules.study.campaign import Campaign
from joules.study.citation import author_name, citation
from joules.study.manifest import read_manifest


def cite(campaign: Campaign, file: str | None = None) -> str:
    """Writes the BibTeX entry of a campaign, or of one of its files, and that of the artifact.

    Args:
        campaign: A campaign with a manifest.
        file: A file as its manifest lists it, such as `results/<campaign>/tables/grokking/arms.csv`, or the
            end of that path.

    Returns:
        Two entries. That of a campaign names its machine, its day and how its energy was read; that of a file
        has its SHA-256 as well. `version` is the one that made the campaign.

    Raises:
        UserError: If the campaign has no manifest, or no or several files end so.
    """
    cited, manifest = citation(), read_manifest(campaign)
    origin = manifest.origin
    authors = {"author": " and ".join(f"{{{author_name(author)}}}" for author in cited["authors"])}
    title, key = f"Campaign {campaign.name}", campaign.name
    note = f"measured on a {origin.words} until {origin.last_measured_at[:10]}; energy: {origin.energy}"
    if file is not None:
        name = _find(file, manifest.files, campaign.name)
        short = name.removeprefix(f"results/{campaign.name}/")
        title, key = f"{short} of campaign {campaign.name}", f"{campaign.name}-{short}"
        note = f"SHA-256 {manifest.files[name]}; {note}"
    data = {"title": title, **authors, "year": origin.last_measured_at[:4], "version": manifest.version}
    code = {
        "title": f"{{{cited['title']}}}",
        **authors,
        "year": str(cited["date-released"])[:4],
        "version": str(cited["version"]),
    }
    return "\n\n".join(
        (_entry("misc", key, {**data, "note": note}), _entry("software", "energy-of-machine-learning", code))
    )


def _find(file: str, files: dict[str, str], campaign: str) -> str:
    found = [name for name in files if f"/{name}".endswith(f"/{file}")]
    if len(found) > 1:
        raise UserError(f"campaign '{campaign}' has several files '{file}': name one of {', '.join(found)}")
    if not found:
        raise UserError(f"campaign '{campaign}' has no file '{file}' ({did_you_mean(file, files)})")
    return found[0]


def _entry(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = (f"  {name} = {{{text}}}," for name, text in fields.items())
    return "\n".join((f"@{kind}{{{re.sub(r'[^a-z0-9]+', '-', key.lower())},", *lines, "}"))
