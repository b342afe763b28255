"""Power models: worked examples at three loads, what they do not cover, arrays and edges of load."""

import dataclasses

import numpy as np
import pytest

from joules.power.models import (
    POWER_MODELS,
    load_curve,
    load_curve_full_host,
    load_curve_high,
    load_curve_low,
    power_w,
)
from joules.power.servers import ProcessorIdentity, choose_servers
from joules.power.use import NotCovered, Use

GENOA = ProcessorIdentity(vendor="AuthenticAMD", family=25, model=17, stepping=1)
# Two threads and 24 GiB of a Genoa; CodeCarbon takes 4 W a thread and four modules of 5 W.
HERE = Use(
    busy_cores=1.0,
    threads=2,
    memory_gib=24,
    tdp_w=8.0,
    memory_w=20.0,
    servers=choose_servers(GENOA),
    is_part=True,
)
# Of EPYCs, the share of the way from idle to full at half load and at 90 %, see load_curves.csv.
HALF, NINE_TENTHS = 0.5651, 0.8997
# .331 and 1.86 W a thread; 22 GiB beyond the 2 of such servers. See server_power.csv.
IDLE_W, FULL_W, RANGE_W, BEYOND_W = 2 * 0.331, 2 * 1.86, 2 * (1.86 - 0.331), 22 * 0.284
SLOPE_W = (1 - NINE_TENTHS) / 0.1 * RANGE_W


@pytest.mark.parametrize(
    ("model", "processors_w", "memory_w"),
    [
        ("load_curve", (IDLE_W, IDLE_W + HALF * RANGE_W, FULL_W), BEYOND_W),
        ("load_curve_full_host", (FULL_W - SLOPE_W, FULL_W - 0.5 * SLOPE_W, FULL_W), BEYOND_W),
        ("servers", (IDLE_W, IDLE_W + 0.5 * RANGE_W, FULL_W), BEYOND_W),
        ("codecarbon", (0.8, 8 * (0.1 + 0.9 * 0.5**3), 8.0), 20.0),
        ("codecarbon_former_memory", (0.8, 1.7, 8.0), 3 * 24 / 8),
        ("codecarbon_processors", (0.8, 1.7, 8.0), 0.0),
        # Its table ends with the generation before.
        ("cloud_carbon_footprint", (2 * 0.74, 2 * (0.74 + 0.5 * (3.5 - 0.74)), 2 * 3.5), 24 * 0.392),
        ("boavizta", (8 * 0.12, 8 * 0.75, 8 * 1.02), 24 * 0.284),
        ("green_algorithms", (0.0, 4.0, 8.0), 24 * 0.3725),
        ("time_alone", (4.0, 4.0, 4.0), 20.0),
        ("processor_time_alone", (0.0, 4.0, 8.0), 0.0),
    ],
)
def test_three_loads_by_hand(model, processors_w, memory_w):
    for busy_cores, expected_w in zip((0.0, 1.0, 2.0), processors_w, strict=True):
        power = POWER_MODELS[model].power_w(dataclasses.replace(HERE, busy_cores=busy_cores))
        assert power == pytest.approx({"cpu": expected_w, "dram": memory_w})


def test_the_ends_of_the_interval_hold_both_conventions_of_a_virtual_machine():
    for busy_cores in (0.0, 1.0, 2.0):
        use = dataclasses.replace(HERE, busy_cores=busy_cores)
        place = int(5 * busy_cores)
        shares = [sum(model(use).values()) for model in (load_curve, load_curve_full_host)]
        low, high = sum(load_curve_low(use).values()), sum(load_curve_high(use).values())
        assert low == pytest.approx(
            use.servers.low[place]
            * (min(load_curve(use)["cpu"], load_curve_full_host(use)["cpu"]) + BEYOND_W)
        )
        assert high == pytest.approx(
            use.servers.high[place]
            * (max(load_curve(use)["cpu"], load_curve_full_host(use)["cpu"]) + BEYOND_W)
        )
        assert all(low <= share <= high for share in shares)


def test_a_whole_server_has_no_other_convention():
    alone = dataclasses.replace(HERE, is_part=False)
    with pytest.raises(NotCovered, match="virtual"):
        load_curve_full_host(alone)
    assert sum(load_curve_low(alone).values()) == pytest.approx(
        alone.servers.low[5] * sum(load_curve(alone).values())
    )


def test_every_model_has_a_worked_example():
    (mark,) = test_three_loads_by_hand.pytestmark
    ends = {"load_curve_low", "load_curve_high"}
    assert {model for model, *_ in mark.args[1]} | ends == set(POWER_MODELS)


def test_servers_of_no_known_generation_are_told_by_their_tdp():
    servers = choose_servers(None, rated_tdp_w=65.0)
    use = Use(busy_cores=16.0, threads=16, memory_gib=16, rated_tdp_w=65.0, servers=servers)
    assert load_curve(use) == pytest.approx({"cpu": 65 * servers.full_w, "dram": 0.0})
    idle = dataclasses.replace(use, busy_cores=0.0, memory_gib=1000)
    beyond_gib = 1000 - 65 * servers.memory_gb
    assert load_curve(idle) == pytest.approx({"cpu": 65 * servers.idle_w, "dram": 0.284 * beyond_gib})


def test_an_unknown_processor_has_any_server_by_threads_and_a_wider_interval():
    unknown = GENOA.model_copy(update={"model": 250})
    part, whole = choose_servers(unknown, is_part=True), choose_servers(unknown)
    assert (part.evidence, whole.evidence) == ("threads", "machines")
    use = Use(busy_cores=1.0, threads=1, memory_gib=1, servers=whole)
    assert load_curve(use)["cpu"] == pytest.approx(whole.full_w)
    genoa = choose_servers(GENOA)
    assert all(high > known for high, known in zip(part.high, genoa.high, strict=True))
    assert all(low < known for low, known in zip(part.low, genoa.low, strict=True))
    assert all(low <= known for low, known in zip(whole.low, part.low, strict=True))


@pytest.mark.parametrize("model", POWER_MODELS)
def test_arrays_equal_objects(model):
    busy_cores = np.linspace(0.0, 2.0, 7)
    of_many = POWER_MODELS[model].power_w(dataclasses.replace(HERE, busy_cores=busy_cores))
    for place, busy in enumerate(busy_cores.tolist()):
        of_one = POWER_MODELS[model].power_w(dataclasses.replace(HERE, busy_cores=busy))
        for domain, watts in of_one.items():
            assert np.broadcast_to(of_many[domain], busy_cores.shape)[place] == watts


@pytest.mark.parametrize("model", POWER_MODELS)
def test_a_load_above_one_is_full_load(model):
    over, full = (dataclasses.replace(HERE, busy_cores=busy) for busy in (2.4, 2.0))
    assert POWER_MODELS[model].power_w(over) == POWER_MODELS[model].power_w(full)


@pytest.mark.parametrize("model", POWER_MODELS)
def test_one_thread_has_half_of_two(model):
    one = dataclasses.replace(HERE, threads=1, busy_cores=0.5, memory_gib=12, tdp_w=4.0, memory_w=10.0)
    halves = {domain: watts / 2 for domain, watts in POWER_MODELS[model].power_w(HERE).items()}
    assert POWER_MODELS[model].power_w(one) == pytest.approx(halves)


@pytest.mark.parametrize(("load", "share"), [(0, 0.12), (0.05, 0.22), (0.1, 0.32), (0.75, 0.885), (1, 1.02)])
def test_boavizta_joins_its_points_by_straight_lines(load, share):
    power = POWER_MODELS["boavizta"].power_w(dataclasses.replace(HERE, busy_cores=2 * load))
    assert power["cpu"] == pytest.approx(8 * share)


def test_a_generation_in_its_table_has_its_own_watts_by_cloud_carbon_footprint():
    rome = choose_servers(GENOA.model_copy(update={"family": 23, "model": 49}))
    power = POWER_MODELS["cloud_carbon_footprint"].power_w(dataclasses.replace(HERE, servers=rome))
    assert power["cpu"] == pytest.approx(2 * (0.47 + 0.5 * (1.69 - 0.47)))


def test_memory_that_the_servers_had_is_not_counted_twice():
    small = dataclasses.replace(HERE, memory_gib=1)
    assert POWER_MODELS["load_curve"].power_w(small)["dram"] == 0


@pytest.mark.parametrize("model", POWER_MODELS)
def test_power_never_falls_with_load(model):
    watts = [
        sum(POWER_MODELS[model].power_w(dataclasses.replace(HERE, busy_cores=busy)).values())
        for busy in (0, 0.5, 1, 1.5, 2)
    ]
    assert watts == sorted(watts)


BY_SERVERS = {"load_curve", "load_curve_low", "load_curve_high", "load_curve_full_host", "servers"}


@pytest.mark.parametrize(
    ("missing", "uncovered"),
    [
        ({"servers": None}, BY_SERVERS),
        ({"servers": choose_servers(None)}, {"servers"}),
        (
            {"tdp_w": None},
            {
                "codecarbon",
                "codecarbon_former_memory",
                "codecarbon_processors",
                "boavizta",
                "green_algorithms",
                "time_alone",
                "processor_time_alone",
            },
        ),
    ],
)
def test_what_is_not_known_leaves_a_reason(missing, uncovered):
    gaps = {}
    for name, model in POWER_MODELS.items():
        try:
            model.power_w(dataclasses.replace(HERE, **missing))
        except NotCovered as gap:
            gaps[name] = str(gap)
    assert set(gaps) == uncovered
    assert all("known" in gap or "named" in gap for gap in gaps.values())


def test_memory_alone_is_no_matter_of_a_model_of_the_whole():
    assert power_w(POWER_MODELS["boavizta"], HERE, frozenset({"dram"})) == {"dram": 24 * 0.284}
    with pytest.raises(NotCovered, match="together"):
        power_w(POWER_MODELS["load_curve"], HERE, frozenset({"dram"}))
