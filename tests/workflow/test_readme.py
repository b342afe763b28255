"""What the README states of campaigns is what they hold."""

import csv
import re

import pandas as pd
import pytest

from joules.study.design import experiment_names
from tests import ROOT

README = (ROOT / "README.md").read_text()
SCALES = {"quick": "epyc-2core-quick-2026-11-25", "standard": "epyc-2core-standard"}


def minutes(campaign):
    with (ROOT / "results" / campaign / "tables" / "campaign" / "energy.csv").open() as file:
        return {row["experiment"]: float(row["spent_s"]) / 60 for row in csv.DictReader(file)}


@pytest.mark.parametrize("experiment", experiment_names())
def test_the_minutes_of_a_question_are_those_of_released_campaigns(experiment):
    row = next(line for line in README.splitlines() if line.startswith(f"| [{experiment}]"))
    stated = re.findall(r"\| (\d+) min", row)
    assert stated == [f"{minutes(campaign)[experiment]:.0f}" for campaign in SCALES.values()]


def test_every_released_campaign_is_named_and_no_other():
    released = {path.parent.name for path in ROOT.glob("results/*/manifest.json")} - {"local"}
    named = set(re.findall(r"^\| `([a-z0-9_.-]+)` \|.*\[paper\]", README, re.MULTILINE))
    assert named == released


# A number of a README is followed by the key of the value that it is, in the paper of this campaign.
_CAMPAIGN = "epyc-2core-standard"
_VALUE = re.compile(r"([\d,]*\.?\d+)<!-- ([\w.]+) -->")


def readmes_with_values():
    pages = [ROOT / "README.md", *sorted((ROOT / "experiments").glob("*/README.md"))]
    return [page for page in pages if _VALUE.search(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", readmes_with_values(), ids=lambda page: page.parent.name)
def test_numbers_of_a_readme_are_those_of_the_released_campaign(page):
    values = pd.read_csv(ROOT / "paper" / "build" / _CAMPAIGN / "values.csv", dtype=str).set_index("key")[
        "raw"
    ]
    stale = []
    for number, key in _VALUE.findall(page.read_text(encoding="utf-8")):
        decimals = len(number.partition(".")[2])
        now = f"{float(values[key]):.{decimals}f}".removeprefix("0" if number.startswith(".") else "")
        if now != number:
            stale.append(f"{key} is {now}, the page says {number}")
    assert stale == []


def test_what_came_out_has_no_number_of_its_own():
    page = (ROOT / "experiments" / "grokking" / "README.md").read_text(encoding="utf-8")
    told = page.partition("## What came out")[2]
    # Names, sizes of the design and of the schedule are no results.
    bare = re.sub(r"`[^`]*`|a²\+b²|1,500 steps|20,000|200 steps", "", _VALUE.sub("", told))
    assert re.findall(r"\d", bare) == []
    assert len(_VALUE.findall(told)) > 20
