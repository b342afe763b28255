"""Power models: a worked example each, and what they do not cover."""

import dataclasses

import pytest

from joules.power.models import POWER_MODELS, power_w
from joules.power.servers import ProcessorIdentity, recognize_servers
from joules.power.use import NotCovered, Use

GENOA = ProcessorIdentity(vendor="AuthenticAMD", family=25, model=17, stepping=1)
# Two threads and 24 GiB of a Genoa; CodeCarbon takes 4 W a thread and four modules of 5 W.
HERE = Use(
    busy_cores=1.0, threads=2, memory_gib=24, tdp_w=8.0, memory_w=20.0, servers=recognize_servers(GENOA)
)


@pytest.mark.parametrize(
    ("model", "processors_w", "memory_w"),
    [
        ("codecarbon", 8 * (0.1 + 0.9 * 0.5**3), 20.0),
        ("codecarbon_former_memory", 1.7, 3 * 24 / 8),
        ("codecarbon_processors", 1.7, 0.0),
        # .331 and 1.86 W a thread; 22 GiB beyond the 2 of such servers.
        ("servers", 2 * (0.331 + 0.5 * (1.86 - 0.331)), 22 * 0.3725),
        ("servers_low", 2 * (0.305 + 0.5 * (1.65 - 0.305)), 22 * 0.284),
        ("servers_high", 2 * (0.388 + 0.5 * (2.15 - 0.388)), 22 * 0.392),
        # Its table ends with the generation before.
        ("cloud_carbon_footprint", 2 * (0.74 + 0.5 * (3.5 - 0.74)), 24 * 0.392),
        ("boavizta", 8 * 0.75, 24 * 0.284),
        ("green_algorithms", 4.0, 24 * 0.3725),
        ("time_alone", 4.0, 20.0),
        ("processor_time_alone", 4.0, 0.0),
    ],
)
def test_one_busy_core_of_two_by_hand(model, processors_w, memory_w):
    assert POWER_MODELS[model].power_w(HERE) == pytest.approx({"cpu": processors_w, "dram": memory_w})


def test_every_model_has_a_worked_example():
    (mark,) = test_one_busy_core_of_two_by_hand.pytestmark
    assert {model for model, *_ in mark.args[1]} == set(POWER_MODELS)


@pytest.mark.parametrize(("load", "share"), [(0, 0.12), (0.05, 0.22), (0.1, 0.32), (0.75, 0.885), (1, 1.02)])
def test_boavizta_joins_its_points_by_straight_lines(load, share):
    power = POWER_MODELS["boavizta"].power_w(dataclasses.replace(HERE, busy_cores=2 * load))
    assert power["cpu"] == pytest.approx(8 * share)


def test_a_generation_in_its_table_has_its_own_watts_by_cloud_carbon_footprint():
    rome = recognize_servers(GENOA.model_copy(update={"family": 23, "model": 49}))
    power = POWER_MODELS["cloud_carbon_footprint"].power_w(dataclasses.replace(HERE, servers=rome))
    assert power["cpu"] == pytest.approx(2 * (0.47 + 0.5 * (1.69 - 0.47)))


def test_memory_that_the_servers_had_is_not_counted_twice():
    small = dataclasses.replace(HERE, memory_gib=1)
    assert POWER_MODELS["servers"].power_w(small)["dram"] == 0


def test_power_never_falls_with_load():
    for model in POWER_MODELS.values():
        watts = [
            sum(model.power_w(dataclasses.replace(HERE, busy_cores=busy)).values())
            for busy in (0, 0.5, 1, 1.5, 2)
        ]
        assert watts == sorted(watts)


@pytest.mark.parametrize(
    ("missing", "uncovered"),
    [
        ({"servers": None}, {"servers", "servers_low", "servers_high"}),
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
    assert all("not known" in gap or "known to be" in gap for gap in gaps.values())


def test_memory_alone_is_no_matter_of_a_model_of_the_whole():
    assert power_w(POWER_MODELS["boavizta"], HERE, frozenset({"dram"})) == {"dram": 24 * 0.284}
    with pytest.raises(NotCovered, match="together"):
        power_w(POWER_MODELS["servers"], HERE, frozenset({"dram"}))
