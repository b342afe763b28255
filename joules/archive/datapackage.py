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
# Columns that name a row of another table of the experiment, and that table.
_KEYS = {"arm": "arms", "statistic": "statistics"}


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
    _add_foreign_keys(campaign, resources)
    return {
        "profile": "tabular-data-package",
        "name": campaign.name,
        **describe_campaign(campaign),
        "licenses": [DATA_LICENCE],
        "contributors": [
            {"title": author_name(author), "role": "author"} for author in citation()["authors"]
        ],
        "resources": [*resources, describe_table(campaign.claims, "", "Verdicts on the claims of the paper")],
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
    """Name, type and unit of a column."""
    kind = _TYPES.get(column.dtype.kind, "string") if column.notna().any() else "any"
    unit = columns.unit(name)
    return {"name": name, "type": kind} | ({"unit": unit} if unit and kind != "string" else {})


def find_primary_key(table: pd.DataFrame) -> list[str]:
    """The fewest leading columns, at most four, that have no empty cell and identify a row; else none."""
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
    """Adds to each table that names arms or statistics a reference to the table of its experiment that has a
    row for each, where it has every one of them."""
    by_name = {resource["name"]: resource for resource in resources}
    for experiment in campaign.experiments():
        for key, table in _KEYS.items():
            target = by_name.get(_resource_name(experiment, table))
            if target is None or target["schema"].get("primaryKey") != [key]:
                continue
            known = set(_cells(campaign, target, key))
            for resource in resources:
                is_own = resource["name"].startswith(_resource_name(experiment, ""))
                if is_own and resource is not target and _refers(campaign, resource, key, known):
                    resource["schema"].setdefault("foreignKeys", []).append(
                        {"fields": [key], "reference": {"resource": target["name"], "fields": [key]}}
                    )


def _refers(campaign: Campaign, resource: Mapping[str, Any], key: str, known: set[str]) -> bool:
    has_key = any(field["name"] == key for field in resource["schema"]["fields"])
    return has_key and set(_cells(campaign, resource, key)) <= known


def _cells(campaign: Campaign, resource: Mapping[str, Any], column: str) -> Iterable[str]:
    cells = pd.read_csv(campaign.results / resource["path"], usecols=[column], dtype=str)[column]
    return cells.dropna().unique()


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
