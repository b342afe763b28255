"""What the comparison with other meters rests on: counters, features seen in code, words of meters."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from tests import ROOT
from validation.meters.features import check_features
from validation.meters.hardware import MACHINES, Machine, compile_laboratory
from validation.peers import new_lines

_READ = """
import json, pathlib, time
began_s = time.monotonic()
zones = sorted(pathlib.Path("/sys/class/powercap").glob("intel-rapl:*"))
read = {zone.name: ((zone / "name").read_text(), int((zone / "energy_uj").read_text())) for zone in zones}
print(json.dumps([began_s, time.monotonic(), read]))
"""


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler (cc) for the laboratory")
    return compile_laboratory(tmp_path_factory.mktemp("laboratory"))


def _counters(machine, laboratory):
    environment = {**os.environ, **laboratory, **machine.environment}
    done = subprocess.run(
        [sys.executable, "-c", _READ], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def _machine(name):
    return next(machine for machine in MACHINES if machine.name == name)


def test_any_program_reads_the_counters_of_a_machine(tmp_path, laboratory):
    hardware, start_s = _machine("two packages, their cores, psys"), time.monotonic()
    machine = Machine(hardware, tmp_path / "machine")
    made_s = time.monotonic()
    began_s, ended_s, read = _counters(machine, laboratory)
    assert len(read) == len(hardware.zones)
    for zone in hardware.zones:
        name, counted_uj = read[zone.folder.rpartition("/")[2]]
        assert name.strip() == zone.name
        least_s, most_s = began_s - made_s - 0.001, ended_s - start_s
        assert zone.power_w * least_s <= counted_uj / 1e6 - zone.base_j <= zone.power_w * most_s


def test_a_counter_wraps(tmp_path, laboratory):
    hardware = _machine("counter wraps every 5 s")
    (zone,) = hardware.zones
    machine = Machine(hardware, tmp_path / "machine")
    file = next((tmp_path / "machine").rglob("energy_uj"))
    file.write_text(zone.count_from(time.monotonic(), 1_000.0, 0.0), encoding="utf-8")
    assert _counters(machine, laboratory)[2]["intel-rapl:0"][1] == (1_000.0 % zone.range_j) * 1e6


def test_a_counter_stops(tmp_path, laboratory):
    machine = Machine(_machine("counter stops"), tmp_path / "machine")
    before = _counters(machine, laboratory)[2]
    machine.cause_event()
    first, second = (_counters(machine, laboratory)[2] for _ in range(2))
    assert before["intel-rapl:0"][1] < first["intel-rapl:0"][1] == second["intel-rapl:0"][1]


def test_a_counter_is_reset(tmp_path, laboratory):
    hardware = _machine("counter is reset")
    machine = Machine(hardware, tmp_path / "machine")
    before = _counters(machine, laboratory)[2]["intel-rapl:0"][1]
    happened_s = time.monotonic()
    machine.cause_event()
    _, ended_s, read = _counters(machine, laboratory)
    assert before >= 1e6 * hardware.zones[0].base_j
    assert read["intel-rapl:0"][1] <= 1e6 * hardware.power_w * (ended_s - happened_s)


def test_the_features_of_joules_are_in_its_code():
    rows = check_features(ROOT, ["joules"])
    assert {entry for _, entry in rows} == {"yes", "no"}


@pytest.mark.parametrize(
    ("meter", "file", "refused"),
    [
        ("codecarbon", "interval.py", "may have '95 % interval"),
        ("joules", "cli/bench.py", "no 'class Repeats'"),
    ],
)
def test_a_feature_that_the_code_does_not_bear_out_is_refused(tmp_path, meter, file, refused):
    path = tmp_path / meter / file
    path.parent.mkdir(parents=True)
    path.write_text("confidence = 0.95", encoding="utf-8")
    with pytest.raises(ValueError, match=refused):
        check_features(tmp_path, [meter])


def test_only_what_a_meter_says_about_the_machine_is_kept():
    usual = ["[1] INFO open", "foreign-cpu: others used 1.0 cores"]
    lines = [
        "[2] INFO open",
        "short-window: 1.0 s",
        "[3] WARNING: \x1b[1;33mGPU 1 is lost\x1b[0m",
        "Traceback (most",
    ]
    assert new_lines(lines, usual) == ["[3] WARNING: GPU 1 is lost"]
