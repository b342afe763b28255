"""The benchmark of counters against sampled power, on known instruments."""

import itertools

import pandas as pd
import pytest

from joules.instrument.sampler import Sampler
from joules.instrument.source import Channel
from tests.replay import Replay
from validation.counter import table, update_period_s, window

CPU = Channel("cpu", "model", "modelled", "mean_w", "simulated")
COUNTER = Channel("gpu0", "counter", "counter", "cumulative_j", "simulated", resolution_j=1e-3)
POWER = Channel("gpu0", "power", "sampled", "instant_w", "simulated")


def replayed(power_w):
    """A counter and a sensor, both at 100 W."""
    return Replay({CPU: lambda _: 5.0, COUNTER: lambda at_s: 100 * at_s, POWER: power_w})


@pytest.mark.parametrize(("sensed_w", "error"), [(100.0, 0.0), (90.0, -10.0)])
def test_the_error_of_a_sensor_is_told_in_per_cent_of_the_counter(sensed_w, error):
    with Sampler([replayed(lambda _: sensed_w)]) as meter:
        (row,) = window(meter, 0.3)
    assert row["gpu"] == "gpu0"
    assert row["power_w"] == pytest.approx(100, rel=1e-3)
    assert row["integral"] == pytest.approx(error, abs=0.1)
    assert row["naive 1 s"] == pytest.approx(error, abs=0.1)


def test_rows_are_summed_up_by_load():
    rows = pd.DataFrame({"gpu": "gpu0", "load": "idle", "integral": [1.0, -2.0, 3.0]})
    assert table(rows).loc[("gpu0", "idle"), "integral"] == "1.00 [-2.00, 3.00]"


def test_the_pace_of_an_instrument_is_seen():
    instants = itertools.count(0.0, 0.001)
    now_s = 0.0

    def clock():
        nonlocal now_s
        now_s = next(instants)
        return now_s

    source = Replay({POWER: lambda at_s: at_s // 0.05}, clock=lambda: now_s)
    assert update_period_s(source, 0.6, clock)["gpu0 power"] == pytest.approx(0.05, abs=0.001)
