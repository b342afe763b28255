"""Verdicts of the present version on a campaign that an earlier one released."""

import shutil

import pandas as pd
import pytest

from joules.analysis import sensitivity
from joules.analysis.origin import SETTING
from joules.analysis.statistics import row
from joules.archive import reanalysis
from joules.archive.verification import verify_campaign
from joules.errors import UserError
from joules.paper.replication import tabulate_replication
from joules.study.campaign import Campaign
from joules.study.manifest import read_manifest, store_manifest
from tests import RELEASED, ROOT

RETIRED = "epyc-2core-quick-2026-11-26"


@pytest.fixture
def campaign(tmp_path, monkeypatch):
    """A copy of a retired campaign, whose tables are made without the work of many power models."""
    made = Campaign(RETIRED, tmp_path)
    shutil.copytree(ROOT / "results" / RETIRED, made.results)
    made.reanalysis.unlink(missing_ok=True)
    empty = dict.fromkeys([*sensitivity.UNFLAGGED_COLUMNS, *sensitivity.MODEL_COLUMNS], float("nan"))

    def tabulate(experiment, records):
        assert len(records)
        decided = row(statistic="equal_flops_layers.depthwise3x3_vs_conv1x1", n=4, contrast="ratio")
        decided |= {"estimate": 5.0, "ci_low": 4.0, "ci_high": 6.0, "p_bound": 0.001} | empty
        models = pd.DataFrame(columns=sensitivity.MODEL_TABLE_COLUMNS)
        return {"statistics": pd.DataFrame([decided]), "power_models": models}

    monkeypatch.setattr(reanalysis, "tabulate_records", tabulate)
    return made


def test_verdicts_are_stored_beside_those_of_the_release(campaign):
    released = campaign.claims.read_bytes()
    path = reanalysis.reanalyse_campaign(campaign)
    assert path == campaign.latest_claims
    assert campaign.claims.read_bytes() == released
    stored = pd.read_csv(path).set_index("claim")
    assert stored.loc["depthwise_operations_cost_more", "verdict"] == "supported"
    assert stored.loc["depthwise_operations_cost_more", SETTING].to_list() == [
        "AMD EPYC 4th (Genoa)",
        "quick",
        "2026-11-26",
        0,
    ]
    assert set(tabulate_replication({RETIRED: stored.reset_index()})["level"]) == {"campaign", "machine"}
    # The manifest proves it, and says which version made it.
    assert read_manifest(campaign).files[campaign.relative(path)]
    list(verify_campaign(campaign))
    path.write_text(path.read_text().replace("supported", "contradicted"))
    with pytest.raises(UserError, match=r"reanalysis\.csv does not match"):
        list(verify_campaign(campaign))


def test_a_campaign_whose_records_were_modified_is_not_analysed(campaign):
    block = campaign.block_file("layer_kinds", 0)
    block.write_bytes(campaign.block_file("layer_kinds", 1).read_bytes())
    with pytest.raises(UserError, match="was copied or renamed, restore it"):
        reanalysis.reanalyse_campaign(campaign)
    assert not campaign.reanalysis.exists()


def test_only_retired_campaigns_are_analysed(campaign):
    manifest = read_manifest(campaign)
    assert manifest.is_retired
    store_manifest(campaign, manifest.model_copy(update={"is_retired": False}))
    with pytest.raises(UserError, match="is not retired: run 'snakemake"):
        reanalysis.reanalyse_campaign(campaign)


def test_by_default_all_retired_campaigns_are_analysed(monkeypatch):
    monkeypatch.chdir(ROOT)
    names = {campaign.name for campaign in reanalysis.list_retired()}
    assert RETIRED in names
    assert RELEASED.name not in names
