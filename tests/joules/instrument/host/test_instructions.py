"""Counting in programs that were started, with a counter that every kernel has."""

import os
import struct
import subprocess
import sys

import pytest

from joules.instrument.host import instructions
from joules.instrument.host.instructions import DescendantCounter, Event, NotCountedError

# Nanoseconds on a processor, counted by the kernel where the hardware counts nothing.
TASK_CLOCK = Event(kind=1, number=1)

WORK = "sum(i * i for i in range(2_000_000))"
WORK_IN_GRANDCHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{WORK}'])"
WORK_IN_FORK = f"import os\nif os.fork() == 0:\n  {WORK}\n  os._exit(0)\nos.wait()"
WORK_IN_THREADS = (
    "import threading; "
    f"ts = [threading.Thread(target=lambda: {WORK}) for _ in range(2)]; "
    "[t.start() for t in ts]; [t.join() for t in ts]"
)


@pytest.fixture
def counter():
    try:
        opened = DescendantCounter([TASK_CLOCK])
    except NotCountedError as reason:
        pytest.skip(str(reason))
    yield opened
    opened.close()


def reading_of(count, enabled_ns, running_ns):
    """What the kernel gives for a counter: its count and for how long it was wanted and counted."""
    return struct.pack("=QQQ", count, enabled_ns, running_ns)


def children_cpu_ns():
    own = os.times()
    return (own.children_user + own.children_system) * 1e9


@pytest.mark.parametrize("code", [WORK, WORK_IN_GRANDCHILD, WORK_IN_FORK, WORK_IN_THREADS])
def test_programs_count_with_their_threads_and_descendants(counter, code):
    before, before_ns = counter.read(), children_cpu_ns()
    subprocess.run([sys.executable, "-c", code], check=True)
    # The kernel accounts processor time in hundredths of a second or finer.
    assert counter.read() - before == pytest.approx(children_cpu_ns() - before_ns, rel=0.2, abs=3e7)


def test_this_process_does_not_count(counter):
    before = counter.read()
    sum(i * i for i in range(500_000))
    assert counter.read() == before


def test_what_has_run_so_far_is_read_while_it_runs(counter):
    """The program says what it has used and waits, so that the counter is read before it ends."""
    says = f"import sys\n{WORK}\nprint('worked', flush=True)\nsys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", says], stdin=-1, stdout=-1) as working:
        assert working.stdout.readline() == b"worked\n"
        while_running = counter.read()
        working.stdin.close()
    assert 0 < while_running <= counter.read()


def test_a_count_that_the_hardware_interrupted_is_none(counter, monkeypatch):
    half = reading_of(10, enabled_ns=200, running_ns=100)
    monkeypatch.setattr(os, "read", lambda *_: half)
    assert counter.read() is None


def test_kinds_of_cores_are_summed(counter, monkeypatch, tmp_path):
    for name, kind in (("cpu_core", 4), ("cpu_atom", 10)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "type").write_text(f"{kind}\n")
        (tmp_path / name / "cpus").write_text("0-7\n")
    monkeypatch.setattr(instructions, "_DEVICES", tmp_path)
    assert instructions.instruction_events() == [Event(0, 4 << 32 | 1), Event(0, 10 << 32 | 1)]
    counter = DescendantCounter([TASK_CLOCK, TASK_CLOCK])
    shares = iter([reading_of(30, 200, running_ns=150), reading_of(5, 200, running_ns=50)])
    monkeypatch.setattr(os, "read", lambda *_: next(shares))
    assert counter.read() == 35
    counter.close()


def test_without_counters_the_reason_is_said():
    unknown = Event(kind=0, number=0xFFFF)
    with pytest.raises(
        NotCountedError, match=r"counters are not available|kernel refused|no permission to count"
    ):
        DescendantCounter([unknown])
