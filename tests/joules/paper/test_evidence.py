"""Evidence on claims: which readings were asked what, and in which order they stand."""

import pandas as pd
import pytest

from joules.analysis import sensitivity
from joules.analysis.statistics import COLUMNS, row
from joules.paper import evidence
from joules.study.campaign import Campaign, earlier_releases
from joules.study.claims import load_claims
from joules.study.design import experiment_names

NUMBERS = {"estimate": 3.0, "ci_low": 2.0, "ci_high": 4.0}


@pytest.fixture
def table():
    """Evidence where this campaign and wall meters disagree about batches, and two releases came before."""
    here = [row(statistic="factors.resnet50_batch8_vs_resnet50", contrast="ratio", n=8, **NUMBERS)]
    others = [
        row(statistic=asked.statistic, contrast="ratio", n=21, **NUMBERS)
        for claim in load_claims("flops_vs_energy").values()
        for asked in claim.elsewhere
    ]
    others.append(
        row(statistic="int8_vs_float32", contrast="ratio", n=8, estimate=0.5, ci_low=0.4, ci_high=0.6)
    )
    empty = [*sensitivity.UNFLAGGED_COLUMNS, *sensitivity.MODEL_COLUMNS]
    tables = {
        name: {"statistics": pd.DataFrame(rows, columns=[*COLUMNS, *empty]).assign(p_bound=0.001)}
        for name, rows in (("flops_vs_energy", here), ("published_measurements", others))
    }
    earlier = pd.DataFrame([{"claim": "batches_save_energy", "verdict": "supported", **NUMBERS}])
    return evidence.tabulate_evidence(tables, "modelled", {"one": earlier, "two": earlier})


def test_meters_of_others_lead_and_modelled_energy_follows(table):
    batches = table[table["claim"] == "batches_save_energy"].set_index("evidence")
    assert list(batches.index) == ["wall meters", "this campaign", "one", "two"]
    assert batches["verdict"].to_list() == ["supported", "contradicted", "supported", "supported"]
    assert batches.loc["this campaign", ["n", "provenance"]].to_list() == [8, "modelled"]
    assert batches.loc["wall meters", "n"] == 21


def test_a_published_number_is_on_one_side_of_the_bound(table):
    operations = table[table["claim"] == "flops_do_not_predict_energy"].set_index("evidence")
    assert operations.loc["published", "verdict"] == "supported"
    assert (
        operations.loc["published", "estimate"]
        == load_claims("flops_vs_energy")[operations["claim"].iloc[0]].published
    )
    assert pd.isna(operations.loc["published", "ci_low"])


def test_claims_about_readings_of_others_are_theirs_alone(table):
    own = table[table["claim"] == "int8_saves_wall_energy"]
    assert own[["evidence", "verdict"]].to_numpy().tolist() == [["wall meters", "supported"]]


def test_the_paper_prints_claims_that_others_were_asked_about(table):
    printed = evidence.print_evidence(table)
    assert "int8 saves wall energy" not in set(printed["claim"])
    place = printed["claim"].to_list().index("batches save energy")
    assert printed["evidence"].to_list()[place : place + 3] == [
        "wall meters",
        "this campaign",
        "earlier campaigns",
    ]
    assert printed["verdict"][place + 2] == "supported 2"
    assert printed["interval"][place] == "2.00 to 4.00"


@pytest.mark.parametrize("experiment", experiment_names())
def test_what_is_asked_elsewhere_is_a_statistic_of_that_experiment(experiment):
    from tests.experiments.published_measurements import made_tables

    known = set(made_tables()["statistics"]["statistic"])
    for claim in load_claims(experiment).values():
        assert {asked.statistic for asked in claim.elsewhere} <= known


def test_only_campaigns_of_no_later_day_are_set_beside_a_released_one(tmp_path):
    for name in ("a-2026-01-02", "a-2026-01-02b", "a-2026-01-02c", "a-2026-03-01", "undated", "local"):
        campaign = Campaign(name, tmp_path)
        campaign.runs.mkdir(parents=True)
        campaign.manifest.touch()
    assert [other.name for other in earlier_releases(Campaign("a-2026-01-02b", tmp_path))] == [
        "a-2026-01-02",
        "a-2026-01-02c",
        "undated",
    ]
    assert len(earlier_releases(Campaign("local", tmp_path))) == 5
