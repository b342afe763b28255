"""The summary that a build prints at its end."""

from joules.archive.summary import summarize_campaign
from joules.study.campaign import Campaign
from tests import ROOT


def test_it_says_what_the_campaign_found_and_took():
    said = summarize_campaign(Campaign("epyc-2core-standard-2026-11-26b", ROOT))
    assert "explorer   results/epyc-2core-standard-2026-11-26b/explorer.html" in said
    assert "kWh (modelled, " in said
    assert " over power models), 640 runs, 60 with a flag, 0 failed" in said
    assert "31 supported" in said
    assert "joules trace --verify --campaign epyc-2core-standard-2026-11-26b" in said


def test_where_nothing_was_built_nothing_is_said(tmp_path):
    assert summarize_campaign(Campaign("local", tmp_path)) == ""
