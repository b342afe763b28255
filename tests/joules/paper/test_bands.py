"""Every modelled energy in a released paper is printed with its range over power models."""

import re

import pandas as pd
import pytest

from joules.study.config import LOCAL
from tests import ROOT

RELEASED = [path.parent for path in ROOT.glob("results/*/manifest.json") if path.parent.name != LOCAL]
MODELLED = [
    folder.name
    for folder in RELEASED
    if (folder / "tables").is_dir()
    and "modelled" in set(pd.read_csv(folder / "tables/campaign/instruments.csv")["provenance"])
]
ENERGY = r"\\qty\{[^}]*\}\{(?:\\milli|\\kilo)?\\(?:joule|kWh|watt\\hour)\}"


@pytest.mark.parametrize("campaign", MODELLED)
def test_no_joule_of_the_prose_stands_alone(campaign):
    text = (ROOT / "paper" / "build" / campaign / "values.tex").read_text(encoding="utf-8")
    assert re.findall(ENERGY, text)
    assert re.findall(rf"{ENERGY}(?! \[\\num)", text) == []


@pytest.mark.parametrize("campaign", MODELLED)
def test_no_joule_of_a_table_stands_alone(campaign):
    text = (ROOT / "paper" / "build" / campaign / "tables.tex").read_text(encoding="utf-8")
    checked = 0
    for name, table in re.findall(
        r"\\deftable\{(\w+)\}\{(.*?)\\end\{(?:tabularx?|longtable)\}", text, re.DOTALL
    ):
        lines = [line.rstrip("\\ ").split(" & ") for line in table.splitlines() if " & " in line]
        # A single column says in words that there is nothing to print.
        if not lines:
            continue
        head, *rows = lines
        places = [
            place for place, cell in enumerate(head) if re.search(r"(?:^|[\s{\\])(?:mJ|kJ|J|kWh|Wh)\b", cell)
        ]
        if name.endswith("_published"):
            continue
        for row in rows:
            for place in places:
                checked += 1
                assert "[" in row[place] or row[place] == "--", f"{name}: {row}"
    assert checked > 40


@pytest.mark.parametrize("campaign", MODELLED)
def test_what_follows_from_energy_has_its_band_too(campaign):
    values = pd.read_csv(ROOT / "paper" / "build" / campaign / "values.csv").set_index("key")
    for key in ("energy", "emissions", "price", "social", "boiled", "household", "power"):
        row = values.loc[f"campaign.{key}"]
        assert row["band_low"] < float(row["raw"]) <= row["band_high"]


def test_there_are_papers_to_look_at():
    assert "epyc-2core-standard-2026-11-26b" in MODELLED
