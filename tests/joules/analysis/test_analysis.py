"""Tables, statistics, values and claims."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from joules.analysis import records, statistics, tables
from joules.bench.journal import write_records
from joules.errors import UserError
from joules.paper import claims, families, printing, values
from joules.paper.rows import pick
from joules.paper.values import Value
from joules.study.campaign import Campaign
from joules.study.config import check_config
from joules.study.design import Comparison
from tests.claims import claim
from tests.records import idle, run


def test_energy_is_kept_gross_and_net_of_the_measured_idle():
    table = records.runs_table([idle(energy_j=4.0), run(energy_j=20.0), idle(position="after", energy_j=4.0)])
    row = table.iloc[0]
    assert (row.energy_j, row.idle_power_w, row.energy_net_j) == (20.0, 2.0, 16.0)
    assert row["flags"] == ""


def test_an_uneven_idle_bracket_widens_the_net_uncertainty():
    uneven = [idle(energy_j=4.0), run(energy_j=20.0), idle(position="after", energy_j=6.0)]
    row = records.runs_table(uneven).iloc[0]
    assert row.energy_net_j == 15.0
    assert row.energy_net_uncertainty_j == row.energy_uncertainty_j + 1.0


def test_an_idle_bracket_that_is_open_or_uneven_is_flagged():
    assert "idle-bracket" in records.runs_table([idle(), run()])["flags"].iloc[0]
    uneven = [idle(), run(), idle(position="after", energy_j=8.0)]
    assert "idle-mismatch" in records.runs_table(uneven)["flags"].iloc[0]


def test_meter_versions_never_meet_in_a_table(tmp_path):
    folder = tmp_path / "flops_vs_energy"
    write_records(folder / "block-0.jsonl", [run()])
    write_records(folder / "block-1.jsonl", [run(block=1, meter_version=2)])
    with pytest.raises(UserError, match=r"meter versions \[1, 2\].*\(flops_vs_energy/block-0\.jsonl in"):
        records.load_records([folder / "block-0.jsonl", folder / "block-1.jsonl"])


@pytest.mark.parametrize(
    ("name", "entries", "sentence"),
    [
        ("flops_vs_energy/block-0.jsonl", [], "holds no run"),
        ("flops_vs_energy/block-0.jsonl", [idle()], "holds no run"),
        ("flops_vs_energy/block-0.jsonl", [run(), run("two"), run()], "holds arm 'one' twice"),
        ("flops_vs_energy/block-0.jsonl", [idle(), run(), idle()], "holds the idle machine before .* twice"),
        ("flops_vs_energy/block-1.jsonl", [run()], "holds a record of flops_vs_energy/block-0.jsonl"),
        ("grokking/block-0.jsonl", [run()], "holds a record of flops_vs_energy/block-0.jsonl"),
    ],
)
def test_a_file_that_is_not_its_blocks_is_refused(tmp_path, name, entries, sentence):
    write_records(tmp_path / name, entries)
    with pytest.raises(UserError, match=sentence):
        records.load_records([tmp_path / name])


def test_a_p_of_exactly_zero_is_a_p():
    rows = [{"p": 0.0}, {"p": 0.04}]
    statistics.correct(rows)
    assert [(row["p_holm"], row["stars"]) for row in rows] == [(0.0, "****"), (0.04, "*")]


def test_a_stray_file_among_the_records_is_named(tmp_path):
    made = Campaign("epyc-2.4ghz-standard", tmp_path)
    write_records(made.block_file("flops_vs_energy", 0), [run()])
    write_records(made.block_file("flops_vs_energy", 10), [run(block=10)])
    write_records(made.block_file("flops_vs_energy", 9), [run(block=9)])
    numbers = [path.name for path in made.block_files("flops_vs_energy", check_config({}))]
    assert numbers == ["block-0.jsonl", "block-9.jsonl", "block-10.jsonl"]
    (made.runs / "flops_vs_energy" / "block-0 (1).jsonl").touch()
    with pytest.raises(UserError, match=r"unexpected file .*block-0 \(1\).jsonl"):
        made.block_files("flops_vs_energy", check_config({}))


def test_a_comparison_that_does_not_vary_is_no_test_of_its_family():
    """Its p would be NaN and would double the other p."""
    family = Comparison(family="f", metric="energy", test="paired_t", pairs=[("a", "c"), ("b", "c")])
    steady = blocks(a=[2.0, 2.0, 2.0], b=[1.0, 1.1, 1.2], c=[1.0, 1.0, 1.0])
    constant, varying = statistics.compare(steady, family)
    assert constant["estimate"] == pytest.approx(2.0)
    assert (constant["p"], constant["stars"]) == (None, None)
    assert "no variation" in constant["note"]
    assert varying["p_holm"] == varying["p"]
    twice = blocks(a=[2.0, 2.0], b=[1.0, 1.1], c=[1.0, 1.0])
    assert statistics.compare(twice, family)[0]["stars"] is None


def test_a_table_edited_by_hand_is_refused(tmp_path):
    campaign = Campaign("local", tmp_path)
    tables.write_tables(campaign.tables("any"), {"runs": pd.DataFrame({"energy_j": [1.5, 2.5]})}, {})
    assert tables.read_tables(campaign, "any")["runs"]["energy_j"].sum() == 4.0
    path = campaign.tables("any") / "runs.csv"
    path.write_text(path.read_text().replace("2.5", "0.5"))
    with pytest.raises(UserError, match=r"changed after it was tabulated.*--forcerun tabulate_any"):
        tables.read_tables(campaign, "any")


def blocks(**energies):
    rows = [
        {"arm": arm, "block": block, "energy": energy}
        for arm, of_arm in energies.items()
        for block, energy in enumerate(of_arm)
    ]
    return pd.DataFrame(rows)


def family(test="paired_t", pairs=(("a", "b"), ("c", "b"))):
    return Comparison(family="f", metric="energy", test=test, pairs=list(pairs))


def test_pairs_are_tested_on_log_ratios_and_corrected_by_holm():
    runs = blocks(a=[2.0, 2.2, 2.1, 1.9], b=[1.0, 1.05, 1.1, 0.9], c=[1.0, 1.1, 1.0, 1.0])
    first, second = statistics.compare(runs, family())
    logs = np.log(np.array([2.0, 2.2, 2.1, 1.9]) / np.array([1.0, 1.05, 1.1, 0.9]))
    assert first["estimate"] == pytest.approx(math.exp(logs.mean()))
    assert first["p"] == pytest.approx(stats.ttest_1samp(logs, 0).pvalue)
    assert first["p_holm"] == pytest.approx(2 * first["p"])
    assert second["p_holm"] == pytest.approx(max(second["p"], first["p_holm"]))
    assert first["ci_low"] < first["estimate"] < first["ci_high"]
    assert second["stars"] == "ns"


def blocked_runs(noise):
    """Ten arms in as many blocks as `noise` (blocks, arms) has rows, some blocks slow as a whole."""
    slow = np.linspace(1.0, 1.3, len(noise))[:, None]
    energies_j = np.arange(1.0, 11.0) * slow * np.exp(noise)
    wide = pd.DataFrame(energies_j, columns=[f"arm{i}" for i in range(10)]).rename_axis("block")
    return wide.reset_index().melt(id_vars="block", var_name="arm", value_name="energy_j")


def test_what_a_block_has_in_common_is_no_error():
    assert statistics.error_cv(blocked_runs(np.zeros((4, 10))), "energy_j").max() < 1e-6


def test_the_error_of_a_blocked_design_is_recovered():
    noise = np.random.default_rng(0).normal(0, 0.02, (400, 10))
    assert statistics.error_cv(blocked_runs(noise), "energy_j").to_numpy() == pytest.approx(2.0, rel=0.15)


def test_the_error_of_a_complete_design_is_that_of_the_textbook():
    """Residuals from the means of arms and blocks, divided by (blocks - 1) (1 - 1 / arms)."""
    noise = np.random.default_rng(1).normal(0, 0.02, (4, 10))
    runs = blocked_runs(noise)
    logs = np.log(runs.pivot(index="block", columns="arm", values="energy_j"))
    residuals = logs.sub(logs.mean(axis=1), axis=0) - logs.mean() + logs.to_numpy().mean()
    expected = 100 * np.sqrt((residuals**2).sum() / (3 * 0.9))
    pd.testing.assert_series_equal(statistics.error_cv(runs, "energy_j"), expected, check_names=False)


def test_runs_that_are_missing_leave_the_error_of_the_others():
    noise = np.random.default_rng(2).normal(0, 0.02, (400, 10))
    runs = blocked_runs(noise).sample(frac=0.5, random_state=0)
    assert statistics.error_cv(runs, "energy_j").to_numpy() == pytest.approx(2.0, rel=0.2)


def test_one_block_has_no_error():
    assert statistics.error_cv(blocked_runs(np.zeros((1, 10))), "energy_j").isna().all()


def test_the_sign_flip_test_is_exact():
    runs = blocks(a=[2.0] * 6 + [2.1] * 2, b=[1.0] * 8)
    (row,) = statistics.compare(runs, family("sign_flip", [("a", "b")]))
    assert row["p"] == pytest.approx(2 / 2**8)


def test_a_pair_that_was_not_measured_is_a_stated_gap():
    first, second = statistics.compare(blocks(a=[2.0, 2.0], b=[1.0, 1.1]), family())
    assert first["p_holm"] == first["p"]
    assert second["note"]
    assert second["estimate"] is None


@pytest.mark.parametrize(
    ("p", "mark"), [(0.2, "ns"), (0.05, "*"), (0.009, "**"), (0.0009, "***"), (1e-5, "****")]
)
def test_stars(p, mark):
    assert statistics.stars(p) == mark


def test_determination_is_the_square_of_pearsons_r():
    x, y = np.arange(6.0), np.array([0.0, 1.2, 1.9, 3.3, 3.8, 5.1])
    row = statistics.determination("name", x, y, "energy", "all")
    assert row["estimate"] == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)
    assert row["ci_low"] < row["estimate"] < row["ci_high"] <= 1


@pytest.mark.parametrize(
    ("number", "digits", "printed"),
    [
        (0.9996, 3, "1.00"),
        (9.96, 2, "10"),
        (1234.5, 3, "1230"),
        (0.012345, 2, "0.012"),
        (1.5e-7, 2, "1.5e-07"),
        (0, 2, "0"),
        (-2.345, 3, "-2.35"),
    ],
)
def test_significant_figures(number, digits, printed):
    assert printing.significant(number, digits) == printed


def test_values_are_unique_and_finite():
    rows = pick({"t": pd.DataFrame({"one": [1], "unknown": [math.nan], "infinite": [math.inf]})}, "t")
    one = Value("a", rows.cell("one"))
    with pytest.raises(UserError, match="defined twice"):
        values.check_values([one, Value("a", rows.cell("unknown"))])
    with pytest.raises(UserError, match="'b' is infinite"):
        values.check_values([Value("b", rows.cell("infinite"))])
    assert values.check_values([Value("unknown", rows.cell("unknown")), one]) == [one]


def test_values_reach_latex_with_units_and_escapes():
    rows = pick({"t": pd.DataFrame({"energy_j": [0.0123], "model": ["vgg_11 & 50%"]})}, "t")
    text = values.macros([Value("e", rows.cell("energy_j"), 2, r"\joule"), Value("m", rows.cell("model"))])
    assert r"\defval{e}{\qty{0.012}{\joule}}" in text
    assert r"\defval{m}{vgg\_11 \& 50\%}" in text


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 0.4, "supported"),
        (0.6, 0.9, "contradicted"),
        (0.4, 0.6, "inconclusive"),
        (math.nan, math.nan, "inconclusive"),
    ],
)
def test_a_claim_is_decided_by_the_whole_interval(low, high, verdict):
    assert claims.verdict_of(claim(comparison="<", value=0.5), 0.3, low, high)[0] == verdict


@pytest.mark.parametrize("text", ["{", "[]", '{"tables": {}}'])
def test_a_torn_manifest_of_tables_is_refused(tmp_path, text):
    campaign = Campaign("released", tmp_path)
    tables.write_tables(campaign.tables("any"), {"any": pd.DataFrame({"x": [1]})}, {})
    (campaign.tables("any") / tables.MANIFEST).write_text(text)
    with pytest.raises(UserError, match="--config campaign=released --forcerun tabulate_any"):
        tables.read_tables(campaign, "any")


def test_the_printed_sentence_follows_the_verdict():
    def sentence(verdict):
        row = {"experiment": "x", "claim": "c", "statement": "Cows fly.", "verdict": verdict, "evidence": "e"}
        row |= {"kind": "primary", "uncorrected_verdict": "supported", "declaration": "before the data"}
        under = {"under_codecarbon": "supported", "under_boavizta": "contradicted"}
        # What is refuted at the wall is not said to decide.
        under |= {"under_time_alone": "contradicted", "deciding_models": "codecarbon boavizta"}
        verdicts = {"as_read_verdict": "supported", "unflagged_verdict": "supported", "band_reason": None}
        printed = claims.values(
            pd.DataFrame([row | under | verdicts]).assign(campaign_verdict="supported", replicates=1)
        )
        return next(value.raw for value in printed if value.key == "claim.c")

    assert sentence("supported").startswith("Cows fly (")
    assert "contradicts the claim that cows fly" in sentence("contradicted")
    assert "cannot decide whether cows fly" in sentence("inconclusive")
    assert sentence("depends on the power model") == (
        "Whether cows fly depends on the power model: supported under CodeCarbon; "
        "contradicted under Boavizta (e)."
    )


@pytest.mark.parametrize("p", [[0.01, 0.04, 0.03], [0.5], [], [0.02, 0.02, 0.9, 1e-9]])
def test_holm_is_that_of_statsmodels(p):
    expected = multipletests(p, method="holm")[1] if p else []
    assert statistics.holm(np.array(p, dtype=float)) == pytest.approx(expected)


@pytest.fixture
def four_claims(monkeypatch):
    """Four claims that a quantity is above zero, two in each experiment; each barely holds by itself."""

    def judged(kind, p_bound=0.04):
        declared = {
            experiment: {name: claim(kind=kind, statistic=name) for name in names}
            for experiment, names in {"one": ("a", "b"), "other": ("c", "d")}.items()
        }
        monkeypatch.setattr(claims, "load_claims", declared.__getitem__)
        cells = {"n": 4, "estimate": 1.0, "ci_low": 0.1, "ci_high": 1.9, "unit": "1", "p_bound": p_bound}
        cells |= dict.fromkeys(
            [*claims.sensitivity.UNFLAGGED_COLUMNS, *claims.sensitivity.MODEL_COLUMNS], math.nan
        )
        return claims.evaluate_claims(
            {
                experiment: pd.DataFrame([{"statistic": name, **cells} for name in names])
                for experiment, names in declared.items()
            },
            {},
        )

    return judged


def test_primary_claims_are_corrected_for_their_number_and_secondary_ones_are_not(four_claims):
    primary, secondary = four_claims("primary"), four_claims("secondary")
    assert set(primary["uncorrected_verdict"]) == set(secondary["verdict"]) == {"supported"}
    assert set(primary["verdict"]) == {"inconclusive"}
    assert secondary["p_holm"].isna().all()
    assert "before the correction" in primary["evidence"].iloc[0]
    alone = primary.assign(campaign_verdict=primary["verdict"], replicates=1)
    printed = {value.key: value.raw for value in claims.values(alone)}
    assert (printed["claims.primary"], printed["claims.corrected"]) == (4, 4)


def test_the_correction_counts_the_claims_of_one_question_only(four_claims):
    primary = four_claims("primary", p_bound=0.02)
    assert primary["p_holm"].to_list() == pytest.approx([0.04] * 4)
    assert set(primary["verdict"]) == {"supported"}


@pytest.mark.parametrize(
    ("metric", "contrast", "unit"),
    [
        ("energy_j", "ratio", "1"),
        ("energy_j", "difference", "J"),
        ("lost_points", "difference", "percentage points"),
        ("final_return", "difference", "1"),
    ],
)
def test_a_difference_has_the_unit_of_its_metric(metric, contrast, unit):
    family = Comparison(family="f", metric=metric, test="paired_t", contrast=contrast, pairs=[("a", "b")])
    runs = blocks(a=[2.0, 2.2], b=[1.0, 1.1]).rename(columns={"energy": metric})
    (compared,) = statistics.compare(runs, family)
    assert (compared["contrast"], compared["unit"]) == (contrast, unit)


def test_a_word_is_no_unit():
    assert statistics.mean_row("a", [1.0, 2.0], "f", "lost_points")["unit"] == "percentage points"
    with pytest.raises(ValueError, match="unknown unit 'points' of 'a': use one of"):
        statistics.row(statistic="a", unit="points")


def test_the_paper_names_the_test_of_each_family():
    rows = [
        statistics.row(family="a", test="paired_t", metric="m", contrast="ratio", n=4, p=0.1, p_holm=0.2),
        statistics.row(family="a", test="paired_t", metric="m", contrast="ratio", n=3, p=0.1, p_holm=0.2),
        statistics.row(
            family="b", test="sign_flip", metric="m", contrast="difference", n=10, p=0.1, p_holm=0.1
        ),
        statistics.row(family="c", test="r_squared", metric="m", n=28, p=0.1),
        statistics.row(family="d", test="none", metric="m", n=3),
        statistics.row(family="e", test="sign_flip", metric="m", contrast="ratio", n=41, p=0.1, p_holm=0.1),
    ]
    printed = families.display({"any": pd.DataFrame(rows)})["families"].set_index("family")
    assert list(printed.index) == ["a", "b", "c", "e"]
    assert printed.loc["e", "test"] == "sign flip on logarithms, sums taken to be normal"
    assert printed.loc["a", ["test", "tests", "n", "interval", "correction"]].to_list() == [
        "paired t on logarithms", "2", "3 to 4", "Student's", "Holm",
    ]  # fmt: skip
    assert printed.loc["b", ["test", "interval"]].to_list() == [
        "exact sign flip on differences",
        "inverted sign flip",
    ]
    assert printed.loc["c", ["test", "interval", "correction"]].to_list() == [
        "Fisher's transformation of Pearson's r",
        "Fisher's",
        "none",
    ]
