"""What a release writes, checked by the validators of each standard."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from experiments import release
from experiments.config import ROOT


def test_units_and_types_of_a_column():
    energy = release._field("energy_per_pass_j", pd.Series([1.5]))
    assert (energy["type"], energy["unit"]) == ("number", "J")
    assert release._field("arm", pd.Series(["x"]))["type"] == "string"
    assert release._field("intensity_flops_per_byte", pd.Series([1.0]))["unit"] == "FLOP/byte"
    assert "unit" not in release._field("words_s", pd.Series(["x"]))


@pytest.mark.parametrize(
    ("table", "key"),
    [
        (pd.DataFrame({"arm": ["x", "y"], "n": [1, 1]}), ["arm"]),
        (pd.DataFrame({"arm": ["x", "x"], "block": [0, 1]}), ["arm", "block"]),
        (pd.DataFrame({"arm": ["x", None]}), []),
        (pd.DataFrame({"arm": ["x", "x"]}), []),
    ],
)
def test_a_key_names_each_row(table, key):
    assert release._primary_key(table) == key


def test_every_file_has_a_licence():
    found = subprocess.run(
        [sys.executable, "-m", "reuse", "--root", str(ROOT), "lint", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, json.loads(found.stdout)["non_compliant"]
