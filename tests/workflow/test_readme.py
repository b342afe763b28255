"""What the README states of campaigns is what they hold."""

import csv
import re

import pytest

from joules.study.design import experiment_names
from tests import ROOT

README = (ROOT / "README.md").read_text()
SCALES = {"quick": "xeon-2core-quick-2026-11-25", "standard": "epyc-2core-standard"}


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
