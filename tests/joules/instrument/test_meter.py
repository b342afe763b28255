"""The public meter, on replayed power and on this machine."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time

import pytest

from joules import METER_VERSION, Measurement, Meter
from joules.errors import UserError
from joules.instrument.source import Channel
from tests import ROOT
from tests.replay import Replay

# Who used the processor is what is asked.
pytestmark = pytest.mark.alone

POWER_W = 5.0


def constant(power_w=POWER_W, domain="cpu"):
    channel = Channel(domain=domain, source="replay", provenance="sampled", form="instant_w", detail="test")
    return Replay({channel: lambda _instant_s: power_w}, period_s=0.01)


@pytest.fixture
def meter():
    with Meter(sources=[constant()]) as made:
        yield made


def test_a_window_is_power_times_time(meter):
    began_s = time.monotonic()
    meter.begin_window("sleep")
    time.sleep(0.1)
    measured = meter.end_window("sleep")
    assert isinstance(measured, Measurement)
    assert measured.energy_j == pytest.approx(POWER_W * measured.duration_s)
    assert 0.1 <= measured.duration_s <= time.monotonic() - began_s
    assert (measured.name, measured.provenance, measured.meter_version) == ("sleep", "sampled", METER_VERSION)
    assert set(measured.domains) == {"cpu"}
    assert str(measured).startswith("sleep: 0.")
    assert "; sampled)" in str(measured)
    assert "\n" not in str(measured)


def test_windows_nest_and_overlap(meter):
    meter.begin_window("outer")
    with meter.window("inner") as inner:
        time.sleep(0.05)
    meter.begin_window("late")
    time.sleep(0.05)
    outer = meter.end_window("outer")
    time.sleep(0.05)
    late = meter.end_window("late")
    for measured in (inner, outer, late):
        assert measured.energy_j == pytest.approx(POWER_W * measured.duration_s)
    assert inner.duration_s + 0.05 <= outer.duration_s
    assert late.duration_s >= 0.1


def test_work_in_this_process_is_the_jobs_and_not_foreign(meter):
    began_s = time.process_time()
    with meter.window() as busy:
        used_s = time.process_time()
        while time.process_time() - used_s < 0.3:
            pass
    # Processor time is read in hundredths of a second.
    assert 0.29 <= busy.cpu_s <= time.process_time() - began_s + 0.02
    assert busy.energy_attributed_j <= busy.energy_j
    # What this process used is not counted as another's.
    contention = busy.measurement.contention
    foreign_s, busy_s = (
        cores * busy.duration_s for cores in (contention.foreign_cores, contention.busy_cores)
    )
    assert foreign_s <= busy_s - busy.cpu_s + 0.1


def test_children_of_this_process_are_the_jobs_too(meter):
    with meter.window() as busy:
        subprocess.run([sys.executable, "-c", "sum(i * i for i in range(3_000_000))"], check=True)
    assert busy.cpu_s > 0.05


def test_a_window_that_raises_is_read_all_the_same(meter):
    def work():
        with meter.window("failing") as window:
            windows.append(window)
            raise ZeroDivisionError

    windows = []
    with pytest.raises(ZeroDivisionError):
        work()
    assert windows[0].energy_j > 0


def test_a_window_is_not_read_before_its_end(meter):
    with meter.window("open") as window:
        assert str(window) == "open: still open"
        with pytest.raises(UserError, match="'open' is still open"):
            _ = window.energy_j


@pytest.mark.parametrize(
    ("calls", "sentence"),
    [
        ([("begin_window", "a"), ("begin_window", "a")], "'a' is already open"),
        ([("begin_window", "a"), ("end_window", "b")], r"window 'b' is not open \(open: 'a'\)"),
        ([("end_window", "a")], r"window 'a' is not open \(open: none\)"),
    ],
)
def test_a_wrong_call_is_a_sentence(meter, calls, sentence):
    *first, (name, argument) = calls
    for method, window in first:
        getattr(meter, method)(window)
    with pytest.raises(UserError, match=sentence):
        getattr(meter, name)(argument)


def test_a_closed_meter_says_so():
    with Meter(sources=[constant()]) as meter:
        pass
    meter.close()
    with pytest.raises(UserError, match="is closed"):
        meter.begin_window()


def test_threads_share_a_meter(meter):
    readings = {}

    def work(name):
        with meter.window(name) as window:
            time.sleep(0.1)
        readings[name] = window

    threads = [threading.Thread(target=work, args=(f"thread {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(readings) == 4
    for window in readings.values():
        assert window.energy_j == pytest.approx(POWER_W * window.duration_s)


def in_child(meter, pipe):
    try:
        meter.begin_window("child")
    except UserError as fault:
        pipe.send(str(fault))
    # Its end must not stop the parent's meter.
    meter.close()


def test_a_forked_child_is_told_to_make_its_own(meter):
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=in_child, args=(meter, there))
    child.start()
    assert "create a meter in the child" in here.recv()
    child.join()
    with meter.window() as window:
        time.sleep(0.05)
    assert window.energy_j > 0


def test_two_meters_at_once_read_the_same():
    with (
        Meter(sources=[constant()]) as one,
        Meter(sources=[constant()]) as two,
        one.window("one") as first,
        two.window("two") as second,
    ):
        time.sleep(0.1)
    assert first.energy_j / first.duration_s == pytest.approx(second.energy_j / second.duration_s)


def test_rest_is_measured_where_it_is_asked_for():
    with Meter(sources=[constant()], idle_s=0.1) as meter:
        assert meter.idle_power_w == {"cpu": pytest.approx(POWER_W)}


def test_what_nothing_reads_is_refused():
    with pytest.raises(UserError, match="the CPU is not"):
        Meter(sources=[constant(domain="gpu0")])


def test_the_floor_of_the_machine_is_kept():
    with Meter(sources=[constant()], floor_w=20.0) as meter, meter.window() as window:
        time.sleep(0.05)
    assert window.measurement.total.floored
    assert window.energy_j == pytest.approx(20.0 * window.duration_s)


LIGHT = """
import importlib.metadata, sys
from importlib.metadata import packages_distributions
allowed = set(sys.argv[1].split())
for module, names in packages_distributions().items():
    if module != "joules" and allowed.isdisjoint(name.lower().replace("_", "-") for name in names):
        sys.modules[module] = None
from joules import Meter
from joules.cli import main
with Meter() as meter, meter.window("light") as window:
    sum(range(10**6))
print(window)
sys.exit(main(["meter", "--idle", "0", "--", sys.executable, "-c", "pass"]))
"""
# What `pip install .` brings along.
DEPENDENCIES = (
    *("numpy", "nvidia-ml-py", "psutil", "pydantic", "pyyaml"),
    *("annotated-types", "pydantic-core", "typing-extensions", "typing-inspection"),
)


def test_metering_needs_few_packages_no_home_and_no_clone(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, " ".join(DEPENDENCIES)],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("light: ")
    assert "J  total" in done.stderr
    assert list(tmp_path.iterdir()) == []
