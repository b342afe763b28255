"""Descriptions of columns: every column of a table has one, and no description is unused."""

import csv
import functools

import pandas as pd
import pytest

from joules.analysis import columns, tables
from joules.study.design import experiment_names, load_design
from tests import QUESTIONS, RELEASED, measured_campaigns


@functools.cache
def measured():
    """(experiment, table, columns) of every measured experiment and of the claims."""
    paths = [("", RELEASED.claims)]
    for experiment, campaign in measured_campaigns().items():
        paths += [(experiment, path) for path in sorted(campaign.tables(experiment).glob("*.csv"))]
    tables = []
    for experiment, path in paths:
        with path.open(encoding="utf-8") as file:
            tables.append((experiment, path.stem, next(csv.reader(file))))
    return tables


def test_every_column_is_explained():
    unknown = [
        f"{experiment}/{table}: {column}"
        for experiment, table, names in measured()
        for column in names
        if columns.meaning(experiment, table, column) is None
    ]
    assert unknown == []


@pytest.mark.parametrize("folder", [columns.SHARED, *(QUESTIONS / name for name in measured_campaigns())])
def test_nothing_is_explained_that_is_not_there(folder):
    present = {
        (table, column)
        for experiment, name, names in measured()
        if folder in (columns.SHARED, QUESTIONS / experiment)
        for table in (name, columns.ANY)
        for column in names
    }
    # Names with a star depend on the machine.
    stale = [
        (table, name)
        for table, words in columns.meanings(folder).items()
        for name in words
        if "*" not in name and (table, name) not in present
    ]
    assert stale == []


@pytest.mark.parametrize(
    ("experiment", "table", "column", "words"),
    [
        ("rl_ranking", "runs", "energy_gpu3_j", "part of energy_j that the GPU"),
        ("rl_ranking", "arms", "final_return_low", "lower end of the 95 % interval of final_return"),
        ("flops_vs_energy", "arms", "family", "family of the architecture"),
        ("flops_vs_energy", "statistics", "family", "comparisons that are corrected together"),
        ("", "claims", "verdict", "campaign_verdict; inconclusive if"),
    ],
)
def test_a_table_is_explained_before_what_holds_for_all(experiment, table, column, words):
    assert columns.meaning(experiment, table, column).startswith(words)


@pytest.mark.parametrize("experiment", experiment_names())
def test_every_table_says_what_a_row_is(experiment):
    tables = load_design(experiment).tables
    assert [table for table in tables if columns.row_meaning(experiment, table) is None] == []


def test_what_nobody_explained_has_no_meaning():
    assert columns.meaning("grokking", "arms", "surprise_low") is None


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ("energy_per_pass_j", "J"),
        ("intensity_flops_per_byte", "FLOP/byte"),
        ("intensity_g_per_kwh", "g/kWh"),
        ("average_return_per_kwh", "1/kWh"),
        ("steps_per_s", "1/s"),
        ("lost_points_high", "percentage points"),
        ("bytes_moved_per_step", "byte"),
        ("flops_per_decision", None),
        ("blocks", None),
    ],
)
def test_the_unit_of_a_column_is_in_its_name(column, unit):
    assert columns.unit(column) == unit


def test_a_column_of_text_is_text_where_a_campaign_has_none(tmp_path):
    folder = tmp_path / "language_models"
    folder.mkdir()
    (folder / "board.csv").write_text("arm,disqualified,rank\nnanogpt,,1\nmodern,,\n")
    table = tables.read_table(folder / "board.csv")
    assert not table["disqualified"].str.contains("accuracy", na=False).any()
    assert table.query("disqualified.str.contains('time')", engine="python").empty
    assert table["rank"].isna().tolist() == [False, True]


@pytest.mark.parametrize("campaign", [RELEASED], ids=lambda each: each.name)
def test_columns_that_hold_text_are_declared(campaign):
    undeclared = {
        f"{path.parent.name}/{path.stem}/{column}"
        for path in campaign.results.glob("tables/*/*.csv")
        for column, cells in pd.read_csv(path, low_memory=False).items()
        if pd.api.types.is_string_dtype(cells.dtype)
        and column not in columns.text_columns(path.parent.name, path.stem)
        and not set(cells.dropna().astype(str)) <= {"True", "False", "true", "false"}
    }
    assert undeclared == set()
