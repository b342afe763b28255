"""Processes are found, stopped and ended where others are hidden (hidepid) and /proc lacks files."""

import signal
import subprocess
import sys
import time

import psutil
import pytest

from joules.instrument.attribution import JobModel
from joules.instrument.host import limits, machine, processes
from tests import ROOT


@pytest.fixture
def shell():
    """A child of this process with a child of its own."""
    with subprocess.Popen(["sh", "-c", "sleep 60 & wait"]) as started:
        while not processes.children(started.pid):
            time.sleep(0.01)
        yield started
        processes.signal_processes([started.pid, *processes.descendants(started.pid)], signal.SIGKILL)


def refuse(*_arguments, **_options):
    raise psutil.AccessDenied


def test_processes_are_stopped_and_ended_where_others_are_hidden(monkeypatch, shell):
    for name in ("process_iter", "pids", "Process"):
        monkeypatch.setattr(psutil, name, refuse)
    (sleeping,) = processes.children(shell.pid)
    assert {shell.pid, sleeping} <= processes.descendants()
    processes.signal_processes([shell.pid, *processes.descendants(shell.pid)], signal.SIGSTOP)
    while not all(processes.stat_fields(pid)[0] == "T" for pid in (shell.pid, sleeping)):
        time.sleep(0.01)
    processes.signal_processes([sleeping], signal.SIGKILL)
    processes.end_child(shell.pid, 10.0)
    assert shell.pid not in processes.descendants()
    processes.end_child(shell.pid, 10.0)


def test_children_are_found_where_the_kernel_does_not_list_them(monkeypatch, tmp_path, shell):
    (sleeping,) = processes.children(shell.pid)
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    assert {shell.pid, sleeping} <= processes.descendants()


@pytest.mark.parametrize("fault", [FileNotFoundError("/proc/meminfo"), KeyError("MemTotal:")], ids=repr)
def test_memory_is_known_without_a_file_of_it(monkeypatch, fault):
    whole_bytes, described = limits.installed_memory_bytes(), machine.describe()

    def fail():
        raise fault

    monkeypatch.setattr(psutil, "virtual_memory", fail)
    assert limits.installed_memory_bytes() == whole_bytes
    assert 0 < limits.free_memory_share() <= 1
    assert machine.describe.__wrapped__() == described
    assert JobModel(lambda load: load, 1.0).read()


def test_a_use_of_psutils_processes_is_a_fault_of_style():
    code = "import psutil\n\npsutil.Process().children()\n"
    command = [sys.executable, "-m", "ruff", "check", "--stdin-filename", "joules/bench/worker.py", "-"]
    checked = subprocess.run(command, cwd=ROOT, input=code, capture_output=True, text=True, check=False)
    assert "TID251 `psutil.Process` is banned: children() reads all of /proc" in checked.stdout


def test_a_program_names_itself_in_no_signs_that_a_terminal_obeys(tmp_path):
    program = tmp_path / "a\x1b[2J\nb"
    program.symlink_to(sys.executable)
    command = [program, "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as named:
        named.stdout.readline()
        assert processes.name_of(named.pid) == "a?[2J?b"
        named.kill()
