"""The meter on a system other than Linux: no /proc, fewer calls, a simulated module of an Apple processor.

It was not tested on such a machine; the parts that only Linux has are removed.
"""

import os
import signal
import subprocess
import sys
import time

import pytest

from joules import Meter
from joules.instrument import carbon
from joules.instrument.command import meter_command
from joules.instrument.host import processes
from validation.laboratory.curve import constant
from validation.laboratory.situations.modules import apple_module

POWER_W = {"cpu_total_mj": 12.0, "dram_mj": 2.0, "gpu_mj": 5.0, "gpu_sram_mj": None, "ane_mj": 0.0}
WORK = "import time\nend = time.process_time() + .3\nwhile time.process_time() < end: pass"


@pytest.fixture
def mac(monkeypatch, tmp_path):
    monkeypatch.setattr(processes, "_PROC", tmp_path / "proc")
    monkeypatch.delattr(signal, "sigtimedwait")
    monkeypatch.delattr(os, "waitid")
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    clock_gettime = time.clock_gettime

    def refuse_processes(clock):
        if clock < 0:
            raise OSError(22, "Invalid argument")
        return clock_gettime(clock)

    monkeypatch.setattr(time, "clock_gettime", refuse_processes)
    curves = {name: None if watts is None else constant(watts) for name, watts in POWER_W.items()}
    monkeypatch.setitem(sys.modules, "zeus_apple_silicon", apple_module(time.monotonic, curves))


def test_a_window_reads_the_parts_of_the_processor(mac):
    with Meter() as meter, meter.window() as window:
        subprocess.run([sys.executable, "-c", WORK], check=True)
    read = window.measurement
    parts = {domain: reading.energy_j / read.duration_s for domain, reading in read.domains.items()}
    assert parts == pytest.approx(
        {"cpu": 12.0, "dram": 2.0, "gpu-apple0": 5.0, "neural-engine": 0.0}, rel=0.02
    )
    assert read.provenance == "counter"
    assert read.cpu_s >= 0.3


def test_a_command_is_metered_and_its_status_is_kept(mac):
    metered = meter_command([sys.executable, "-c", f"{WORK}\nraise SystemExit(3)"], carbon.grid(carbon.WORLD))
    assert metered.exit_code == 3
    assert metered.contention.job_cpu_s >= 0.3
    assert metered.energy_j == pytest.approx(19.0 * metered.duration_s, rel=0.02)


def test_a_signal_is_passed_on_to_the_command(mac):
    metered = meter_command(["sh", "-c", "kill -TERM $PPID; sleep 20"], carbon.grid(carbon.WORLD))
    assert metered.exit_code == 128 + signal.SIGTERM
    assert metered.duration_s < 15
