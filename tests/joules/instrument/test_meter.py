"""The public meter, on replayed power and on this machine."""

import asyncio
import functools
import inspect
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time

import pandas as pd
import pytest

from joules import METER_VERSION, Measurement, Meter
from joules.errors import UserError
from joules.instrument.host.node import RANK_VARIABLES, local_rank
from joules.instrument.source import Channel
from tests import ROOT
from tests.records import QUIET
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
        assert str(window) == "open: not ended"
        with pytest.raises(UserError, match="'open' is still open"):
            _ = window.energy_j


@pytest.mark.parametrize(
    ("calls", "sentence"),
    [
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


def test_work_of_others_in_idle_power_is_flagged(monkeypatch):
    busy = QUIET.model_copy(update={"foreign_cores": 0.8, "foreign_programs": {"neighbour": 0.8}})
    monkeypatch.setattr("joules.instrument.meter.between", lambda *_: busy)
    with Meter(sources=[constant()], idle_s=0.1) as meter, meter.window() as window:
        pass
    assert any(flag.startswith("shared-idle: ") and "neighbour" in flag for flag in window.measurement.flags)


def test_what_nothing_reads_is_refused():
    with pytest.raises(UserError, match="the CPU is not"):
        Meter(sources=[constant(domain="gpu0")])


def test_the_floor_of_the_machine_is_kept():
    with Meter(sources=[constant()], floor_w=20.0) as meter, meter.window() as window:
        time.sleep(0.05)
    assert window.measurement.total.floored
    assert window.energy_j == pytest.approx(20.0 * window.duration_s)


def test_names_may_repeat_and_each_window_is_ended_by_its_handle(meter):
    first = meter.begin_window("work")
    time.sleep(0.05)
    second = meter.begin_window("work")
    measured = meter.end_window(first)
    time.sleep(0.05)
    assert measured is first.measurement
    assert measured.energy_j == pytest.approx(POWER_W * measured.duration_s)
    # By name, the last one that was opened is closed.
    meter.begin_window("work")
    meter.end_window("work")
    with pytest.raises(UserError, match="is still open"):
        _ = second.measurement
    meter.end_window("work")
    assert second.duration_s >= 0.05
    with pytest.raises(UserError, match=r"window 'work' is not open \(open: none\)"):
        meter.end_window(second)
    with pytest.raises(UserError, match="was opened before"):
        second.__enter__()


def test_tasks_that_share_a_name_are_measured_apart_and_do_not_hide_an_error(meter):
    async def work(seconds):
        async with meter.window("task") as window:
            await asyncio.sleep(seconds)
            if seconds > 0.15:
                raise ZeroDivisionError
        return window

    async def both():
        return await asyncio.gather(work(0.05), work(0.1), work(0.2), return_exceptions=True)

    short, long, failed = asyncio.run(both())
    assert short.duration_s >= 0.05
    assert long.duration_s >= 0.1
    assert isinstance(failed, ZeroDivisionError)
    assert [window.name for window in meter.windows] == ["task"] * 3
    assert max(window.duration_s for window in meter.windows) >= 0.2


SLEEP_S = 0.06


def sleep(meter):
    time.sleep(SLEEP_S)
    return 7


async def sleep_async(meter):
    await asyncio.sleep(SLEEP_S)
    return 7


def generate(meter):
    time.sleep(SLEEP_S)
    yield 7


async def generate_async(meter):
    await asyncio.sleep(SLEEP_S)
    yield 7


def return_coroutine(meter):
    return sleep_async(meter)


async def collect(items):
    return [item async for item in items]


CALLS = {
    sleep: lambda made: made,
    sleep_async: asyncio.run,
    generate: lambda made: next(iter(list(made))),
    generate_async: lambda made: asyncio.run(collect(made))[0],
    return_coroutine: asyncio.run,
    functools.partial(sleep_async): asyncio.run,
}


@pytest.mark.parametrize("decorate", ["measure", "window"])
@pytest.mark.parametrize("function", CALLS)
def test_every_kind_of_function_is_measured_to_its_end(meter, function, decorate):
    measured = getattr(meter, decorate)("work")(function)
    if decorate == "measure":
        assert inspect.iscoroutinefunction(measured) == inspect.iscoroutinefunction(function)
    for calls in (1, 2):
        made = measured(meter)
        assert len(meter.windows) == calls - (function is not sleep)
        assert CALLS[function](made) == 7
        window = meter.windows[-1]
        assert (len(meter.windows), window.name) == (calls, "work")
        assert window.energy_j == pytest.approx(POWER_W * window.duration_s)
        assert window.duration_s >= SLEEP_S


def test_a_measured_function_keeps_its_name_and_its_error(meter):
    @meter.measure()
    def divide():
        """Says what it does."""
        return 1 / 0

    with pytest.raises(ZeroDivisionError):
        divide()
    assert divide.__doc__ == "Says what it does."
    assert meter.windows[0].name.endswith("divide")


def test_windows_are_a_table(meter, tmp_path):
    for name in ("one", "two,"):
        with meter.window(name):
            time.sleep(0.02)
    frame = meter.windows.to_frame()
    meter.windows.to_csv(tmp_path / "windows.csv")
    read = pd.read_csv(tmp_path / "windows.csv")
    assert list(frame["name"]) == list(read["name"]) == ["one", "two,"]
    assert list(read["energy_j"]) == pytest.approx([window.energy_j for window in meter.windows])
    assert list(frame["power_w"]) == pytest.approx([POWER_W, POWER_W])
    assert pd.to_datetime(frame["began_at"]).is_monotonic_increasing


def test_a_measurement_is_dumped_whole_and_shown_in_a_line(meter):
    with meter.window("a<b") as window:
        time.sleep(0.02)
    measured = window.measurement
    dumped = json.loads(measured.model_dump_json())
    assert dumped["energy_j"] == measured.total.energy_j
    assert dumped["provenance"] == "sampled"
    assert Measurement.model_validate(dumped) == measured
    assert measured.energy_kwh == pytest.approx(measured.energy_j / 3.6e6)
    assert measured.power_w == pytest.approx(POWER_W)
    assert measured.co2e_g("WOR", pue=2.0) == pytest.approx(2 * measured.energy_kwh * 475)
    assert repr(measured).startswith("<Measurement a<b: 0.")
    assert "\n" not in repr(measured)
    html = window._repr_html_()
    assert "Energy of a&lt;b" in html
    assert f"<b>{measured.energy_j:.3f} J</b>" in html
    assert "<td>cpu</td>" in html


def test_a_function_is_profiled_until_its_mean_is_known(meter):
    calls = []
    repeats = meter.profile(lambda: calls.append(time.sleep(0.02)), name="nap", within=10.0, budget_s=60.0)
    # A warm-up, and repeats that were disturbed are repeated once.
    assert len(calls) == 1 + len(repeats.repeats)
    assert repeats.n == 10
    low_j, high_j = repeats.energy_interval_j
    assert low_j < repeats.energy_j < high_j
    assert repeats.energy_j == pytest.approx(POWER_W * repeats.duration_s)
    assert str(repeats).startswith("nap: 0.")
    assert "; sampled)" in str(repeats)


def test_of_the_ranks_of_a_node_one_reads_the_machine(monkeypatch):
    monkeypatch.setenv("SLURM_LOCALID", "3")
    with Meter() as meter, meter.window("rank") as window:
        time.sleep(1.2)
    assert (window.energy_j, window.provenance) == (None, "missing")
    assert window.duration_s >= 1.2
    assert any("SLURM_LOCALID is 3: rank 0 of this node meters the machine" in flag for flag in window.flags)


@pytest.mark.parametrize("name", RANK_VARIABLES)
def test_the_rank_is_the_launchers(name):
    assert local_rank({name: "2"}) == (2, name)
    assert local_rank({name: "none"}) is None
    assert local_rank({}) is None


SECOND = """
import warnings
from joules import Meter
warnings.simplefilter("error")
try:
    Meter(without_gpu=True)
except UserWarning as warned:
    print(warned)
"""


def test_a_second_meter_of_the_machine_says_so(monkeypatch, tmp_path):
    def start_second():
        command = [sys.executable, "-c", SECOND]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with Meter(without_gpu=True):
        said = f"meter: process {os.getpid()} also meters this machine: do not add their energies\n"
        assert start_second() == said
    assert start_second() == ""


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
assert main(["bench", "--idle", "0", "--budget", "0.1s", "true", "sleep 0.01"]) == 0
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
    assert "Compared with 'true' (95 % intervals):" in done.stdout
    assert "J  total" in done.stderr
    assert list(tmp_path.iterdir()) == []
