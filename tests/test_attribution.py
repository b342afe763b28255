"""Attributed energy: the job's own, whoever works beside it."""

import subprocess
import sys
import time

import pytest

from experiments.energy import contention
from experiments.energy.attribution import JobModel, job_readings
from experiments.energy.sources.codecarbon_model import CodeCarbonModel
from tests.records import reading


def cubic(load):
    return 8 * (0.1 + 0.9 * load**3)


class Job:
    """CPU seconds and a clock that a test moves."""

    def __init__(self):
        self.now_s, self.used_s = 0.0, 0.0

    def model(self, cores, monkeypatch):
        monkeypatch.setattr("os.cpu_count", lambda: cores)
        return JobModel(cubic, 20.0, cpu_s=lambda: self.used_s, clock=lambda: self.now_s)


def test_a_modelled_job_is_charged_at_its_own_load(monkeypatch):
    job = Job()
    model = job.model(2, monkeypatch)
    job.now_s, job.used_s = 1.0, 1.0
    powers = {channel.domain: watts for channel, watts in model.read().items()}
    assert powers["cpu"] == pytest.approx(cubic(0.5))
    job.now_s = 2.0
    powers = {channel.domain: watts for channel, watts in model.read().items()}
    assert powers["cpu"] == pytest.approx(cubic(0.0))


def test_a_job_alone_is_charged_what_the_machine_model_reads():
    """Our curve is CodeCarbon's: the processor at the load CodeCarbon saw."""
    source = CodeCarbonModel()
    for load_percent in (0.0, 30.0, 100.0):
        source._cpu._cpu_load_meter.percent = lambda load=load_percent: load
        powers = {channel.domain: watts for channel, watts in source.read().items()}
        assert powers["cpu"] == pytest.approx(source.processor_w(load_percent / 100))


def test_a_counted_job_gets_idle_and_its_share_of_the_rest():
    alone = reading(30.0, provenance="counter")
    beside = reading(50.0, provenance="counter")
    own = [
        job_readings([whole], {"cpu": 5.0}, 2.0, cpu_share=share, gpu_shares={})[0].energy_j
        for whole, share in ((alone, 1.0), (beside, 0.5))
    ]
    assert own == [30.0, 30.0]


def test_gpus_are_shared_by_their_own_use():
    readings = [reading(10.0), reading(100.0, domain="gpu0", provenance="counter")]
    shared = job_readings(readings, {"gpu0": 20.0}, 1.0, 1.0, {"gpu0": 0.25})
    assert {found.domain: found.energy_j for found in shared} == {"cpu": 10.0, "gpu0": 40.0}
    assert all(found.scope == "job" for found in shared)


def test_a_share_never_exceeds_the_whole():
    (found,) = job_readings([reading(3.0, provenance="counter")], {"cpu": 5.0}, 2.0, 1.0, {})
    assert found.energy_j == 3.0


def test_descendants_of_descendants_are_counted():
    before_s = contention.job_cpu_s()
    inner = "end = __import__('time').time() + 0.3\nwhile __import__('time').time() < end: pass"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    process = subprocess.Popen([sys.executable, "-c", outer])
    time.sleep(0.1)
    assert process.pid in contention.descendants()
    process.wait()
    assert contention.job_cpu_s() - before_s > 0.15
