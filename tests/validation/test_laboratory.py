"""Every situation of the laboratory: right within its interval, flagged, or missing with a reason."""

import shutil

import pytest

from validation.laboratory.run import outcomes
from validation.laboratory.situations import SITUATIONS

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None, reason="the simulated driver needs a C compiler (cc)"
)


@pytest.fixture(scope="module")
def rows():
    return {row.name: row for row in outcomes()}


@pytest.mark.parametrize("name", [situation.name for situation in SITUATIONS])
def test_a_situation_is_read_right_or_said(rows, name):
    row = rows[name]
    assert row.verdict == row.expects, row.sentences
    assert not row.says or any(row.says in sentence for sentence in row.sentences), row.sentences


def test_names_of_situations_are_unique():
    names = [situation.name for situation in SITUATIONS]
    assert len(set(names)) == len(names)
