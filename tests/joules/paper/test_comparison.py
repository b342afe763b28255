"""Comparison of a campaign with released ones, on campaigns of a few rows each."""

import shutil

import numpy as np
import pandas as pd
import pytest

from joules.analysis.origin import origin_of
from joules.analysis.tables import write_tables
from joules.errors import UserError
from joules.paper import comparison
from joules.study.campaign import Campaign, other_releases
from joules.study.config import Config
from joules.study.manifest import Manifest
from tests import make_repository

MACHINE = {
    "machine": "m",
    "words": "4-core machine",
    "scale": "quick",
    "first_seed": 0,
    "first_measured_at": "2026-01-02T02:04:05+00:00",
    "last_measured_at": "2026-01-02T03:04:05+00:00",
}
INSTRUMENT = {"domain": "cpu", "provenance": "counter", "source": "rapl", "detail": "RAPL package-0"}
INTERVAL = ("estimate", "ci_low", "ci_high")


def campaign(name, verdicts, experiment="vision", whole=True, measured=None, scale="quick", **statistics):
    """A campaign in the current folder. `statistics` are (estimate, low, high) by name, each that of the
    claim of its name, `measured` fingerprints by arm. A released one is kept without its tables."""
    made = Campaign(name)
    (made.results / "runs" / experiment).mkdir(parents=True)
    numbers = pd.DataFrame.from_dict(statistics, orient="index", columns=INTERVAL)
    claims = numbers.reindex([*verdicts, *(key for key in statistics if key not in verdicts)])
    claims = claims.assign(verdict=pd.Series(verdicts, dtype=object), experiment=experiment)
    claims.rename_axis("claim").reset_index().to_csv(made.claims, index=False)
    runs = [
        {"experiment": experiment, "arm": arm, "fingerprint": code}
        for arm, code in (measured or {"a": "1"}).items()
    ]
    tables = {
        "statistics": numbers.rename_axis("statistic").reset_index(),
        "runs": pd.DataFrame(runs),
    }
    write_tables(made.tables(experiment), tables, {})
    own = {"machine": pd.DataFrame([MACHINE | {"scale": scale}]), "instruments": pd.DataFrame([INSTRUMENT])}
    write_tables(made.tables("campaign"), own, {})
    if whole and name != "local":
        manifest = Manifest(
            campaign=name, version="1", origin=origin_of(made), experiments=[experiment], options={}, files={}
        )
        made.manifest.write_text(manifest.model_dump_json())
        shutil.rmtree(made.results / "tables")
    return made


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    make_repository(tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def compared():
    """The comparison of a local campaign with the only released one."""
    own = campaign(
        "local",
        {"holds": "supported", "turns": "supported", "open": "inconclusive", "new": "supported"},
        near=(1.0, 0.8, 1.2),
        inside=(1.0, 0.1, 9.0),
        far=(1.0, 0.9, 1.1),
        alone=(1.0, 0.9, 1.1),
        bare=(1.0, None, None),
    )
    campaign(
        "server-quick",
        {"holds": "supported", "turns": "contradicted", "open": "supported"},
        near=(1.1, 1.05, 1.3),
        inside=(5.0, 4.0, 6.0),
        far=(2.0, 1.9, 2.1),
        bare=(1.0, 0.9, 1.1),
    )
    (compared_with,) = comparison.compare_with_releases(own)
    return compared_with


def test_a_number_agrees_where_one_estimate_is_in_the_others_interval(compared):
    agrees = compared.numbers.set_index("name")["agrees"].to_dict()
    assert agrees == {"near": True, "inside": True, "far": False}


def test_records_without_tables_are_left_out(compared):
    (compared.campaign.runs / "interrupted").mkdir()
    assert origin_of(compared.campaign).fingerprints.keys() == compared.origin.fingerprints.keys()
    (again,) = comparison.compare_with_releases(compared.campaign)
    assert again.decided.equals(compared.decided)


def test_claims_are_compared_where_both_campaigns_decide_them(compared):
    assert list(compared.decided.index) == ["holds", "turns"]
    assert compared.opposed == ["turns"]


def test_the_paper_is_told_what_agrees(compared):
    values = {value.key: value.raw for value in comparison.values([compared])}
    assert values == {
        "released.campaigns": 1,
        "released.claims": 3,
        "released.wider": 1,
        "released.numbers": 3,
        "released.agree": 2,
        "released.decided": 2,
        "released.repeats": 1,
        "released.expected": pytest.approx(83.4),
        "released.opposed": "turns",
    }
    (row,) = comparison.display([compared])["released"].to_dict("records")
    assert row == {
        "campaign": "server-quick",
        "machine": "4-core machine",
        "scale": "quick",
        "energy": "measured by hardware counters",
        "claims decided alike": "1 of 2",
        "numbers that agree": "2 of 3",
        "within its intervals": "0 of 3",
        "same code and machine": "yes",
        "same seeds": "yes",
    }


@pytest.fixture
def report(monkeypatch):
    """Write the page; the records of the only other campaign give these statistics."""

    def write(*rows):
        table = pd.DataFrame(rows, columns=["statistic", *INTERVAL])
        monkeypatch.setattr(comparison, "statistics_of", lambda *_: table)
        return comparison.write_report(Campaign("local"), Config.model_construct()).read_text()

    return write


def test_the_page_holds_every_claim_of_either(compared, report):
    page = report(("near", 1.1, 1.05, 1.3), ("inside", 5.0, 4.0, 6.0), ("far", 2.0, 1.9, 2.1))
    assert "| turns | supported | contradicted |" in page
    assert "| new | supported | not in it |" in page
    assert "2 of 3 agree" in page
    assert "0 of those here within the intervals there" in page
    assert "It is a repeat" in page
    written = pd.read_csv("results/local/reproduction.csv")
    assert list(written["name"]) == ["near", "inside", "far"]


@pytest.mark.parametrize(
    ("changes", "is_repeat"),
    [
        ({}, True),
        ({"scale": "standard"}, False),
        ({"measured": {"a": "2", "b": "1"}}, False),
        # What only one of them measured says nothing.
        ({"measured": {"b": "1", "c": "7"}}, True),
        ({"measured": {"c": "7"}}, False),
    ],
)
def test_a_repeat_is_the_same_code_on_the_same_machine_at_the_same_scale(changes, is_repeat):
    own = campaign("local", {}, measured={"a": "1", "b": "1"}, near=(1.0, 0.8, 1.2))
    campaign("again", {}, **{"measured": {"a": "1", "b": "1"}} | changes, near=(1.1, 0.9, 1.3))
    (compared_with,) = comparison.compare_with_releases(own)
    assert compared_with.is_repeat == is_repeat
    assert compared_with.numbers["within"].tolist() == [True]


def test_estimates_of_repeats_fall_within_each_others_intervals_that_often():
    errors = np.random.default_rng(0).normal(size=(2, 100_000))
    assert (np.abs(errors[0] - errors[1]) < 1.96).mean() == pytest.approx(
        comparison.REPEATS_WITHIN, abs=0.005
    )


def test_verdicts_of_each_campaign_alone_are_compared():
    own, other = (campaign(name, {"holds": "supported"}, near=(1.0, 0.8, 1.2)) for name in ("local", "other"))
    table = pd.read_csv(own.claims)
    table.assign(verdict="inconclusive", campaign_verdict="contradicted").to_csv(own.claims, index=False)
    (compared_with,) = comparison.compare_with_releases(own)
    assert compared_with.other == other
    assert compared_with.opposed == ["holds"]


def test_campaigns_without_an_experiment_in_common_have_no_numbers(report):
    own = campaign("local", {"holds": "supported"}, near=(1.0, 0.8, 1.2))
    campaign("server", {"other": "supported"}, experiment="learning", far=(1.0, 0.8, 1.2))
    (compared_with,) = comparison.compare_with_releases(own)
    values = {value.key: value.raw for value in comparison.values([compared_with])}
    assert (values["released.numbers"], values["released.decided"]) == (0, 0)
    assert "nothing in common" in report()


def test_where_nothing_is_released_there_is_nothing_beside():
    own = campaign("local", {"holds": "supported"}, near=(1.0, 0.8, 1.2))
    campaign("torn", {"holds": "supported"}, whole=False, near=(1.0, 0.8, 1.2))
    assert other_releases(own) == []
    assert comparison.values(comparison.compare_with_releases(own)) == []
    assert comparison.display([]) == {}
    with pytest.raises(UserError, match="no other campaign"):
        comparison.write_report(own, Config.model_construct())


def test_a_campaign_without_verdicts_is_refused():
    with pytest.raises(UserError, match="run the workflow first"):
        comparison.compare_with_releases(Campaign("local"))


def test_the_number_behind_a_claim_stands_beside_that_of_every_campaign():
    campaigns = [
        campaign(
            "local", {"near": "supported", "far": "supported"}, near=(1.0, 0.5, 1.5), far=(1.0, 0.9, 1.1)
        ),
        campaign("a", {"near": "supported", "far": "supported"}, near=(1.2, 1.0, 1.4), far=(3.0, 2.9, 3.1)),
        campaign("b", {"far": "contradicted"}, far=(2.0, 1.9, 2.1)),
    ]
    over = comparison.tabulate_claims(campaigns).set_index("claim")
    assert over.loc["far", ["least", "largest"]].to_list() == [1.0, 3.0]
    assert over.loc["far", "widest"] == pytest.approx(0.2)
    assert over.loc["near", ["local", "b"]].to_list() == ["1 [0.5, 1.5]", "--"]
    values = {
        value.key: value.raw for value in comparison.values(comparison.compare_with_releases(campaigns[0]))
    }
    assert (values["released.claims"], values["released.wider"]) == (2, 1)


def test_a_number_that_one_campaign_has_alone_is_not_set_beside_others():
    campaigns = [
        campaign("local", {"x": "supported", "y": "inconclusive"}, x=(1.0, 0.5, 1.5), y=(1.0, None, None)),
        campaign("a", {"y": "supported"}, y=(1.0, 0.5, 1.5)),
    ]
    assert comparison.tabulate_claims(campaigns).empty
