"""The summary that a build prints at its end."""

import os

import pandas as pd

from joules.archive.summary import describe_failures, summarize_campaign
from joules.study.campaign import Campaign
from tests import RELEASED


def test_it_says_what_the_campaign_found_and_took():
    said = summarize_campaign(RELEASED)
    assert "explorer   results/epyc-2core-standard-2026-11-26b/explorer.html" in said
    assert "kWh (modelled, " in said
    assert " over power models), 640 runs, 60 with a flag, 0 failed" in said
    supported = (pd.read_csv(RELEASED.claims)["verdict"] == "supported").sum()
    assert f"{supported} supported" in said
    assert "joules trace --verify --campaign epyc-2core-standard-2026-11-26b" in said


def test_where_nothing_was_built_nothing_is_said(tmp_path):
    assert summarize_campaign(Campaign("local", tmp_path)) == ""


def test_the_error_of_each_failed_step_is_said_with_its_log(tmp_path):
    for name, text in {
        "draw/one": "Traceback ...\n  File ...\nKeyError: 'gain'\n\n",
        "export": "error: statistics.csv was changed: run snakemake\n",
        "measure/two-0": "block 1/2: run 3/4\nblock 1/2: measured in 3 s\n",
        "old": "error: of an earlier build\n",
        "typeset": "",
    }.items():
        log = tmp_path / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text(text)
        os.utime(log, (50.0, 50.0) if name == "old" else (100.0, 100.0))
    assert describe_failures(tmp_path, 100.0).splitlines() == [
        f"failed: KeyError: 'gain' (log: {tmp_path / 'draw' / 'one.log'})",
        f"failed: statistics.csv was changed: run snakemake (log: {tmp_path / 'export.log'})",
    ]
    assert describe_failures(tmp_path / "none", 100.0) == ""
