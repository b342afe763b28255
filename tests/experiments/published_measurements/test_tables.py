"""Tables of published readings: their numbers by hand, by other code, and refused files."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.published_measurements import (
    estimates,
    inference,
    learning,
    networks,
    readings,
    report,
)
from joules.analysis import columns, steps
from joules.archive.lineage import trace
from joules.errors import UserError
from joules.paper.values import check_values
from joules.study.campaign import Campaign
from joules.study.config import check_config
from joules.study.design import load_design
from joules.study.published import SOURCES, check_source, load_sources
from tests import ROOT
from tests.experiments.published_measurements import made_tables
from validation.recompute_published import recompute

REFERENCE = ROOT / "experiments" / "published_measurements" / "reference"
NAME = "published_measurements"


@pytest.fixture(scope="module")
def made():
    return made_tables()


def test_every_network_of_a_published_family_is_identified():
    runs = pd.concat([pd.read_csv(path) for path in REFERENCE.glob("mlperf_*.csv")])
    published = set(pd.read_csv(REFERENCE / "network_operations.csv")["network"])
    names = set(runs["network"])
    found = {name: networks.identify(name) for name in names}
    of_families = {name for name in names if name.startswith(("mobilenet", "efficientnet"))}
    assert {name for name, network in found.items() if network} == of_families
    assert {network.name for network in found.values() if network} <= published
    assert len({network for network in found.values() if network}) == 94


@pytest.mark.parametrize(
    ("submitted", "network"),
    [
        ("mobilenet-v1-0.25-128-non-quantized", ("mobilenet-v1-0.25-128", "float32")),
        ("mobilenet-v2-precision_uint8-0.35-128", ("mobilenet-v2-0.35-128", "int8")),
        (
            "mobilenet-v3-large-minimalistic_224_1.0_uint8",
            ("mobilenet-v3-large-minimalistic-1.0-224", "int8"),
        ),
        ("efficientnet-lite0-quantized", ("efficientnet-lite0", "int8")),
        ("efficientnet-fp32-lite4", ("efficientnet-lite4", "float32")),
        ("resnet50", None),
        ("mobilenet-v1-0.25-128-quantized-twice", None),
    ],
)
def test_a_submitted_name_has_one_network_and_precision(submitted, network):
    found = networks.identify(submitted)
    assert (None if found is None else tuple(found)) == network


def test_numbers_follow_from_the_files_by_other_code(made):
    statistics = made["statistics"].set_index("statistic")["estimate"]
    determinations = made["determinations"].query("networks == 'all' and predictor == 'operations'")
    one = determinations.query("system == 'vim4-tflite-v2.11.0-ruy' and precision == 'float32'")
    scores = made["scores"].query("game == 'Breakout' and algorithm == 'ppo' and alignment == 'clock'")
    expected = {
        "runs": len(made["runs"]),
        "r2_operations_vim4_float32": one["r2"].item(),
        "r2_operations_median": statistics["r2.operations.all"],
        "r2_time_median": statistics["r2.time.all"],
        "power_ratio_median": statistics["power_ratio"],
        "int8_ratio_median": statistics["int8_vs_float32"],
        "scenario_pairs_above_one": (made["scenario_ratios"]["ratio"] > 1).sum(),
        "scenario_ratio_median": statistics["singlestream_vs_offline"],
        "tdp_over_wall": statistics["estimate.all_parts.full"],
        "ppo_breakout_score": scores[scores["is_shortest"]]["score"].item(),
        "share_after_first_within_1": statistics["stopping.share_after_first_within_1"],
    }
    assert recompute() == pytest.approx(expected, rel=1e-9)


def test_every_table_is_there_with_every_column_described(made):
    assert set(made) == set(load_design(NAME).tables)
    unknown = [
        f"{table}: {column}"
        for table, rows in made.items()
        for column in rows
        # It is not written.
        if column != "sample" and columns.meaning(NAME, table, column) is None
    ]
    assert unknown == []
    assert made["statistics"]["statistic"].is_unique
    assert made["runs"]["run"].is_unique
    assert made["systems"]["name"].is_unique
    assert len(check_values(report.values(made))) > 20


def test_the_mean_of_a_curve_over_energy_begins_untrained_and_keeps_its_last_score():
    energy_j, scores = np.array([10.0, 20.0]), np.array([4.0, 8.0])
    budgets_j = np.array([5.0, 10.0, 20.0, 40.0])
    # Straight from 2 to 4 in 10 J, to 8 in another 10 J, then 8.
    expected = [2.5, 3.0, (30 + 60) / 20, (30 + 60 + 160) / 40]
    assert learning.mean_scores(energy_j, scores, budgets_j, 2.0) == pytest.approx(expected)
    began = learning.mean_scores(np.append(0.0, energy_j), np.append(2.0, scores), budgets_j, -99.0)
    assert began == pytest.approx(expected)


def test_orders_change_where_curves_cross():
    budgets = [1.0, 2.0, 3.0]
    of = {"a": [3.0, 2.0, 1.0], "b": [1.0, 1.5, 2.0]}
    curves = pd.DataFrame(
        [
            {
                "alignment": "clock",
                "game": "Pong",
                "algorithm": algorithm,
                "budget_j": budget,
                "score": score,
                "score_low": score - 0.4,
                "score_high": score + 0.4,
            }
            for algorithm, scores in of.items()
            for budget, score in zip(budgets, scores, strict=True)
        ]
    )
    changes = learning.order_changes(curves)
    assert changes["order"].to_list() == ["a > b", "b > a"]
    assert changes[["from_j", "to_j", "budgets"]].to_numpy().tolist() == [[1.0, 2.0, 2], [3.0, 3.0, 1]]
    # At a budget of 2 the intervals of a and b overlap.
    assert changes["apart_share"].to_list() == [0.5, 1.0]


def test_a_lead_has_the_interval_of_welch():
    from scipy import stats

    own, other = np.array([5.0, 7.0, 9.0, 8.0]), np.array([1.0, 2.0, 4.0])
    curves = pd.DataFrame(
        [
            {
                "alignment": "clock",
                "game": "Pong",
                "algorithm": name,
                "budget_j": budget,
                "is_shortest": budget == 1.0,
                "seeds": len(values),
                "score": values.mean(),
                "score_sd": values.std(ddof=1),
            }
            for name, values in (("a", own), ("b", other))
            for budget in (1.0, 2.0)
        ]
    )
    lead = learning.leads(curves).iloc[0]
    result = stats.ttest_ind(own, other, equal_var=False)
    low, high = result.confidence_interval()
    assert lead[["lead", "lead_low", "lead_high", "p"]].to_list() == pytest.approx(
        [own.mean() - other.mean(), low, high, result.pvalue]
    )
    assert (lead["algorithm"], lead["other"], lead["seeds"]) == ("a", "b", 3)


def test_trainings_that_end_after_their_log_are_left_out_by_name(made):
    left_out = made["left_out"][["game", "algorithm", "seed"]].to_numpy().tolist()
    assert left_out == [["Pong", "a2c_vtrace", 2], ["Pong", "a2c_vtrace", 3]]
    assert made["scores"].query("game == 'Pong' and algorithm == 'a2c_vtrace'")[
        "seeds"
    ].unique().tolist() == [3]


def test_the_bootstrap_over_families_is_that_of_runs_drawn_by_family(made):
    random = np.random.default_rng(1)
    x = random.uniform(1, 10, 30)
    y = 3 * x + random.normal(0, 4, 30)
    of_family = np.array_split(np.arange(30), 4)
    drawn = np.random.default_rng(0).integers(4, size=(inference.RESAMPLES, 4))
    each = [
        inference.r_squared(x[places], y[places])
        for families in drawn
        for places in [np.concatenate([of_family[family] for family in families])]
    ]
    assert inference._by_family(x, y, of_family) == pytest.approx(np.quantile(each, [0.025, 0.975]))


def test_estimates_are_powers_of_parts():
    parts = estimates.Parts(200.0, 300.0, True, 1e15, 2e14, 32)
    watts = {method: of(parts) for method, of in estimates.METHODS.items()}
    assert watts == {
        "operations": pytest.approx(60.0),
        "accelerators": 300.0,
        "processors": 200.0,
        "third_of_all_parts": pytest.approx(165.0),
        "all_parts": 500.0,
        "all_parts_pue_2018": pytest.approx(790.0),
        "all_parts_pue_green_algorithms": pytest.approx(835.0),
        "load_curve": None,
    }
    unknown = estimates.Parts(200.0, None, True, None, 2e14, 32)
    assert [method for method, of in estimates.METHODS.items() if of(unknown)] == ["processors"]
    alone = estimates.Parts(200.0, None, False, None, None, 32)
    assert estimates.all_parts_w(alone) == 200.0
    assert 100 < estimates.load_curve_w(alone) < 400


def test_every_file_is_listed_with_its_source_and_hash():
    listed = load_sources(REFERENCE)
    assert set(listed) == {path.name for path in REFERENCE.glob("*.csv")}
    for name in listed:
        check_source(REFERENCE / name)
    stated = {Path(source).name for source in load_design(NAME).sources}
    assert stated == {*listed, SOURCES}


@pytest.mark.parametrize("name", ["mlperf_v5.1.csv", "rated_powers.csv"])
def test_an_edited_or_torn_file_is_refused_by_name(tmp_path, name):
    copied = tmp_path / "reference"
    shutil.copytree(REFERENCE, copied)
    content = (copied / name).read_bytes()
    for changed in (content.replace(b"1", b"2", 1), content[: len(content) // 2]):
        (copied / name).write_bytes(changed)
        with pytest.raises(UserError, match=f"{name} was changed after it was extracted"):
            readings.read_sources([copied / name])
    (copied / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing"):
        readings.read_sources([copied / name])
    with pytest.raises(UserError, match=r"does not list other\.csv"):
        readings.read_sources([copied / "other.csv"])


def test_a_cell_is_traced_to_repository_commit_path_and_rule(tmp_path, made):
    shutil.copytree(REFERENCE, tmp_path / REFERENCE.relative_to(ROOT))
    campaign = Campaign("other", tmp_path)
    (campaign.runs / "layer_kinds").mkdir(parents=True)
    steps.tabulate(campaign, NAME, check_config({}, "test"))
    run = made["runs"]["run"].iloc[0]
    cell = f"{NAME}/runs.csv:{run}:energy_per_inference_j"
    traced = "\n".join(trace(cell, campaign))
    source = load_sources(REFERENCE)["mlperf_v3.0.csv"]
    assert run.startswith("v3.0/closed/")
    for fact in (run, source.repository, source.commit, source.rule, source.licence, source.command):
        assert fact in traced
    changed = tmp_path / REFERENCE.relative_to(ROOT) / "mlperf_v3.0.csv"
    changed.write_bytes(changed.read_bytes().replace(b"1", b"2", 1))
    with pytest.raises(UserError, match=r"mlperf_v3\.0\.csv was changed after it was extracted"):
        list(trace(cell, campaign))
