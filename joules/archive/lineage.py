"""Traces a figure, value or table cell back to the records it was made from, checking each hash."""

from __future__ import annotations

import os
from collections.abc import Iterator, Set
from pathlib import Path

import pandas as pd
from pandas.api.types import is_float_dtype

from joules.analysis import columns
from joules.analysis.drawing.sidecar import read_sidecar
from joules.analysis.records import load_records
from joules.analysis.tables import read_inputs, read_table, verify_tables
from joules.bench.record import Run
from joules.errors import UserError
from joules.models import did_you_mean
from joules.paper.quantities import Cells
from joules.paper.steps import read_values
from joules.paper.values import read_cells
from joules.study.campaign import Campaign
from joules.study.files import existing_file
from joules.study.fingerprint import file_sha256
from joules.study.published import check_source, load_sources

# Number of rows that are listed of a value's table, and number of leading columns that name a row.
_LISTED, _NAMED_BY = 20, 5
# Number of values that are listed where none has a key.
_SIMILAR = 5


def trace(target: str, campaign: Campaign) -> Iterator[str]:
    """Traces something back to the runs it was made from.

    Args:
        target: File of a figure (its path names the campaign), key or printed text of a value, or cell of a
            table as `<experiment>/<table>.csv:<row>:<column>`, where the first cell names the row. A star is
            in column 'stars' of statistics.csv.
        campaign: The campaign, unless `target` is a figure.

    Yields:
        Lines of text, from the target down to its runs.

    Raises:
        UserError: If the target does not exist, values only resemble it, or a hash does not match.
    """
    path = Path(target)
    if path.parent.parent.name == "figures":
        yield from _figure(Campaign(path.parent.name, campaign.root), path.stem)
    elif ".csv:" in target:
        table, _, place = target.partition(".csv:")
        row, _, column = place.rpartition(":")
        yield from _cell(campaign, table, row, column)
    elif target.endswith(".csv"):
        raise UserError(
            f"'{target}' is a whole table: name a cell of it, as in "
            f"'{path.parent.name or '<experiment>'}/{path.name}:<row>:<column>'"
        )
    elif path.is_file():
        raise UserError(
            f"'{target}' is not traced: use figures/<campaign>/<figure>.pdf, a value of the paper or a cell, "
            "<experiment>/<table>.csv:<row>:<column>"
        )
    else:
        yield from _value(campaign, target)


def _figure(campaign: Campaign, figure: str) -> Iterator[str]:
    sidecar = read_sidecar(campaign, figure)
    for name, digest in sidecar.files.items():
        yield f"{campaign.figures / name}  sha256 {digest}"
    yield f"  drawn by code {sidecar.code_fingerprint[:16]}"
    yield from _tables(campaign, sidecar.experiment)


def _cell(campaign: Campaign, table: str, row: str, column: str) -> Iterator[str]:
    experiment, _, name = table.rpartition("/")
    known = campaign.experiments()
    if experiment not in known:
        raise UserError(
            f"campaign {campaign.name} has no experiment '{experiment}' ({did_you_mean(experiment, known)})"
        )
    folder = campaign.tables(experiment)
    names = verify_tables(campaign, experiment)
    if name not in names:
        raise UserError(f"{folder} has no table '{name}' ({did_you_mean(name, names)})")
    cells = pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
    if column not in cells:
        raise UserError(f"{name}.csv has no column '{column}' ({did_you_mean(column, cells.columns)})")
    matches = cells[cells.iloc[:, 0] == row]
    if matches.empty:
        raise UserError(f"{name}.csv has no row '{row}' ({did_you_mean(row, cells.iloc[:, 0])})")
    for _, match in matches.iterrows():
        yield ", ".join(f"{key} {value}" for key, value in match.items() if value and key != column)
        yield f"  {column} = {match[column] or 'empty'} {columns.unit(column) or ''}".rstrip()
    words = columns.meaning(experiment, name, column)
    if words:
        yield f"  {column}: {words}"
    yield from _tables(campaign, experiment, _arms_of(matches) if name == "statistics" else set())


def _value(campaign: Campaign, key: str) -> Iterator[str]:
    listing = read_values(campaign)
    if key not in listing.index:
        printed = listing.index[listing["printed"].str.lower() == key.lower()]
        if len(printed) != 1:
            yield from _similar_values(listing, key)
            raise UserError(f"no value has the key '{key}': use one of the keys listed")
        key = printed[0]
    row = listing.loc[key]
    yield f"{key} = {row['raw']} (printed {_printed(row)})"
    yield f"  from {row['experiment']}: {row['source']}"
    arms: set[str] = set()
    for cells in read_cells(row.get("cells", "[]")):
        yield from _rows(campaign, row["experiment"], cells)
        if cells.table == "statistics":
            path = campaign.tables(row["experiment"]) / "statistics.csv"
            arms |= _arms_of(cells.select(pd.read_csv(path)))
    yield from _tables(campaign, row["experiment"], arms)


def _printed(row: pd.Series) -> str:
    """The text of a value with its unit, which is one of LaTeX's siunitx."""
    return " ".join([row["printed"], *row["unit"].replace("\\", " ").split()])


def _arms_of(statistics: pd.DataFrame) -> set[str]:
    """What rows of statistics.csv compare. A family may be all that is said of one arm."""
    named = statistics.reindex(columns=["group", "base", "family"])
    return {str(name) for name in named.to_numpy().ravel() if not pd.isna(name)}


def _similar_values(listing: pd.DataFrame, text: str) -> Iterator[str]:
    """The values that are printed like a text, contain it, or are nearest to it as a number."""
    heads = {"is printed by": listing[listing["printed"].str.lower() == text.lower()]}
    raw = pd.to_numeric(listing["raw"], errors="coerce").dropna()
    try:
        order = (raw - float(text.replace(",", ""))).abs().sort_values(kind="stable").index
        heads["is nearest to"] = listing.loc[order]
    except ValueError:
        has = listing["printed"].str.contains(text, case=False, regex=False)
        heads["is in"] = listing[has | listing.index.str.contains(text, case=False, regex=False)]
    for head, found in heads.items():
        if len(found):
            yield f"'{text}' {head}"
            for key, row in found.head(_SIMILAR).iterrows():
                yield f"  {key} = {_printed(row)} ({row['experiment']})"
            if len(found) > _SIMILAR and head != "is nearest to":
                yield f"  and {len(found) - _SIMILAR} more"
            return
    raise UserError(f"unknown value '{text}' ({did_you_mean(text, listing.index)})")


def _rows(campaign: Campaign, experiment: str, cells: Cells) -> Iterator[str]:
    """The rows of a table that a value was computed from, each with its cell."""
    path = campaign.claims if cells.table == "claims" else campaign.tables(experiment) / f"{cells.table}.csv"
    if not path.exists():
        return
    rows = cells.select(read_table(path))
    yield f"  {len(rows)} row{'' if len(rows) == 1 else 's'}: {cells}"
    values = rows.eval(cells.column, engine="python") if cells.column else pd.Series("", rows.index)
    names = [column for column in rows.columns[:_NAMED_BY] if not is_float_dtype(rows[column])]
    for index, row in rows.head(_LISTED).iterrows():
        named = ", ".join(f"{column} {row[column]}" for column in names if pd.notna(row[column]))
        yield f"    {named}" + (f": {cells.column} = {values[index]}" if cells.column else "")
    if len(rows) > _LISTED:
        yield f"    and {len(rows) - _LISTED} more"


def _tables(campaign: Campaign, experiment: str, arms: Set[str] = frozenset()) -> Iterator[str]:
    """Tables of an experiment with their records, of `arms` alone if any of them was measured."""
    folder = campaign.tables(experiment)
    for name in verify_tables(campaign, experiment):
        path = folder / f"{name}.csv"
        yield f"  {path}  sha256 {file_sha256(path)}"
    for stated, digest in read_inputs(campaign, experiment).items():
        # Verdicts of other campaigns lie outside the folder.
        path = existing_file(Path(os.path.normpath(campaign.evidence_folder(experiment) / stated)))
        if not path.exists():
            raise UserError(f"{path} is missing: restore it")
        source = list(_source(path))
        if file_sha256(path) != digest:
            raise UserError(
                f"{path} does not match {folder}: " + campaign.rerun_hint(f"tabulate_{experiment}")
            )
        yield f"    {path}  sha256 {digest}"
        yield from source
        is_record = stated.endswith(".jsonl")
        measured = [run for run in load_records([path]) if isinstance(run, Run)] if is_record else []
        for run in [run for run in measured if run.arm in arms] or measured:
            energy = f"{run.total.energy_j:.4g} J" if run.total else "no energy"
            kind = run.total.provenance if run.total else "missing"
            yield (
                f"      {run.arm} block {run.block}: {energy} ({kind}), {run.measured_at}, "
                f"{run.machine.words}, code {run.fingerprint[:16]}, "
                + ", ".join(f"{package} {version}" for package, version in run.versions.items())
            )


def _source(path: Path) -> Iterator[str]:
    """Where a file of published readings comes from; nothing of other files.

    Raises UserError where it is not what `sources.yaml` states.
    """
    if path.name in load_sources(path.parent):
        source = check_source(path)
        yield f"      from {source.repository}, commit {source.commit}, {source.paths}"
        yield f"      licence: {source.licence}"
        yield f"      rule: {source.rule}"
        yield f"      made again by: {source.command}"
