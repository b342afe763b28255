"""Tables made from runs: the board, the front, the levels, the exam, the published board."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.language_models import exam, figures, published_entries, reaching, report, tables
from joules.analysis import statistics
from joules.analysis.drawing import print_renderer
from joules.analysis.records import Records
from joules.bench.record import Step
from joules.errors import UserError
from joules.means import MeanSample
from joules.paper.values import check_bands, check_values
from joules.study.design import load_design
from tests import records

DESIGN = load_design("language_models")
# Accuracy and joules of a training.
ENTRIES = {
    "kneser_ney_4": ("kneser_ney", 0.45, 2.0),
    "kneser_ney_8": ("kneser_ney", 0.58, 4.0),
    "nanogpt": ("nanogpt", 0.46, 300.0),
    "modern_muon": ("modern", 0.48, 60.0),
}


def run(arm, block, **changes):
    entry, accuracy, energy_j = ENTRIES[arm]
    watched = entry in ("nanogpt", "modern")
    trainings = 1 if watched else 5
    whole_j = energy_j * trainings * (1 + 0.01 * block)
    duration_s = whole_j / 10
    steps = [
        Step(index=10 * place, time_s=duration_s * place / 4, energy_j=whole_j * place / 4)
        for place in (1, 2, 4)
    ]
    metrics = {
        "trainings": trainings,
        "training_symbols": 4_000_000,
        "alphabet": 62,
        "model_bytes": 10**6,
        "validation_accuracy": accuracy + 0.001 * block,
        "validation_bits": 3 - 2 * accuracy - 0.001 * block,
        "test_accuracy": accuracy + 0.001 * block,
        "test_bits": 3 - 2 * accuracy,
        "corpus_sha256": "c",
        "checkpoints": [[10, 0.2, 4.0], [20, 0.4, 3.0], [40, accuracy, 2.2]] if watched else [],
    }
    return records.run(
        arm,
        block,
        whole_j,
        experiment="language_models",
        scale="standard",
        duration_s=duration_s,
        # What the design leaves out has its default.
        parameters={"entry": entry, "order": 4},
        steps=steps if watched else [],
        metrics=metrics,
        readings=[records.reading(whole_j)],
        contention=records.QUIET.model_copy(update={"duration_s": duration_s, "job_cpu_s": 2 * duration_s}),
        **changes,
    )


def entries(blocks=4, without=()):
    return [run(arm, block) for block in range(blocks) for arm in ENTRIES if arm not in without] + [
        records.idle(block, position) for block in range(blocks) for position in ("before", "after")
    ]


@pytest.fixture(scope="module")
def made():
    return tables.tabulate(Records.from_sequence(entries()), DESIGN)


def test_energy_is_that_of_one_training(made):
    runs = made["runs"].set_index(["arm", "block"])
    assert runs.loc[("kneser_ney_8", 0), "energy_per_training_j"] == pytest.approx(4.0)
    assert runs.loc[("nanogpt", 0), "energy_per_training_j"] == pytest.approx(300.0)


def test_who_misses_the_gate_or_the_cap_is_disqualified_and_kept(made):
    board = made["board"].set_index("arm")
    # The gate at standard is .55, the cap 60 s.
    assert board["disqualified"].fillna("").to_dict() == {
        "kneser_ney_4": "accuracy",
        "kneser_ney_8": "",
        "nanogpt": "accuracy",
        "modern_muon": "accuracy",
    }
    slow = {"validation_accuracy": 0.6, "time_per_training_s": 61.0}
    assert tables.disqualified(slow, 0.55, 60.0) == "time"
    assert tables.disqualified(slow | {"validation_accuracy": 0.5}, 0.55, 60.0) == "accuracy and time"
    constant = {"validation_accuracy": 0.8, "time_per_training_s": 1.0, "constant_accuracy": 0.8}
    assert tables.disqualified(constant, 0.55, 60.0) == "accuracy"
    assert tables.disqualified(constant | {"constant_accuracy": math.nan}, 0.55, 60.0) is None
    assert tables.disqualified({"validation_accuracy": None, "time_per_training_s": 1.0}, 0.55, 60.0) is None


def test_tables_of_every_order_are_joined_by_a_line(made):
    layers = figures.language_reached(made).panels[0].layers
    (line,) = [layer for layer in layers if layer.mark == "line" and layer.name == "tables, by order"]
    assert line.data[line.x].tolist() == pytest.approx([2.0, 4.0], rel=0.05)


def test_the_front_is_what_nobody_beats_on_both():
    energy_j, accuracy = pd.Series([1.0, 2.0, 3.0, 3.0]), pd.Series([0.5, 0.4, 0.6, 0.5])
    assert tables.on_front(energy_j, accuracy) == [True, False, True, False]


def test_a_level_is_reached_between_checkpoints(made):
    spent, accuracy = pd.Series([10.0, 20.0, 40.0]), pd.Series([0.2, 0.4, 0.3])
    assert reaching.first_reached(spent, accuracy, 0.3) == pytest.approx(15.0)
    # By the first checkpoint, from nothing.
    assert reaching.first_reached(spent, accuracy, 0.15) == pytest.approx(7.5)
    assert math.isnan(reaching.first_reached(spent, accuracy, 0.5))
    reached = made["reached"].query("block == 0 and level == 0.45").set_index("arm")["energy_j"]
    assert reached["kneser_ney_4"] == pytest.approx(2.0)
    assert reached["kneser_ney_8"] == pytest.approx(4.0)
    # Five eighths of the way from half of the training to its end.
    assert reached["modern_muon"] == pytest.approx(60 * (0.5 + 0.5 * 0.625))


def test_a_higher_level_is_never_reached_for_less():
    random = np.random.default_rng(0)
    for _ in range(50):
        spent, accuracy = pd.Series(random.uniform(1, 9, 6).cumsum()), pd.Series(random.uniform(0, 1, 6))
        levels = np.linspace(0.01, accuracy.max(), 40)
        reached = [reaching.first_reached(spent, accuracy, level) for level in levels]
        assert np.all(np.diff(reached) >= 0)
        assert reached[-1] == pytest.approx(spent[accuracy.idxmax()])


def test_without_flagged_runs_the_same_arms_are_compared_in_fewer_blocks():
    """A block whose cheapest tables are flagged has no pair; its next cheapest tables are not compared."""
    every = entries()
    fewer = [one for one in every if (one.kind, one.block) != ("run", 0) or one.arm != "kneser_ney_4"]
    whole, left = (
        tables.tabulate(Records.from_sequence(some), DESIGN)["statistics"]
        .set_index("statistic")
        .loc["reached.network_over_tables.0.45"]
        for some in (every, fewer)
    )
    assert (whole["n"], left["n"]) == (4, 3)
    assert left["estimate"] == pytest.approx(whole["estimate"], rel=0.02)


def test_tables_and_networks_are_compared_where_both_are_as_accurate(made):
    row = made["statistics"].set_index("statistic").loc["reached.network_over_tables.0.45"]
    assert row["estimate"] == pytest.approx(60 * (0.5 + 0.5 * 0.625) / 2, rel=0.02)
    without = tables.tabulate(Records.from_sequence(entries(without=("nanogpt", "modern_muon"))), DESIGN)
    row = without["statistics"].set_index("statistic").loc["reached.network_over_tables.0.45"]
    assert pd.isna(row["estimate"])
    assert "not reached" in row["note"]


def test_the_claim_is_about_the_least_ratio_of_the_declared_levels(made):
    rows = made["statistics"].set_index("statistic")
    ratios = rows.loc[[f"reached.network_over_tables.{level:g}" for level in (0.3, 0.35, 0.4, 0.45)]]
    runs, reached = made["runs"], made["reached"]
    compared = {
        row["statistic"]: row
        for row in reaching.compare_kinds(runs, reached, {"least_level": 0.3, "most_level": 0.45})
    }
    least = compared["reached.network_over_tables.least"]
    assert least["estimate"] == pytest.approx(ratios["estimate"].min())
    assert least["ci_low"] == pytest.approx(ratios["ci_low"].min())
    growth = compared["reached.network_over_tables.growth"]
    ends = ratios["estimate"].iloc[[0, -1]]
    assert growth["estimate"] == pytest.approx(ends.iloc[1] / ends.iloc[0])
    # A level that no network reaches cannot be left out of the range.
    beyond = reaching.compare_kinds(runs, reached, {"least_level": 0.3, "most_level": 0.6})
    assert all("not reached" in row["note"] for row in beyond[-2:])


def statistics_of(**intervals):
    """Rows whose ratios have about these estimates and intervals."""
    quantile = stats.t.ppf(0.975, 3)
    shape = np.array([-1.0, 1.0, -1.0, 1.0]) * np.sqrt(3)
    return pd.DataFrame(
        [
            {"family": f"exam_{name}"}
            | statistics.estimate_cells(
                MeanSample.from_logs(np.log(estimate) + shape * np.log(high / estimate) / quantile)
            )
            for name, (estimate, _, high) in intervals.items()
        ]
    )


@pytest.mark.parametrize(
    ("intervals", "closest", "passed"),
    [
        ({"energy": (0.3, 0.2, 0.4), "accuracy": (1.02, 1.01, 1.03)}, "accuracy", "passed"),
        ({"energy": (0.3, 0.2, 0.4), "accuracy": (1.02, 0.99, 1.05)}, "accuracy", "failed"),
        ({"energy": (0.9, 0.7, 1.1), "accuracy": (1.2, 1.1, 1.3)}, "bits", "failed"),
        (
            {"energy": (0.3, 0.2, 0.4), "accuracy": (1.2, 1.1, 1.3), "bits": (1.01, 1.0, 1.02)},
            "bits",
            "failed",
        ),
    ],
)
def test_the_exam_is_passed_where_every_interval_is_on_the_right_side(intervals, closest, passed):
    rows = statistics_of(**{"time": (0.4, 0.3, 0.5), "bits": (0.95, 0.94, 0.96)} | intervals)
    margin = exam.margin(rows)
    assert margin["note"] == f"closest to failing: {closest}"
    assert exam.verdict(pd.DataFrame([margin])) == passed


def test_the_exam_has_to_hold_under_every_model_of_power():
    margin = exam.margin(
        statistics_of(
            energy=(0.3, 0.2, 0.4), time=(0.4, 0.3, 0.5), bits=(0.9, 0.8, 0.95), accuracy=(1.1, 1.05, 1.2)
        )
    )
    assert exam.verdict(pd.DataFrame([margin | {"band_ci_low": 1.01}])) == "passed"
    assert exam.verdict(pd.DataFrame([margin | {"band_ci_low": 0.99}])) == "failed"


def test_the_exam_of_a_campaign_without_it_is_not_taken():
    made = tables.tabulate(Records.from_sequence(entries(without=("nanogpt",))), DESIGN)
    assert exam.verdict(made["statistics"]) == "not taken"


def test_the_exam_is_judged_from_records(made):
    """The candidate uses a fifth of the energy and time, is more accurate and needs fewer bits."""
    row = made["statistics"].set_index("statistic").loc[exam.MARGIN]
    assert row["note"] == "closest to failing: bits"
    assert row["estimate"] == pytest.approx((3 - 2 * 0.46) / (3 - 2 * 0.48), rel=1e-2)
    assert exam.verdict(made["statistics"]) == "passed"


def test_the_other_board_is_as_certain_as_single_trainings_are(made):
    board = made["published"]
    assert len(board) == 11
    assert board["next_over_this"].iloc[0] == pytest.approx(3092 / 2474)
    noise = made["statistics"].set_index("statistic").loc["noise.median", "estimate"]
    told = board["next_over_this"].dropna() > noise
    assert board["told_apart_median"].dropna().astype(bool).tolist() == told.tolist()


def test_noise_is_what_two_single_trainings_differ_by():
    runs = pd.DataFrame(
        {
            "arm": ["a"] * 2000,
            "block": range(2000),
            "energy_per_training_j": np.exp(0.1 * np.random.default_rng(0).normal(size=2000)),
        }
    )
    bound = tables.estimate_noise(runs)[0]["estimate"]
    pairs = np.random.default_rng(1).choice(runs["energy_per_training_j"], size=(20000, 2))
    beyond = np.exp(np.abs(np.log(pairs[:, 0] / pairs[:, 1]))) > bound
    assert beyond.mean() == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("without", [(), ("nanogpt",), ("kneser_ney_4", "kneser_ney_8")])
@pytest.mark.parametrize("blocks", [1, 4])
def test_any_part_of_a_campaign_becomes_tables_figures_and_values(without, blocks):
    made = tables.tabulate(Records.from_sequence(entries(blocks, without)), DESIGN)
    values = report.values(made)
    check_values(values)
    printed = report.display(made)
    assert len(printed["language_board"]) == len(ENTRIES) - len(without)
    for name in DESIGN.figures:
        plt.close(print_renderer.draw_figure(getattr(figures, name)(made)))


def test_a_run_that_failed_or_was_not_read_is_no_row_of_the_board():
    lost = [records.failed(run("nanogpt", 0)), records.unread(run("modern_muon", 0))]
    made = tables.tabulate(Records.from_sequence([run("kneser_ney_4", 0), *lost]), DESIGN)
    assert list(made["board"]["arm"]) == ["kneser_ney_4"]
    assert len(made["runs"]) == 3


def test_trainings_on_different_texts_are_refused():
    other = run("nanogpt", 0)
    other = other.model_copy(update={"metrics": {**other.metrics, "corpus_sha256": "d"}})
    with pytest.raises(UserError, match="different texts cannot be compared"):
        tables.tabulate(Records.from_sequence([run("kneser_ney_4", 0), other]), DESIGN)


def test_no_joule_is_printed_without_its_band(made):
    """Except for the published board, which has no power models."""
    from joules.analysis import sensitivity

    whole = sensitivity.with_power_models(
        made, Records.from_sequence(entries()), lambda again: tables.tabulate(again, DESIGN)
    )
    check_bands(report.values(whole), report.display(whole))


def test_every_published_entry_has_a_row_and_every_counterpart_is_an_arm():
    entries = pd.read_csv(published_entries.ENTRIES)
    assert set(pd.read_csv(published_entries.BOARD)["entry"]) <= set(entries["entry"])
    assert entries["entry"].is_unique
    assert set(entries["arm"].dropna()) <= set(DESIGN.arms)
    # What the published table of the board lacks is stated with its source.
    other = entries[~entries["entry"].isin(pd.read_csv(published_entries.BOARD)["entry"])]
    assert other["gpu_j"].notna().all()
    assert (other["source"] != "README.md").all()


def test_verdicts_of_both_boards_are_compared_where_both_measured(made):
    paired = published_entries.pair_entries(made["board"]).set_index("published")
    # The only counterpart that was measured is the modern network, below the gate here.
    assert paired["is_same"].dropna().to_dict() == {"modded_nanogpt": False}
    assert paired.loc["modded_nanogpt", "verdict_here"] == "accuracy"
    assert paired.loc["lwta_k4", "verdict_here"] == "not measured"
    assert paired.loc["hyena", "verdict_here"] == "no entry"
    assert paired.loc["mamba_byte", "verdict_there"] == "time"
    assert paired["place_there"].count() == len(pd.read_csv(published_entries.BOARD))
    qualified = made["board"].assign(
        arm=["kneser_ney_8_subset", "chunker", "context_mixing", "nanogpt"], disqualified=None
    )
    again = published_entries.pair_entries(qualified).set_index("published")
    # 2 J, 4 J and more.
    places = {"subset_70_mkn": 1.0, "chunker_phase1_v1": 2.0, "paq_mixer_v3": 3.0}
    assert again["place_here"].dropna().to_dict() == places
    assert published_entries.count_same(qualified) == published_entries.count_compared(qualified) == 3


def test_what_differs_is_printed_where_verdicts_differ(made):
    printed = report.display(made)["language_entries"].set_index("published entry")
    assert printed.loc["modded nanogpt", "what differs here"]
    assert set(printed["what differs here"].drop("modded nanogpt")) == {""}
    places = ["place there", "place here"]
    assert printed.loc["modded nanogpt", places].to_list() == ["11", "accuracy"]
    assert printed.loc["mamba byte", places].to_list() == ["time", "not measured"]
    assert printed.loc["hyena", "entry here"] == "--"


def test_a_campaign_without_the_added_arms_has_no_rows_of_them(made, monkeypatch):
    name = "mechanisms.modern_adamw_long_vs_modern_muon"
    assert not made["statistics"]["statistic"].str.startswith("mechanisms").any()
    monkeypatch.setitem(ENTRIES, "modern_adamw_long", ("modern", 0.5, 180.0))
    statistics_with = tables.tabulate(Records.from_sequence(entries()), DESIGN)["statistics"]
    rows = statistics_with[statistics_with["family"] == "mechanisms"].set_index("statistic")
    assert list(rows.index) == [name]
    assert rows.loc[name, "estimate"] == pytest.approx(3.0)
