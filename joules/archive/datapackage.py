"""The Frictionless data package of a campaign: its tables with types, units and meanings of their columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from joules.analysis import columns
from joules.analysis.tables import read_table
from joules.archive.metadata import DATA_LICENCE, describe_campaign
from joules.errors import UserError
from joules.study.campaign import Campaign
from joules.study.citation import author_name, citation
from joules.study.design import load_design
from joules.study.fingerprint import file_sha256

_TYPES = {"i": "integer", "f": "number", "b": "boolean"}
_MAX_KEY_COLUMNS = 4
# Columns that name a row of another table: of the experiment, or of the campaign.
_OWN_KEYS = (["arm"], ["statistic"])
_SHARED_KEYS = (["power_model"], ["experiment", "claim"])


def describe_package(campaign: Campaign) -> dict[str, Any]:
    """Describes the tables of a campaign as a data package (https://specs.frictionlessdata.io).

    Args:
        campaign: A campaign with tables and verdicts.

    Returns:
        The content of `datapackage.json`.

    Raises:
        UserError: If a column has no description.
    """
    resources = [
        describe_table(path, experiment, f"{load_design(experiment).title}: {path.stem}")
        | {
            "name": _resource_name(experiment, path.stem),
            "path": str(path.relative_to(campaign.results)),
        }
        for experiment in campaign.experiments()
        for path in sorted(campaign.tables(experiment).glob("*.csv"))
    ]
    resources.append(describe_table(campaign.claims, "", "Verdicts on the claims of the paper"))
    _add_foreign_keys(campaign, resources)
    return {
        "profile": "tabular-data-package",
        "name": campaign.name,
        **describe_campaign(campaign),
        "licenses": [DATA_LICENCE],
        "contributors": [
            {"title": author_name(author), "role": "author"} for author in citation()["authors"]
        ],
        "resources": resources,
    }


def describe_table(path: Path, experiment: str, title: str) -> dict[str, Any]:
    """Describes a table as a resource of a data package.

    Args:
        path: The CSV file.
        experiment: Experiment that the table belongs to; empty for the table of claims.
        title: Title of the table.

    Raises:
        UserError: If a column or the rows have no description.
    """
    table = read_table(path)
    schema: dict[str, Any] = {"fields": _fields(table, experiment, path.stem), "missingValues": [""]}
    key = find_primary_key(table)
    if key:
        schema["primaryKey"] = key
    row = columns.row_meaning(experiment, path.stem)
    if row is None:
        raise UserError(
            f"no description of a row of {experiment}/{path.stem}.csv: say what it is under 'rows' in "
            f"experiments/{experiment}/{columns.FILE}"
        )
    return {
        "name": path.stem,
        "title": title,
        "description": f"One row per {row}.",
        "path": path.name,
        "profile": "tabular-data-resource",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": path.stat().st_size,
        "hash": f"sha256:{file_sha256(path)}",
        "schema": schema,
    }


def describe_column(name: str, column: pd.Series) -> dict[str, Any]:
    """Name and type of a column; its unit, with the code that UCUM (https://ucum.org) has for it."""
    kind = _TYPES.get(column.dtype.kind, "string") if column.notna().any() else "any"
    unit = columns.unit(name) if kind != "string" else None
    code = columns.UCUM.get(unit or "")
    return {"name": name, "type": kind} | ({"unit": unit} if unit else {}) | ({"ucum": code} if code else {})


def find_primary_key(table: pd.DataFrame) -> list[str]:
    """The fewest leading columns, at most four, that have no empty cell and identify a row; else none."""
    if table.empty:
        return []
    for count in range(1, min(len(table.columns), _MAX_KEY_COLUMNS) + 1):
        leading = list(table.columns[:count])
        if table[leading].isna().any(axis=None):
            return []
        if not table.duplicated(leading).any():
            return leading
    return []


def _resource_name(experiment: str, table: str) -> str:
    return f"{experiment}-{table}".replace("_", "-")


def _add_foreign_keys(campaign: Campaign, resources: list[dict[str, Any]]) -> None:
    """Adds to each table that names arms, statistics, power models or claims a reference to the first table
    that has one row for each of them: a table of its experiment, or of the campaign."""
    for key in (*_OWN_KEYS, *_SHARED_KEYS):
        targets = [each for each in resources if each["schema"].get("primaryKey") == key]
        known = {each["name"]: set(_cells(campaign, each, key)) for each in targets}
        for resource in resources:
            if not set(key) <= {field["name"] for field in resource["schema"]["fields"]}:
                continue
            named = set(_cells(campaign, resource, key))
            for target in targets:
                is_near = key in _SHARED_KEYS or _folder(target) == _folder(resource)
                if is_near and target is not resource and named <= known[target["name"]]:
                    resource["schema"].setdefault("foreignKeys", []).append(
                        {"fields": key, "reference": {"resource": target["name"], "fields": key}}
                    )
                    break


def _folder(resource: Mapping[str, Any]) -> Path:
    return Path(resource["path"]).parent


def _cells(campaign: Campaign, resource: Mapping[str, Any], key: list[str]) -> Iterable[tuple[str, ...]]:
    cells = pd.read_csv(campaign.results / resource["path"], usecols=key, dtype=str)[key]
    return cells.dropna().drop_duplicates().itertuples(index=False, name=None)


def _fields(table: pd.DataFrame, experiment: str, name: str) -> list[dict[str, Any]]:
    meanings = {column: columns.meaning(experiment, name, column) for column in table}
    unknown = [column for column, words in meanings.items() if words is None]
    if unknown:
        raise UserError(
            f"columns without a description: {', '.join(unknown)} ({experiment}/{name}.csv); describe them "
            f"in experiments/{experiment}/{columns.FILE}"
        )
    return [
        describe_column(column, table[column]) | {"description": words} for column, words in meanings.items()
    ]
