"""Tables of estimates: missing inputs are named, the reference has ratio one, sampled power lags."""

import itertools
import math

import pandas as pd
import pytest

from experiments.estimation_methods import advice, report, workload
from experiments.estimation_methods import tables as made
from experiments.estimation_methods.methods import EQUIPMENT, REFERENCE
from experiments.estimation_methods.operators import operators_of_work
from experiments.estimation_methods.parameters import Parameters
from joules.analysis.records import Records
from joules.instrument.power_trace import PowerTrace
from joules.instrument.reading import PowerCourse
from joules.instrument.source import Channel
from joules.study.design import load_design
from tests import records


@pytest.mark.parametrize("scale", ["smoke", "quick", "standard", "paper"])
def test_every_arm_is_a_valid_setting(scale):
    for parameters in load_design("estimation_methods").runs(scale).values():
        Parameters.model_validate(parameters)


def course(domain, steps, form="mean_w"):
    from_s, power_w = zip(*steps, strict=True)
    return PowerCourse(domain=domain, source=domain, form=form, from_s=list(from_s), power_w=list(power_w))


def measured(arm, block, **changes):
    fields = {
        "experiment": "estimation_methods",
        "arm": arm,
        "block": block,
        "energy_j": 60.0,
        "parameters": {"work": arm},
        "readings": [
            records.reading(20.0, source="codecarbon-cpu"),
            records.reading(40.0, domain="dram", source="codecarbon-ram"),
            records.reading(18.0, scope="job", source="job-cpu"),
            records.reading(4.0, scope="job", domain="dram", source="job-dram"),
        ],
        "power": [course("cpu", [(0, 8.0), (1, 12.0)]), course("dram", [(0, 20.0)])],
        "metrics": {"flops": 1e9, "peak_flops_per_s": 1e9, "cpu_tdp_w": 10.0, "gpu_tdps_w": []},
    }
    return records.run(**(fields | changes))


def tables_of(*runs):
    idles = [
        records.idle(block).model_copy(update={"position": position})
        for block in (0, 1)
        for position in ("before", "after")
    ]
    return made.tabulate(Records.from_sequence([*runs, *idles]), load_design("estimation_methods"))


def both(**changes):
    return [measured(arm, block, **changes) for arm in ("vision", "small_kernels") for block in (0, 1)]


def varied():
    """Runs for which no two formulas give the same energies."""
    runs = []
    for number, (arm, block) in enumerate(itertools.product(("vision", "small_kernels"), (0, 1))):
        cpu_j = 20.0 + 3 * number**2
        memory_j = 40.0 + number
        readings = [
            records.reading(cpu_j, source="codecarbon-cpu"),
            records.reading(memory_j, domain="dram", source="codecarbon-ram"),
            records.reading(0.8 * cpu_j + number, scope="job", source="job-cpu"),
            records.reading(4.0, scope="job", domain="dram", source="job-dram"),
        ]
        use = {"busy_cores": 0.5 + 0.4 * number, "job_cpu_s": 0.7 + 0.9 * number}
        runs.append(
            measured(
                arm,
                block,
                energy_j=cpu_j + memory_j,
                duration_s=2.0 + 0.1 * (number % 2),
                readings=readings,
                contention=records.QUIET.model_copy(update=use),
                metrics={"flops": 1e9 * (2 - number % 3 / 3), "peak_flops_per_s": 1e9}
                | {"cpu_tdp_w": 10.0, "gpu_tdps_w": []},
            )
        )
    return runs


def test_estimates_are_ratios_to_the_same_run():
    estimates = tables_of(*both())["estimates"].set_index(["arm", "block", "method"])
    assert estimates.loc[("vision", 0, REFERENCE), "ratio"] == 1
    assert estimates.loc[("vision", 0, "tdp_time"), "ratio"] == pytest.approx(10 * 2 / 60)
    assert estimates.loc[("vision", 0, "codecarbon_machine"), "ratio"] == 1
    assert estimates.loc[("vision", 0, "sampled_1s"), "ratio"] == pytest.approx((28 + 32) / 60)
    assert estimates.loc[("vision", 0, "sampled_10s"), "ratio"] == pytest.approx(28 * 2 / 60)
    assert estimates.loc[("vision", 0, "gpu_only"), "gap"] == "no GPU"


def test_a_source_that_is_gone_leaves_the_other_rows_and_a_stated_gap():
    whole, without = (
        tables_of(*both(**changes))["methods"].set_index("method")
        for changes in ({}, {"readings": both()[0].readings[:3]})
    )
    assert whole.loc["codecarbon_process", "runs"] == 4
    assert without.loc["codecarbon_process", "runs"] == 0
    assert without.loc["codecarbon_process", "gap"] == "the job's memory was not read"
    others = whole.index.drop(["codecarbon_process", "attributed"])
    pd.testing.assert_frame_equal(whole.loc[others], without.loc[others])


def test_without_a_data_sheet_nothing_is_made_up():
    metrics = {"flops": 1e9, "peak_flops_per_s": 1e9, "cpu_tdp_w": None, "gpu_tdps_w": []}
    methods = tables_of(*both(metrics=metrics))["methods"].set_index("method")
    assert methods.loc["tdp_time", "gap"] == "the processor's TDP is not known"
    assert methods.loc["sampled_1s", "runs"] == 4


def test_every_estimate_is_compared_once_a_workload_and_holm_sees_all_of_them():
    statistics = tables_of(*both())["statistics"]
    family = statistics[statistics["family"] == "vision"]
    known = tables_of(*both())["methods"]
    assert set(family["group"]) == set(known.query("runs > 0 and same_as.isna()")["method"]) - {REFERENCE}
    assert family["group"].is_unique
    assert (family["p_holm"] >= family["p"]).all()


def test_an_estimate_that_is_another_times_a_constant_says_so():
    methods = tables_of(*varied())["methods"].set_index("method")
    assert methods.loc["ml_co2_impact", ["same_as", "multiple"]].to_list() == ["tdp_time", 1.0]
    assert methods.loc["third_tdp_time", "multiple"] == pytest.approx(0.33)
    assert methods.loc["strubell", "same_as"] == REFERENCE
    assert pd.isna(methods.loc["load_tdp", "same_as"])


def test_a_method_that_knows_only_time_ranks_nothing():
    runs = [measured("vision", block, energy_j=60.0 + block, duration_s=2.0 + block) for block in (0, 1)] + [
        measured("small_kernels", block) for block in (0, 1)
    ]
    agreement = tables_of(*runs)["agreement"].set_index("method")
    assert pd.isna(agreement.loc["tdp_time", "tau_reference"])
    assert agreement.loc[REFERENCE, "tau_reference"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("estimate", "low", "high", "outside"),
    [(0.5, 0.4, 1.2, 1.0), (0.5, 0.4, 0.8, 1.25), (3.0, 2.0, 4.0, 2.0), (0.5, math.nan, math.nan, 2.0)],
)
def test_an_estimate_is_inside_where_some_model_of_power_agrees(estimate, low, high, outside):
    row = {"estimate": estimate, "band_low": low, "band_high": high}
    assert advice.distance(row) == pytest.approx(outside)


def test_more_equipment_is_never_advised_into_a_worse_estimate():
    tables = tables_of(*varied())
    rows = advice.recommendations(*(tables[name] for name in ("methods", "statistics", "agreement")))
    assert [row["you_have"] for row in rows] == [
        EQUIPMENT[level] for level in ("clock", "load", "operations")
    ]
    inside = [row["inside"] for row in rows]
    assert inside == sorted(inside)
    for before, after in itertools.pairwise(rows):
        assert after["same_as_before"] == (before["method"] == after["method"])


def test_power_of_a_domain_that_was_not_recorded_is_no_power_of_the_machine():
    run = measured("vision", 0, power=[course("cpu", [(0, 8.0)])])
    assert made.whole_power(run) == ()


@pytest.mark.parametrize(
    ("form", "samples", "steps"),
    [
        ("instant_w", [(0, 5), (2, 7), (4, 9)], [(0.0, 5), (1.0, 7)]),
        # A mean belongs to the stretch before its read.
        ("mean_w", [(0, 5), (2, 7), (4, 9)], [(0.0, 7), (1.0, 9)]),
        ("cumulative_j", [(0, 0), (2, 10), (4, 40)], [(0.0, 5), (1.0, 15)]),
    ],
)
def test_the_course_of_power_begins_with_what_held_at_the_start(form, samples, steps):
    trace = PowerTrace(Channel(domain="cpu", source="test", provenance="sampled", form=form, detail=""))
    for time_s, value in samples:
        trace.append(time_s, value)
    assert trace.power(1.0, 3.0) == steps


def test_every_value_and_table_of_the_paper_can_be_made():
    tables = tables_of(*both())
    assert report.values(tables)
    assert set(report.display(tables)) == {"methods", "methods_advice"}


def test_a_roofline_is_an_estimate_where_the_limits_are_known():
    metrics = {"flops": 1e9, "cpu_tdp_w": 10.0, "gpu_tdps_w": [], "threads": 1, "passes": 3}
    counts = {
        "matmul": {"flops": 1e10},
        "memory": {"bytes_moved": 1e9},
        "launch": {"launches": 1e6},
    }
    at_limits = [
        records.run(
            limit,
            experiment="first_principles",
            parameters={"limit": limit},
            metrics={
                "threads": 1,
                "passes": 1,
                "quickest_pass_s": 1.0,
                "flops": 0,
                "bytes_moved": 0,
                "launches": 0,
            }
            | counted,
        )
        for limit, counted in counts.items()
    ]
    runs = [measured(arm, 0, metrics=metrics) for arm in ("memory_bound", "ppo_pong")]
    made_of_all = tables_of(*runs, *at_limits)
    assert set(made_of_all["runs"]["arm"]) == {"memory_bound", "ppo_pong"}
    estimates = made_of_all["estimates"].set_index(["arm", "method"])
    # Three passes over twelve bytes of every element at a gigabyte a second, and a launch each; ten watts.
    seconds = 3 * (12 * 2**24 / 1e9 + 1e-6)
    assert estimates.loc[("memory_bound", "roofline"), "energy_kwh"] == pytest.approx(10 * seconds / 3.6e6)
    assert "no list of operators" in estimates.loc[("ppo_pong", "roofline"), "gap"]
    assert (
        "were not measured"
        in tables_of(*runs)["estimates"].set_index(["arm", "method"]).loc[("memory_bound", "roofline"), "gap"]
    )


@pytest.mark.parametrize("work", ["vision", "small_kernels", "memory_bound"])
def test_operators_of_a_workload_are_those_it_counts(work):
    listed = operators_of_work(work)
    assert sum(one.flops for one in listed) == workload._WORK[work]("cpu", 0).flops
