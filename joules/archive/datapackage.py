"""The Frictionless data package of a campaign: its tables with types, units and meanings of their columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from joules.analysis import columns
from joules.archive.metadata import DATA_LICENCE, describe_campaign
from joules.errors import UserError
from joules.study.campaign import Campaign
from joules.study.citation import author_name, citation
from joules.study.design import load_design
from joules.study.fingerprint import file_sha256

_TYPES = {"i": "integer", "f": "number", "b": "boolean"}
_MAX_KEY_COLUMNS = 4


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
            "name": f"{experiment}-{path.stem}".replace("_", "-"),
            "path": str(path.relative_to(campaign.results)),
        }
        for experiment in campaign.experiments()
        for path in sorted(campaign.tables(experiment).glob("*.csv"))
    ]
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
        UserError: If a column has no description.
    """
    table = pd.read_csv(path)
    schema: dict[str, Any] = {"fields": _fields(table, experiment, path.stem), "missingValues": [""]}
    key = find_primary_key(table)
    if key:
        schema["primaryKey"] = key
    return {
        "name": path.stem,
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
