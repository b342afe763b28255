"""Attributed energy: the share of the job, independent of other processes."""

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from joules.instrument import attribution
from joules.instrument.attribution import JobModel, job_readings
from joules.instrument.host import contention
from joules.instrument.host.processes import DESCENDANTS, Job
from joules.instrument.sources.codecarbon_model import CodeCarbonModel
from tests.records import reading


def cubic(load):
    return 8 * (0.1 + 0.9 * load**3)


class MovedJob:
    """A job whose CPU time and clock are set by a test."""

    def __init__(self):
        self.now_s, self.used_s = 0.0, 0.0

    def model(self, cores, monkeypatch):
        monkeypatch.setattr("os.cpu_count", lambda: cores)
        return JobModel(cubic, 20.0, job=self, clock=lambda: self.now_s)

    def cpu_s(self):
        return self.used_s

    def working_and_stopped(self):
        return set(), set()


def test_a_modelled_job_is_charged_at_its_own_load(monkeypatch):
    job = MovedJob()
    model = job.model(2, monkeypatch)
    job.now_s, job.used_s = 1.0, 1.0
    powers = {channel.domain: watts for channel, watts in model.read().items()}
    assert powers["cpu"] == pytest.approx(cubic(0.5))
    job.now_s = 2.0
    powers = {channel.domain: watts for channel, watts in model.read().items()}
    assert powers["cpu"] == pytest.approx(cubic(0.0))


def test_a_job_alone_is_charged_what_the_machine_model_reads():
    source = CodeCarbonModel()
    for load in (0.0, 0.3, 1.0):
        source._load.read = lambda load=load: load
        powers = {channel.domain: watts for channel, watts in source.read().items()}
        assert powers["cpu"] == pytest.approx(source.processor_w(load))


def test_a_counted_job_gets_idle_and_its_share_of_the_rest():
    alone = reading(30.0, provenance="counter")
    shared = reading(50.0, provenance="counter")
    own = [
        job_readings([whole], {"cpu": 5.0}, 2.0, cpu_share=share, gpu_shares={})[0].energy_j
        for whole, share in ((alone, 1.0), (shared, 0.5))
    ]
    assert own == [30.0, 30.0]


def test_gpus_are_shared_by_their_own_use():
    readings = [reading(10.0), reading(100.0, domain="gpu0", provenance="counter")]
    shared = job_readings(readings, {"gpu0": 20.0}, 1.0, 1.0, {"gpu0": 0.25})
    assert {own.domain: own.energy_j for own in shared} == {"cpu": 10.0, "gpu0": 40.0}
    assert all(own.scope == "job" for own in shared)


def test_a_gpu_whose_users_are_not_known_is_charged_and_says_so():
    (own,) = job_readings([reading(100.0, domain="gpu0", provenance="counter")], {"gpu0": 20.0}, 1.0, 0.5, {})
    assert own.energy_j == 100.0
    assert own.detail.endswith("100 % of the energy above idle (share unknown)")


def test_counted_memory_is_shared_by_the_memory_held():
    readings = [
        reading(40.0, domain="dram", provenance="counter"),
        reading(20.0, domain="dram"),
        reading(5.0, domain="dram", scope="job"),
    ]
    (own,) = job_readings(readings, {"dram": 3.0}, 1.0, cpu_share=1.0, gpu_shares={})
    assert (own.energy_j, own.provenance) == (10.0, "counter")


def test_a_share_never_exceeds_the_whole():
    (own,) = job_readings([reading(3.0, provenance="counter")], {"cpu": 5.0}, 2.0, 1.0, {})
    assert own.energy_j == 3.0


def test_descendants_of_descendants_are_counted():
    before_s = DESCENDANTS.cpu_s()
    inner = "import time\nwhile time.process_time() < 0.3: pass"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    process = subprocess.Popen([sys.executable, "-c", outer])
    assert process.pid in DESCENDANTS.processes()
    process.wait()
    assert DESCENDANTS.cpu_s() - before_s >= 0.29


def test_without_the_kernels_word_on_sharing_resident_memory_counts(monkeypatch):
    read = Path.read_text

    def as_on_an_old_kernel(path, *arguments, **options):
        if path.name == "smaps_rollup":
            raise FileNotFoundError(path)
        return read(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", as_on_an_old_kernel)
    resident_bytes = psutil.Process().memory_info().rss
    counted_bytes = attribution.sum_memory_bytes({os.getpid()}, shared_with_paused=False)
    assert counted_bytes == pytest.approx(resident_bytes, rel=0.2)
    assert attribution.sum_memory_bytes({2**22 + 1}, shared_with_paused=False) == 0


IGNORING = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
child = os.fork()
if child == 0:
    while time.process_time() < 1.0:
        pass
    # The test sees it before it ends, since nothing else keeps its time.
    os.write(1, b"used")
    os.read(0, 1)
    os._exit(0)
try:
    os.wait()
except ChildProcessError:
    pass
"""


def test_children_whose_parent_ignores_their_end_are_still_counted():
    """The kernel does not add their time to any process; the time that was read before they ended is kept."""
    job = Job()
    before_s = job.cpu_s()
    parent = subprocess.Popen([sys.executable, "-c", IGNORING], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    opened = contention.snapshot(job)
    assert parent.stdout.read(4) == b"used"
    job.cpu_s()
    parent.communicate(b"x")
    use = contention.between(opened, contention.snapshot(job))
    assert job.cpu_s() - before_s >= 0.99
    assert use.job_cpu_s >= 0.99
    assert any("python" in name for name in use.discarding_programs)


def test_a_stopped_process_of_a_job_that_does_not_rest_holds_its_memory():
    child = subprocess.Popen(["sleep", "60"])
    try:
        psutil.Process(child.pid).suspend()
        while psutil.Process(child.pid).status() != psutil.STATUS_STOPPED:
            time.sleep(0.01)
        assert child.pid in DESCENDANTS.working_and_stopped()[0]
    finally:
        child.kill()
        child.wait()


def test_a_stopped_process_is_no_part_of_the_working_job():
    child = subprocess.Popen(["sleep", "60"])
    try:
        assert child.pid in PAUSING.working_and_stopped()[0]
        psutil.Process(child.pid).suspend()
        deadline_s = time.monotonic() + 10
        while child.pid not in PAUSING.working_and_stopped()[1] and time.monotonic() < deadline_s:
            time.sleep(0.01)
        working, stopped = PAUSING.working_and_stopped()
        assert child.pid in stopped - working
    finally:
        child.kill()
        child.wait()


PAUSING = Job(has_pauses=True)

FORKED = """
import os, sys, time
image = bytearray(os.urandom(64 << 20))
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        own = bytearray(os.urandom(16 << 20))
        # In one write: the lines of four processes must not mix.
        os.write(1, f"{os.getpid()}\\n".encode())
        time.sleep(60)
        os._exit(0)
time.sleep(60)
"""


def test_memory_shared_with_paused_runs_is_still_the_jobs():
    """A job next to its fork server, without and with three stopped runs."""
    used = []
    for children in (1, 4):
        server = subprocess.Popen(
            [sys.executable, "-c", FORKED, str(children)], stdout=subprocess.PIPE, text=True
        )
        pids = [int(server.stdout.readline()) for _ in range(children)]
        try:
            for pid in pids[1:]:
                psutil.Process(pid).suspend()
            used.append(attribution.sum_memory_bytes({server.pid, pids[0]}, shared_with_paused=children > 1))
        finally:
            for pid in [*pids, server.pid]:
                psutil.Process(pid).kill()
            server.wait()
            server.stdout.close()
    alone, with_paused = used
    assert with_paused == pytest.approx(alone, rel=0.1)
    assert alone > 80 << 20


def test_parts_of_a_window_are_counted_together_before_anything_is_rounded_up_to_zero():
    """The kernel counts in ticks, so a deficit in one short part is a surplus in the next."""
    opened = contention.snapshot()

    def later(seconds, busy_s, job_s):
        changes = {"monotonic_s": seconds, "boottime_s": seconds, "wall_s": seconds, "busy_s": busy_s}
        grown = {name: getattr(opened, name) + by for name, by in changes.items()}
        return dataclasses.replace(opened, job_cpu_s=opened.job_cpu_s + job_s, **grown)

    whole = contention.over([(opened, later(1.0, 0.9, 1.0)), (opened, later(3.0, 3.1, 3.0))])
    assert (whole.duration_s, whole.job_cpu_s) == pytest.approx((4.0, 4.0))
    assert whole.busy_cores == pytest.approx(1.0)
    assert whole.foreign_cores == pytest.approx(0.0, abs=1e-6)


def test_a_whole_machine_is_divided_by_the_shares_of_its_parts():
    """200 J, 100 J above idle. A GPU used 120 J; the job used half of the GPU and a tenth of the CPU."""
    readings = [
        reading(200.0, domain="machine", provenance="sampled"),
        reading(120.0, domain="gpu0", provenance="counter"),
        reading(30.0),
    ]
    (own,) = job_readings(readings, {"machine": 50.0}, 2.0, cpu_share=0.1, gpu_shares={"gpu0": 0.5})
    share = (0.5 * 120 + 0.1 * 80) / 200
    assert (own.domain, own.scope) == ("machine", "job")
    assert own.energy_j == pytest.approx(100.0 + share * 100.0)
