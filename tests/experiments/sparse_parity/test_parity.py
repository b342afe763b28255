"""Processes find the secret, and tables are made from their runs."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.sparse_parity import agreement, figures, report, tables, workload
from experiments.sparse_parity.parameters import ACCESS, Parameters
from experiments.sparse_parity.problems import draw
from experiments.sparse_parity.sets import all_sets
from joules.analysis import sensitivity
from joules.analysis.drawing import print_renderer
from joules.analysis.records import Records
from joules.analysis.steps import tabulate_records
from joules.paper.claims import evaluate_claims
from joules.paper.values import check_bands, check_values
from joules.study.campaign import Campaign
from joules.study.config import check_config
from joules.study.design import load_design
from tests import records

DESIGN = load_design("sparse_parity")


@pytest.mark.parametrize("scale", ["smoke", "quick", "standard", "paper"])
def test_every_arm_is_a_valid_setting(scale):
    for parameters in DESIGN.runs(scale).values():
        Parameters.model_validate(parameters)


def test_a_process_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="did you mean 'fourier'"):
        Parameters(process="fouriers", bits=20, k=3, examples=10, data_sets=1, window_s=1.0)


def test_labels_are_the_parity_of_the_secret():
    problem = draw(12, 3, 0.0, 50, seed=1)
    assert len(problem.secret) == 3
    np.testing.assert_array_equal(problem.y, problem.x[:, list(problem.secret)].sum(axis=1) % 2)
    wrong = draw(12, 3, 0.2, 20000, seed=1)
    share = (wrong.y != wrong.x[:, list(wrong.secret)].sum(axis=1) % 2).mean()
    assert share == pytest.approx(0.2, abs=0.02)


def test_subsets_are_all_of_them_in_order():
    assert all_sets(draw(5, 3, 0.0, 1, 0), 3).tolist() == [
        list(each) for each in itertools.combinations(range(5), 3)
    ]


@pytest.mark.parametrize("process", ACCESS)
@pytest.mark.parametrize(("bits", "k"), [(10, 2), (16, 3)])
def test_every_process_finds_the_secret(process, bits, k):
    for seed in range(3):
        problem = draw(bits, k, 0.0, 1000, seed)
        assert workload.PROCESSES[process](problem) == problem.secret


@pytest.mark.parametrize(("bits", "k"), [(100, 3), (127, 3), (60, 5)])
@pytest.mark.parametrize(
    "process", ["elimination", "elimination_packed", "meet_in_the_middle", "queries_single_bits"]
)
def test_processes_for_many_bits_find_the_secret(process, bits, k):
    problem = draw(bits, k, 0.0, 200, seed=3)
    assert workload.PROCESSES[process](problem) == problem.secret


@pytest.mark.parametrize("process", ["elimination", "elimination_packed", "meet_in_the_middle"])
def test_one_wrong_label_breaks_exact_processes(process):
    problem = draw(20, 3, 0.0, 1000, 0)
    problem.y[5] ^= 1
    assert workload.PROCESSES[process](problem) != problem.secret


@pytest.mark.parametrize(
    "process",
    ["walsh_hadamard", "fourier", "fourier_few", "subsets", "subsets_packed", "backtracking", "queries"],
)
def test_wrong_labels_do_not_break_what_counts(process):
    problem = draw(16, 3, 0.05, 1000, 0)
    assert workload.PROCESSES[process](problem) == problem.secret


@pytest.mark.parametrize("process", ACCESS)
def test_a_traced_solve_is_the_same_solve(process):
    values = {"process": process, "bits": 10, "k": 2, "examples": 1000, "data_sets": 2, "window_s": 0.01}
    prepared = workload.build(values, 0)
    results = workload.run(prepared, records.FakeSession())
    assert results["right"] == results["solves"] > 0
    first, second = workload.evaluate(prepared), workload.evaluate(prepared)
    assert first["traced_right"]
    assert first == second
    assert all(first[metric] > 0 for metric in tables.TRACED)
    assert first["traced_share"] == 1


# Process: energy of a solve in joules, operations, whether it is right.
PROCESSES = {
    "elimination": (4e-4, 5e3, True),
    "subsets_packed": (1e-4, 1e4, True),
    "backtracking": (2e-4, 2e3, True),
    "fourier": (9e-4, 1e6, True),
    "network_sgd": (5e-5, 1e2, False),
}
ASKING = {"queries": (5e-6, 8e2, True), "queries_single_bits": (1e-6, 9e2, True)}


def run(process, block, bits=20, **changed):
    energy_j, operations, right = (PROCESSES | ASKING)[process]
    solves = 1000
    metrics = {
        "solves": solves,
        "right": solves if right else 0,
        "wrong": 0,
        "traced_right": right,
        "traced_share": 1.0,
        "core_cache_bytes": 1e4,
        **dict.fromkeys(tables.TRACED, 10.0 + operations),
    }
    whole_j = energy_j * solves * (1 + 0.01 * block)
    return records.run(
        f"n{bits}_k3_{process}",
        block,
        whole_j,
        experiment="sparse_parity",
        parameters={"process": process, "bits": bits, "k": 3},
        metrics=metrics | {"operations": operations} | changed,
        duration_s=whole_j,
        contention=records.QUIET.model_copy(update={"duration_s": whole_j, "job_cpu_s": whole_j}),
    )


def entries(blocks=3, processes=tuple(PROCESSES), **changed):
    return [run(process, block, **changed) for block in range(blocks) for process in processes] + [
        records.idle(block, position) for block in range(blocks) for position in ("before", "after")
    ]


@pytest.fixture(scope="module")
def made():
    return tables.tabulate(Records.from_sequence(entries()), DESIGN)


def test_who_does_not_solve_takes_no_part(made):
    arms = made["arms"].set_index("process")
    assert not arms.loc["network_sgd", "solved"]
    assert "network_sgd" not in set(made["regret"]["winner"])


def test_processes_with_other_access_are_ranked_apart(made):
    both = tables.tabulate(Records.from_sequence(entries(processes=(*PROCESSES, *ASKING))), DESIGN)
    regret = both["regret"].set_index(["access", "metric"])
    assert regret.loc[("membership queries", "energy_per_solve_j"), "winner"] == "queries_single_bits"
    assert regret.loc[("membership queries", "operations"), "regret"] == pytest.approx(5)
    # Two processes have no order to agree about.
    assert set(both["agreement"].query("memory == 'all'")["problems"]) == {1}
    from_examples = both["regret"].query("access == 'examples'")
    pd.testing.assert_frame_equal(from_examples, made["regret"])
    pd.testing.assert_frame_equal(both["proxies"], made["proxies"])


# Columns that later steps of the analysis add.
NO_BOUND = dict.fromkeys(
    ["p_bound", *sensitivity.UNFLAGGED_COLUMNS, *sensitivity.MODEL_COLUMNS], float("nan")
)


@pytest.mark.parametrize("share", [None, 0.9])
def test_incomplete_counts_claim_nothing(share):
    """Records of before the traced share was recorded, and of a solve of which a tenth was not traced."""
    made = tables.tabulate(Records.from_sequence(entries(traced_share=share)), DESIGN)
    assert made["arms"][[*tables.TRACED]].isna().all(axis=None)
    assert set(made["regret"]["metric"]) == {*tables.METERED, tables.ENERGY}
    rows = made["statistics"].set_index("statistic")
    for statistic in ("regret.operations", "agreement.data_movement_distance_over_operations"):
        assert rows.loc[statistic, "note"] == tables.INCOMPLETE
        assert pd.isna(rows.loc[statistic, "estimate"])
    assert rows.loc["regret.time_per_solve_s", "estimate"] == pytest.approx(1)
    keys = {value.key for value in check_values(report.values(made))}
    assert "sparse_parity.traced" not in keys
    assert "sparse_parity.regret.operations" not in keys
    for name in DESIGN.figures:
        plt.close(print_renderer.draw_figure(getattr(figures, name)(made)))
    claims = evaluate_claims({"sparse_parity": made["statistics"].assign(**NO_BOUND)}, {})
    assert set(claims["verdict"]) == {"inconclusive"}
    assert set(claims["evidence"]) == {tables.INCOMPLETE}


def test_complete_counts_say_so(made):
    values = {value.key: value for value in check_values(report.values(made))}
    assert values["sparse_parity.traced"].printed == "100"


def test_problems_beyond_the_cache_of_a_core():
    every = [
        run(process, block, bits, peak_bytes=peak_bytes)
        for block in range(3)
        for process in PROCESSES
        for bits, peak_bytes in ((20, 5e3), (50, 2e4))
    ]
    taus = tables.tabulate(Records.from_sequence(every), DESIGN)["agreement"]
    assert taus.groupby("memory")["problems"].max().to_dict() == {"all": 2, "within": 1, "beyond": 1}


# Joules of a solve by a sensor; a counter reads those of PROCESSES.
SENSOR_J = {"elimination": 4e-4, "subsets_packed": 2.1e-4, "backtracking": 2e-4, "fourier": 9e-4}


def read_twice(domain):
    """Runs whose energy a counter of the processor and a sensor of `domain` read."""
    every = []
    sensor_j = SENSOR_J | {process: energy_j for process, (energy_j, _, _) in ASKING.items()}
    for process, one in ((process, run(process, block)) for block in range(3) for process in sensor_j):
        sampled_j = 1000 * sensor_j[process]
        readings = [
            records.reading(one.total.energy_j, source="rapl", provenance="counter"),
            records.reading(sampled_j, domain=domain, source="hwmon-board", provenance="sampled"),
        ]
        every.append(one.model_copy(update={"readings": readings}))
    return tables.tabulate(Records.from_sequence(every), DESIGN)


def test_the_order_of_processes_is_read_by_two_instruments():
    made = read_twice("machine")
    orders = made["orders"].set_index("access")
    row = orders.loc["examples"]
    assert (row["instrument"], row["other"], row["processes"]) == ("rapl", "hwmon-board", 4)
    assert row["order"] == "subsets_packed < backtracking < elimination < fourier"
    assert row["other_order"] == "backtracking < subsets_packed < elimination < fourier"
    # One pair of six is the other way round.
    assert row["tau"] == pytest.approx(4 / 6)
    assert orders.loc["membership queries", "tau"] == pytest.approx(1)
    statistic = made["statistics"].set_index("statistic").loc["instruments.agreement"]
    assert (statistic["n"], statistic["estimate"]) == (2, pytest.approx((4 / 6 + 1) / 2))
    assert len(report.display(made)["parity_orders"]) == 2


def test_instruments_of_different_parts_read_no_order_twice():
    made = read_twice("gpu0")
    statistic = made["statistics"].set_index("statistic").loc["instruments.agreement"]
    assert made["orders"].empty
    assert statistic["note"] == "no two of rapl, hwmon-board read the same part"


def test_without_an_instrument_the_table_of_orders_says_why(made):
    statistic = made["statistics"].set_index("statistic").loc["instruments.agreement"]
    assert made["orders"].empty
    assert statistic["n"] == 0
    assert statistic["note"] == "no instrument counts or samples energy: it is modelled"
    assert report.display(made)["parity_orders"].iloc[0, 0] == statistic["note"]


def test_movement_is_compared_with_operations_problem_by_problem():
    """Movement goes with energy in one problem, and with operations in the other."""
    every = [
        run(process, block, bits, data_movement_distance=PROCESSES[process][bits == 50])
        for block in range(3)
        for process in PROCESSES
        for bits in (20, 50)
    ]
    rows = tables.tabulate(Records.from_sequence(every), DESIGN)["statistics"].set_index("statistic")
    row = rows.loc["agreement.data_movement_distance_over_operations"]
    tau = stats.kendalltau([4, 1, 2, 9], [5e3, 1e4, 2e3, 1e6]).statistic
    assert (row["n"], row["estimate"]) == (2, pytest.approx((1 - tau) / 2))


def test_choosing_by_a_proxy_costs_what_its_winner_does(made):
    regret = made["regret"].set_index("metric")
    assert regret.loc["operations", "winner"] == "backtracking"
    assert regret.loc["operations", "cheapest"] == "subsets_packed"
    assert regret.loc["operations", "regret"] == pytest.approx(2.0)
    assert regret.loc["energy_per_solve_j", "regret"] == pytest.approx(1.0)
    row = made["statistics"].set_index("statistic").loc["regret.operations"]
    assert row["estimate"] == pytest.approx(2.0)
    assert row["note"] == "worst of 1: n = 20, k = 3, examples"


def test_a_process_that_is_not_compared_takes_no_block_from_those_that_are(made):
    kept = [one for one in entries() if one.kind != "run" or "elimination" not in one.arm or one.block == 0]
    fewer = tables.tabulate(Records.from_sequence(kept), DESIGN)
    for these in (made, fewer):
        row = these["statistics"].set_index("statistic").loc["regret.operations"]
        assert (row["n"], row["estimate"]) == (3, pytest.approx(2.0))


def test_tau_is_kendalls():
    values = np.random.default_rng(0).integers(0, 5, (9, 3)).astype(float)
    found = agreement.taus(values, np.arange(9)[None])[0]
    for a, b in itertools.combinations(range(3), 2):
        assert found[a, b] == pytest.approx(stats.kendalltau(values[:, a], values[:, b]).statistic)


def test_agreement_is_over_processes_that_solve(made):
    taus = made["agreement"].query("memory == 'all'").set_index(["metric", "other"])
    # Energies 4, 1, 2, 9 against operations 5e3, 1e4, 2e3, 1e6: four pairs of six alike.
    tau = taus.loc[("operations", "energy_per_solve_j"), "tau"]
    assert tau == pytest.approx(stats.kendalltau([4, 1, 2, 9], [5e3, 1e4, 2e3, 1e6]).statistic)
    assert taus.loc[("time_per_solve_s", "energy_per_solve_j"), "tau"] == pytest.approx(1.0)


def test_a_proxy_that_is_energy_explains_all_of_it(made):
    proxies = made["proxies"].set_index("proxy")
    assert proxies.loc["time_per_solve_s", "r2"] == pytest.approx(1.0, abs=1e-3)
    assert proxies.loc["operations", "r2"] < 0.9


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("processes", [tuple(PROCESSES), ("elimination", "backtracking"), ("network_sgd",)])
def test_any_part_of_a_campaign_becomes_tables_figures_and_values(blocks, processes):
    made = tables.tabulate(Records.from_sequence(entries(blocks, processes)), DESIGN)
    check_values(report.values(made))
    assert len(report.display(made)["parity_arms"]) == len(processes)
    for name in DESIGN.figures:
        plt.close(print_renderer.draw_figure(getattr(figures, name)(made)))


def test_runs_that_failed_are_kept_and_not_counted():
    made = tables.tabulate(
        Records.from_sequence([run("backtracking", 0), records.failed(run("fourier", 0))]), DESIGN
    )
    assert list(made["arms"]["process"]) == ["backtracking"]
    assert len(made["runs"]) == 2


def test_no_joule_is_printed_without_its_band(made):
    whole = sensitivity.with_power_models(
        made, Records.from_sequence(entries()), lambda again: tables.tabulate(again, DESIGN)
    )
    check_bands(report.values(whole), report.display(whole))
    assert isinstance(whole["power_models"], pd.DataFrame)


def training(arm, block, energy_j, accuracy):
    return records.run(
        arm,
        block,
        energy_j,
        experiment="language_models",
        parameters={"entry": "kneser_ney"},
        metrics={"trainings": 1, "validation_accuracy": accuracy},
        scale="standard",
    )


def test_the_board_of_language_models_is_a_problem_more():
    board = [
        training(arm, block, energy_j, accuracy)
        for block in range(3)
        for arm, energy_j, accuracy in (
            ("kneser_ney_8", 20.0, 0.57),
            ("chunker", 40.0, 0.56),
            ("nanogpt", 2.0, 0.4),
        )
    ]
    made = tables.tabulate(Records.from_sequence([*entries(), *board]), DESIGN)
    assert set(made["runs"]["experiment"]) == {"sparse_parity"}
    arms = made["arms"].set_index("process")
    assert arms.loc["chunker", "solved"]
    assert not arms.loc["nanogpt", "solved"]
    regret = made["regret"].query("problem == 'language models'").set_index("metric")
    assert set(regret.index) == {"time_per_solve_s", "cpu_per_solve_s", "energy_per_solve_j"}
    assert regret.loc["energy_per_solve_j", "winner"] == "kneser_ney_8"
    check_values(report.values(made))
    for name in DESIGN.figures:
        plt.close(print_renderer.draw_figure(getattr(figures, name)(made)))


def test_records_of_the_board_are_read_where_the_campaign_has_them():
    def read(**options):
        files = Campaign("local").record_files("sparse_parity", check_config({"scale": "smoke", **options}))
        return [f"{path.parent.name}/{path.name}" for path in files]

    own = ["sparse_parity/block-0.jsonl", "sparse_parity/block-1.jsonl"]
    assert read(experiments=["sparse_parity"]) == own
    assert read() == [*own, "language_models/block-0.jsonl", "language_models/block-1.jsonl"]


def test_where_all_runs_are_flagged_the_board_alone_tells_nothing():
    flagged = [
        run(process, block).model_copy(update={"flags": ["a flag"]})
        for block in range(2)
        for process in PROCESSES
    ]
    board = [training("kneser_ney_8", block, 20.0, 0.57) for block in range(2)]
    idles = [records.idle(block, position) for block in range(2) for position in ("before", "after")]
    made = tabulate_records("sparse_parity", Records.from_sequence([*flagged, *board, *idles]))
    assert made["statistics"]["unflagged_estimate"].isna().all()
