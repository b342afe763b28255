"""Every situation of the laboratory: right within its interval, flagged, or missing with a reason."""

import shutil

import pytest

from validation.laboratory.run import outcomes
from validation.laboratory.situation import HEADER, README, try_situation
from validation.laboratory.situations import SITUATIONS


def judge(row):
    assert row.verdict == row.expects, row.sentences
    assert not row.says or any(row.says in sentence for sentence in row.sentences), row.sentences


@pytest.mark.parametrize(
    "situation", [each for each in SITUATIONS if each.driver == "none"], ids=lambda each: each.name
)
def test_a_situation_without_a_driver_is_read_right_or_said(situation, tmp_path):
    judge(try_situation(situation, tmp_path / "machine"))


@pytest.fixture(scope="module")
def rows():
    if shutil.which("cc") is None:
        pytest.skip("the simulated driver needs a C compiler (cc)")
    return {row.name: row for row in outcomes([each for each in SITUATIONS if each.driver != "none"])}


@pytest.mark.parametrize("name", [each.name for each in SITUATIONS if each.driver != "none"])
def test_a_situation_with_a_driver_is_read_right_or_said(rows, name):
    judge(rows[name])


def test_the_readme_holds_the_table():
    table = README.read_text(encoding="utf-8").partition(HEADER)[2].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert [(row[0], row[5]) for row in cells] == [(each.name, each.expects) for each in SITUATIONS]


def test_names_of_situations_are_unique():
    names = [situation.name for situation in SITUATIONS]
    assert len(set(names)) == len(names)
