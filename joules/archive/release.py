"""A campaign as others can cite it: a Frictionless data package, an RO-Crate, metadata of a deposit, a
README, one archive."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from joules.analysis import columns
from joules.archive import explorer, manifest
from joules.archive.codebook import codebook
from joules.errors import UserError
from joules.study.campaign import CAMPAIGN, Campaign
from joules.study.citation import author_name, citation
from joules.study.design import load_design
from joules.study.fingerprint import file_sha256
from joules.study.repository import repository_root

DATA_LICENCE = {
    "name": "CC0-1.0",
    "title": "Creative Commons Zero v1.0 Universal",
    "path": "https://creativecommons.org/publicdomain/zero/1.0/",
}
_TYPES = {"i": "integer", "f": "number", "b": "boolean"}
# An archive's bytes depend on its content alone.
_ZIP_DATE = (2026, 1, 1, 0, 0, 0)


def release(campaign: Campaign) -> list[Path]:
    """Writes `datapackage.json`, `ro-crate-metadata.json`, `deposit.json`, `README.md` and
    `results/<campaign>.zip`; returns their paths.

    Raises UserError where the campaign does not verify, where its page is another one's, or where nobody has
    said what a column means: nothing unproven or unexplained is released.
    """
    for _ in manifest.verify(campaign):
        pass
    page = campaign.explorer
    if not page.exists() or page.read_text(encoding="utf-8") != explorer.page(campaign):
        raise UserError(f"{page} is not what the campaign gives: {campaign.again('explorer')}")
    package, crate = campaign.results / "datapackage.json", campaign.results / "ro-crate-metadata.json"
    deposit = campaign.results / "deposit.json"
    described = _datapackage(campaign)
    _write(package, described)
    _write(crate, _crate(campaign))
    _write(deposit, _deposit(campaign))
    readme = campaign.results / "README.md"
    readme.write_text(codebook(described, _machine(campaign), _instruments(campaign)), encoding="utf-8")
    archive = campaign.archive
    _archive(campaign, archive, [package, crate, deposit, readme, page])
    return [package, crate, deposit, readme, archive]


def _write(path: Path, body: dict[str, Any]) -> None:
    path.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _tables(campaign: Campaign) -> Iterator[tuple[str, Path]]:
    for experiment in campaign.experiments():
        for path in sorted(campaign.tables(experiment).glob("*.csv")):
            yield experiment, path


def _machine(campaign: Campaign) -> pd.Series:
    return pd.read_csv(campaign.tables(CAMPAIGN) / "machine.csv").iloc[0]


def _instruments(campaign: Campaign) -> pd.DataFrame:
    return pd.read_csv(campaign.tables(CAMPAIGN) / "instruments.csv")


def _how(campaign: Campaign) -> str:
    """How the energy of each domain was read."""
    return ", ".join(f"{row.domain} {row.provenance}" for row in _instruments(campaign).itertuples())


def _described(campaign: Campaign) -> dict[str, str]:
    """What every catalogue is told of a campaign."""
    cited, machine = citation(), _machine(campaign)
    return {
        "title": f"{cited['title']}: campaign {campaign.name}",
        "description": (
            f"Energy of machine learning experiments at {machine['scale']} scale on a {machine['words']}. "
            f"Energy of every table by domain: {_how(campaign)}; a modelled energy is not a measurement."
        ),
        "version": str(cited["version"]),
        "created": machine["last_measured_at"],
    }


def _datapackage(campaign: Campaign) -> dict[str, Any]:
    authors = citation()["authors"]
    return {
        "profile": "tabular-data-package",
        "name": campaign.name,
        **_described(campaign),
        "licenses": [DATA_LICENCE],
        "contributors": [{"title": author_name(author), "role": "author"} for author in authors],
        "resources": [
            *(_resource(campaign, experiment, path) for experiment, path in _tables(campaign)),
            _plain_resource(campaign.claims, "", "claims", "Verdicts on the paper's claims"),
        ],
    }


def _deposit(campaign: Campaign) -> dict[str, Any]:
    """Metadata of a deposit of the archive, as the interface of Zenodo takes it."""
    cited, package = citation(), _described(campaign)
    return {
        "metadata": {
            "upload_type": "dataset",
            "title": package["title"],
            "description": package["description"],
            "version": package["version"],
            "publication_date": str(package["created"])[:10],
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


def _resource(campaign: Campaign, experiment: str, path: Path) -> dict[str, Any]:
    name = f"{experiment}-{path.stem}".replace("_", "-")
    resource = _plain_resource(path, experiment, name, f"{load_design(experiment).title}: {path.stem}")
    return resource | {"path": str(path.relative_to(campaign.results))}


def _plain_resource(path: Path, experiment: str, name: str, title: str) -> dict[str, Any]:
    table = pd.read_csv(path)
    schema: dict[str, Any] = {
        "fields": _fields(table, experiment, path.stem),
        "missingValues": [""],
    }
    key = _primary_key(table)
    if key:
        schema["primaryKey"] = key
    return {
        "name": name,
        "title": title,
        "path": path.name,
        "profile": "tabular-data-resource",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": path.stat().st_size,
        "hash": f"sha256:{file_sha256(path)}",
        "schema": schema,
    }


def _fields(table: pd.DataFrame, experiment: str, name: str) -> list[dict[str, Any]]:
    meanings = {column: columns.meaning(experiment, name, column) for column in table}
    unknown = [column for column, words in meanings.items() if words is None]
    if unknown:
        raise UserError(
            f"nobody has said what {', '.join(unknown)} of {experiment}/{name}.csv mean: add them to "
            f"experiments/{experiment}/{columns.FILE}"
        )
    return [_field(column, table[column]) | {"description": words} for column, words in meanings.items()]


def _field(name: str, column: pd.Series) -> dict[str, Any]:
    kind = _TYPES.get(column.dtype.kind, "string") if column.notna().any() else "any"
    unit = columns.unit(name)
    return {"name": name, "type": kind} | ({"unit": unit} if unit and kind != "string" else {})


def _primary_key(table: pd.DataFrame) -> list[str]:
    """The fewest leading columns whose cells are all present and together name a row."""
    for count in range(1, min(len(table.columns), 4) + 1):
        columns = list(table.columns[:count])
        if table[columns].isna().any(axis=None):
            return []
        if not table.duplicated(columns).any():
            return columns
    return []


def _crate(campaign: Campaign) -> dict[str, Any]:
    cited, machine = citation(), _machine(campaign)
    energy = pd.read_csv(campaign.tables(CAMPAIGN) / "energy.csv")
    how = _how(campaign)
    paths = [
        path.relative_to(campaign.results) for path in manifest.listed(campaign) if _inside(campaign, path)
    ]
    authors = [
        {
            "@id": f"#author-{place}",
            "@type": "Organization" if "name" in author else "Person",
            "name": author_name(author),
        }
        for place, author in enumerate(cited["authors"])
    ]
    usage = [
        ("energy", f"{energy['spent_j'].sum():.9g}", "http://qudt.org/vocab/unit/J", "joules"),
        ("duration", f"{energy['spent_s'].sum():.9g}", "http://qudt.org/vocab/unit/SEC", "seconds"),
    ]
    graph: list[dict[str, Any]] = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": f"{cited['title']}: campaign {campaign.name}",
            "description": (
                f"Records, tables and verdicts of campaign {campaign.name}, {machine['scale']} scale, "
                f"measured on a {machine['words']}. Energy by domain: {how}."
            ),
            "datePublished": str(machine["last_measured_at"])[:10],
            "version": str(cited["version"]),
            "license": {"@id": DATA_LICENCE["path"]},
            "author": [{"@id": author["@id"]} for author in authors],
            "hasPart": [{"@id": str(path)} for path in paths],
            "mentions": [{"@id": "#campaign"}],
        },
        {
            "@id": DATA_LICENCE["path"],
            "@type": "CreativeWork",
            "name": DATA_LICENCE["title"],
            "description": DATA_LICENCE["title"],
            "identifier": DATA_LICENCE["name"],
        },
        *authors,
        {
            "@id": "#software",
            "@type": "SoftwareApplication",
            "name": cited["title"],
            "version": str(cited["version"]),
            "url": cited.get("repository-code", "https://w3id.org/ro/crate"),
        },
        {
            "@id": "#campaign",
            "@type": "CreateAction",
            "name": f"Measuring campaign {campaign.name}",
            "description": f"Runs of {', '.join(campaign.measured_experiments())} on a {machine['words']}",
            "instrument": {"@id": "#software"},
            "agent": {"@id": authors[0]["@id"]},
            "startTime": machine["first_measured_at"],
            "endTime": machine["last_measured_at"],
            "result": [{"@id": str(path)} for path in paths if path.suffix == ".jsonl"],
            "resourceUsage": [{"@id": f"#usage-{name}"} for name, *_ in usage],
        },
        *(
            {
                "@id": f"#usage-{name}",
                "@type": "PropertyValue",
                "name": f"{name} of the campaign",
                "propertyID": f"#{name}",
                "value": value,
                "unitCode": unit,
                "unitText": words,
                "description": f"Whole machine, set-up of runs included; {how}",
            }
            for name, value, unit, words in usage
        ),
        *(
            {
                "@id": str(path),
                "@type": "File",
                "name": f"{path.parent.name}/{path.name}",
                "description": _words_of(path),
                "encodingFormat": {"csv": "text/csv", "json": "application/json"}.get(
                    path.suffix[1:], "application/jsonl"
                ),
                "contentSize": str((campaign.results / path).stat().st_size),
                "sha256": file_sha256(campaign.results / path),
            }
            for path in paths
        ),
    ]
    terms = "https://w3id.org/ro/terms/workflow-run#"
    return {
        "@context": [
            "https://w3id.org/ro/crate/1.1/context",
            {"resourceUsage": f"{terms}resourceUsage", "sha256": f"{terms}sha256"},
        ],
        "@graph": graph,
    }


def _words_of(path: Path) -> str:
    if path.suffix == ".jsonl":
        return f"Records of {path.parent.name}, one run or idle reading a line, each with its own SHA-256"
    if path.suffix == ".json":
        return f"Hashes of the tables of {path.parent.name} and of the records they were made from"
    return f"Table {path.stem} of {path.parent.name}"


def _inside(campaign: Campaign, path: Path) -> bool:
    return path.is_relative_to(campaign.results)


def _archive(campaign: Campaign, archive: Path, written: list[Path]) -> None:
    """Everything of the campaign with the licences and the citation, laid out as in the repository: the paths
    that files speak of one another by hold there, links of the paper among them."""
    root = repository_root()
    parts = [*manifest.listed(campaign), campaign.manifest, *written]
    named = {campaign.relative(path): path for path in parts}
    named |= {name: root / name for name in ("CITATION.cff", "LICENSE", "LICENSES/CC0-1.0.txt")}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(named):
            entry = zipfile.ZipInfo(f"{campaign.name}/{name}", _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, named[name].read_bytes())
