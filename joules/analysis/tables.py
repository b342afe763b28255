"""CSV tables whose manifest shows any later change."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from joules.analysis.columns import text_columns
from joules.analysis.parallel import parallel_map
from joules.errors import UserError
from joules.models import read_json
from joules.study.campaign import Campaign
from joules.study.files import existing_file
from joules.study.fingerprint import check_unchanged, file_sha256

MANIFEST = "manifest.json"
# Rows of a table that are written at a time.
_ROWS = 20_000
_NUMBER = "%.9g\n"


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame], inputs: Mapping[str, str]) -> None:
    """Writes tables as CSV, with a manifest of their hashes.

    Other tables in the folder are deleted.

    Args:
        folder: where the tables are written.
        tables: tables by name.
        inputs: SHA-256 of the files that they were made from, by name in the campaign's folder of evidence.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Where writing is interrupted, no manifest says what the tables are, and they are made again.
    (folder / MANIFEST).unlink(missing_ok=True)
    for path in folder.glob("*.csv"):
        if path.stem not in tables:
            path.unlink()
    for name, table in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            file.writelines(_csv(table))
    manifest = {
        "tables": {name: file_sha256(folder / f"{name}.csv") for name in sorted(tables)},
        "inputs": dict(sorted(inputs.items())),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _csv(table: pd.DataFrame) -> Iterator[str]:
    """A table as CSV, in pieces. Truth values are `true` and `false`, which other languages read as such."""

    def piece(first: int) -> str:
        rows = table.iloc[first : first + _ROWS]
        printed = {name: _printed(rows[name]) for name in rows.select_dtypes("float")}
        printed |= {
            name: column.map({True: "true", False: "false"})
            for name, column in rows.items()
            if pd.api.types.infer_dtype(column, skipna=True) == "boolean"
        }
        return rows.assign(**printed).to_csv(index=False, header=first == 0, lineterminator="\n")

    return parallel_map(piece, range(0, max(len(table), 1), _ROWS))


def _printed(numbers: pd.Series) -> pd.Series:
    """Numbers with nine significant digits, which no reading exceeds and which are the same on every machine.

    All are formatted at once: one after another, as Pandas does, takes three times as long.
    """
    texts = np.array((_NUMBER * len(numbers) % tuple(numbers.tolist())).splitlines(), dtype=object)
    return pd.Series(np.where(numbers.isna(), "", texts), index=numbers.index, dtype=object)


def read_table(path: Path) -> pd.DataFrame:
    """Reads a table, which is in a folder named as its experiment. A column that is declared as text is one
    where all of its cells are empty, too."""
    text = text_columns(path.parent.name, path.stem)
    return pd.read_csv(path, dtype=dict.fromkeys(text, "str"))


class StoredTables(Mapping[str, pd.DataFrame]):
    """Tables of a folder by name, each read when it is first used."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._read: dict[str, pd.DataFrame | None] = dict.fromkeys(names)

    def __getitem__(self, name: str) -> pd.DataFrame:
        table = self._read[name]
        if table is None:
            table = self._read[name] = read_table(self._folder / f"{name}.csv")
        return table

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


def read_tables(campaign: Campaign, experiment: str) -> StoredTables:
    """Reads the tables of an experiment.

    Raises:
        UserError: where a table is missing or was modified after it was written.
    """
    return StoredTables(campaign.tables(experiment), verify_tables(campaign, experiment))


def list_tabulated(campaign: Campaign) -> list[str]:
    """Lists the experiments of a campaign that have records and tables, sorted.

    An experiment has records without tables if a build was interrupted and the next one leaves it out.
    """
    return [name for name in campaign.measured_experiments() if is_tabulated(campaign, name)]


def is_tabulated(campaign: Campaign, experiment: str) -> bool:
    """Whether the tables of an experiment were made."""
    return (campaign.tables(experiment) / MANIFEST).exists()


def verify_tables(campaign: Campaign, experiment: str) -> list[str]:
    """Checks the files of an experiment's tables against their manifest, and returns their names.

    Raises:
        UserError: where a table is missing or was modified after it was written.
    """
    stored = _manifest(campaign, experiment)["tables"]
    for name, stated in stored.items():
        path = campaign.tables(experiment) / f"{name}.csv"
        check_unchanged(path, stated, "tabulated", _remedy(campaign, experiment))
    return list(stored)


def read_inputs(campaign: Campaign, experiment: str) -> dict[str, str]:
    """Reads the SHA-256 of each file that an experiment's tables were made from.

    Raises:
        UserError: where their manifest is missing or damaged.
    """
    return _manifest(campaign, experiment)["inputs"]


def check_inputs(campaign: Campaign, experiment: str) -> None:
    """Checks an experiment's tables, and the files that they were made from, against their manifest.

    Raises:
        UserError: where one is missing or was modified since.
    """
    verify_tables(campaign, experiment)
    for name, stated in read_inputs(campaign, experiment).items():
        path = existing_file(campaign.evidence_folder(experiment) / name)
        check_unchanged(path, stated, "tabulated", _remedy(campaign, experiment))


def _manifest(campaign: Campaign, experiment: str) -> dict[str, dict[str, str]]:
    path, remedy = campaign.tables(experiment) / MANIFEST, _remedy(campaign, experiment)
    body = read_json(path, "run the workflow first", remedy, ("tables", "inputs"))
    for part in body.values():
        if not isinstance(part, dict) or not all(isinstance(digest, str) for digest in part.values()):
            raise UserError(f"{path} is incomplete or was modified: {remedy}")
    return body


def _remedy(campaign: Campaign, experiment: str) -> str:
    return campaign.rerun_hint(f"tabulate_{experiment}")
