"""The RO-Crate of a campaign: its files, who made them and with what, and the energy that it took."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from joules.archive.metadata import DATA_LICENCE, describe_campaign, describe_provenance, read_machine
from joules.archive.verification import list_files
from joules.study.campaign import CAMPAIGN, Campaign
from joules.study.citation import author_name, citation
from joules.study.files import COMPRESSED

_TERMS = "https://w3id.org/ro/terms/workflow-run#"
_FORMATS = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".gz": "application/gzip",
}


def describe_crate(campaign: Campaign) -> dict[str, Any]:
    """Describes a campaign as an RO-Crate 1.1 (https://w3id.org/ro/crate/1.1).

    Args:
        campaign: A campaign with tables and a manifest.

    Returns:
        The content of `ro-crate-metadata.json`: the same for the same files.
    """
    cited, machine, described = citation(), read_machine(campaign), describe_campaign(campaign)
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms = {name: f"{_TERMS}{name}" for name in ("resourceUsage", "sha256")}

    def add(identifier: str, kind: str, /, **properties: Any) -> ContextEntity:
        return crate.add(ContextEntity(crate, identifier, {"@type": kind, **properties}))

    files = [_add_file(crate, campaign, path) for path in list_files(campaign)]
    authors = [
        add(
            f"#author-{place}",
            "Organization" if "name" in author else "Person",
            name=author_name(author),
        )
        for place, author in enumerate(cited["authors"])
    ]
    software = add("#software", "SoftwareApplication", name=cited["title"], version=str(cited["version"]))
    if "repository-code" in cited:
        software["url"] = cited["repository-code"]
    energy = pd.read_csv(campaign.tables(CAMPAIGN) / "energy.csv")
    usage = [
        add(
            f"#usage-{name}",
            "PropertyValue",
            name=f"{name} of the campaign",
            propertyID=f"#{name}",
            value=f"{energy[column].sum():.9g}",
            unitCode=f"http://qudt.org/vocab/unit/{unit}",
            unitText=words,
            description=f"Whole machine, set-up of runs included; {describe_provenance(campaign)}",
        )
        for name, column, unit, words in (
            ("energy", "spent_j", "J", "joules"),
            ("duration", "spent_s", "SEC", "seconds"),
        )
    ]
    action = add(
        "#campaign",
        "CreateAction",
        name=f"Measurement of campaign {campaign.name}",
        description=f"Runs of {', '.join(campaign.measured_experiments())} on a {machine['words']}",
        startTime=machine["first_measured_at"],
        endTime=machine["last_measured_at"],
    )
    action["instrument"], action["agent"], action["resourceUsage"] = software, authors[0], usage
    action["result"] = [
        file for file in files if file is not None and file.id.removesuffix(COMPRESSED).endswith(".jsonl")
    ]
    licence = add(
        DATA_LICENCE["path"],
        "CreativeWork",
        name=DATA_LICENCE["title"],
        description=DATA_LICENCE["title"],
        identifier=DATA_LICENCE["name"],
    )
    root = crate.root_dataset
    root["name"], root["description"], root["version"] = (
        described[name] for name in ("title", "description", "version")
    )
    root["datePublished"] = described["created"][:10]
    root["license"], root["author"], root["mentions"] = licence, authors, action
    metadata: dict[str, Any] = crate.metadata.generate()
    return metadata


def _add_file(crate: ROCrate, campaign: Campaign, path: Path) -> Any:
    """Adds a file of the campaign's results; None for a file of another folder."""
    if not path.is_relative_to(campaign.results):
        return None
    place = path.relative_to(campaign.results)
    return crate.add_file(
        path,
        str(place),
        properties={
            "name": f"{place.parent.name}/{place.name}",
            "description": _describe_file(place),
            "encodingFormat": _FORMATS[path.suffix],
            "contentSize": str(path.stat().st_size),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        },
    )


def _describe_file(path: Path) -> str:
    if ".jsonl" in path.suffixes:
        return f"Records of {path.parent.name}, one run or idle measurement per line, each with its SHA-256"
    if path.suffix == ".json":
        return f"Hashes of the tables of {path.parent.name} and of the records that they are made from"
    return f"Table {path.stem} of {path.parent.name}"
