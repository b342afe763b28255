"""Every estimate against a worked example from its source, and the names of missing inputs."""

import math

import pytest

from experiments.estimation_methods import methods
from experiments.estimation_methods.methods import METHODS, Known, Unavailable
from joules.instrument.carbon import JOULES_PER_KWH

# PPO on Pong, Titan V: RL Energy Leaderboard of Henderson et al. 2020, and the operations and peak of the
# script published with the figure.
PUBLISHED_KWH = 0.222319
PUBLISHED = Known(
    duration_s=3600 * 1.58722,
    whole_j=PUBLISHED_KWH * JOULES_PER_KWH,
    gpu_tdp_w=250.0,
    gpu_load=0.219916 / 1.58722,
    flops=2.55e6 * 5e6 * 2 * (256 / 1024 * 2 * 4 * 4 + 1),
    peak_flops_per_s=14.9e12,
)


@pytest.mark.parametrize(
    ("name", "ratio"),
    [("tdp_time", 1.785), ("third_tdp_time", 0.589), ("device_hours_tdp", 0.247), ("counted_flops", 0.0048)],
)
def test_published_inputs_give_the_published_ratios(name, ratio):
    estimated = METHODS[name].estimate(PUBLISHED) / METHODS["whole_machine"].estimate(PUBLISHED)
    digits = len(str(ratio).partition(".")[2])
    assert round(estimated, digits) == ratio


@pytest.mark.parametrize(
    ("power_w", "hours", "kwh"),
    [(1415.78, 12, 27), (1515.43, 84, 201), (517.66, 336, 275), (1515.43, 274120, 656347)],
)
def test_strubell_table_3(power_w, hours, kwh):
    run = Known(duration_s=3600 * hours, domains_j={"cpu": power_w * 3600 * hours})
    assert METHODS["strubell"].estimate(run) == pytest.approx(kwh, abs=0.5)


def test_strubell_bert_is_not_its_own_product():
    run = Known(duration_s=3600 * 79, domains_j={"cpu": 12041.51 * 3600 * 79})
    assert METHODS["strubell"].estimate(run) == pytest.approx(1503, abs=0.5)  # 1,507 printed


@pytest.mark.parametrize(("tdp_w", "grams"), [(6.25, 3.40), (4.84375, 2.80)])
def test_green_algorithms_as_gqueue_prints_it(tdp_w, grams):
    # gqueue's README: one core-hour with 4.8 GB of memory at 253.19 g/kWh.
    run = Known(duration_s=3600, cpu_tdp_w=tdp_w, memory_gib=4.8)
    assert METHODS["green_algorithms"].estimate(run) * 253.19 == pytest.approx(grams, abs=0.005)


CHECKED = Known(
    duration_s=100.0,
    whole_j=3000.0,
    attributed_j=1000.0,
    idle_power_w=20.0,
    domains_j={"cpu": 1000.0, "dram": 2000.0},
    job_memory_j=300.0,
    modelled_j=3000.0,
    power_w=tuple((float(second), 20.0 if second % 2 else 40.0) for second in range(100)),
    cpu_tdp_w=60.0,
    cores=4,
    memory_gib=8.0,
    cpu_load=0.5,
    job_cpu_s=100.0,
    flops=2e12,
    published_flops=1e12,
    peak_flops_per_s=1e12,
    roofline_s=40.0,
)


@pytest.mark.parametrize(
    ("name", "energy_j"),
    [
        ("roofline", 60 * 40),
        ("net_of_idle", 3000 - 20 * 100),
        ("attributed", 1.58 * 1000),
        ("cpu_only", 1000),
        ("codecarbon_machine", 3000),
        ("codecarbon_process", 60 * 100 / 4 + 300),
        # Half of 1,000 J is active; the job had 100 of 200 busy seconds.
        ("active_share", 1000 * 0.5 * 0.5),
        ("floored", 50 * 100),
        ("strubell", 1.58 * 3000),
        ("sampled_1s", 50 * 20 + 50 * 40),
        ("sampled_0.1s", 50 * 20 + 50 * 40),
        # Always read in an even second.
        ("sampled_10s", 100 * 40),
        # 0, 30, 60, 90 s are even; 15, 45, 75 s odd; the last value holds for ten seconds.
        ("sampled_15s", 15 * 40 * 3 + 15 * 20 * 3 + 10 * 40),
        ("load_tdp", 0.5 * 60 * 100),
        ("device_hours_tdp", 100 / 4 * 60),
        ("tdp_time", 60 * 100),
        ("third_tdp_time", 0.33 * 60 * 100),
        ("ml_co2_impact", 60 * 100),
        ("per_thread", 4 * 4 * 100),
        ("counted_flops", 2e12 / (1e12 / 60)),
        ("published_flops", 1e12 / (1e12 / 60)),
    ],
)
def test_by_hand(name, energy_j):
    assert METHODS[name].estimate(CHECKED) * JOULES_PER_KWH == pytest.approx(energy_j)


def test_every_method_is_checked_or_says_what_it_lacks():
    nothing = Known(duration_s=1.0)
    for name, method in METHODS.items():
        with pytest.raises(Unavailable, match=r"\w+ \w+"):
            method.estimate(nothing)
        if name != "gpu_only":
            assert math.isfinite(method.estimate(CHECKED))


def test_a_gpu_is_the_device_where_there_is_one():
    run = Known(duration_s=10.0, cpu_tdp_w=50.0, gpu_tdp_w=400.0)
    assert METHODS["tdp_time"].estimate(run) * JOULES_PER_KWH == pytest.approx(4000)


def test_sampling_faster_than_the_source_changes_nothing():
    assert methods.sampled(CHECKED, 0.1) == pytest.approx(methods.sampled(CHECKED, 1.0))
