"""`meter` and `doctor` as a user runs them."""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from shlex import quote
from types import SimpleNamespace

import pytest

from joules.errors import UserError
from joules.instrument import carbon, command, doctor
from joules.instrument.command import meter_command
from joules.instrument.command_report import report
from joules.instrument.host import gpus
from joules.instrument.host.processes import DESCENDANTS
from joules.instrument.reading import primary
from joules.instrument.source import Host
from joules.instrument.sources.codecarbon_model import CodeCarbonModel
from joules.instrument.sources.nvml import Nvml
from tests import ROOT
from tests.driver import Driver

# The program in the language of a shell.
JOULES = f"{quote(sys.executable)} -m joules"
METER = (sys.executable, "-m", "joules", "meter", "--idle", "0", "--")


def meter(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "joules", "meter", "--idle", "0.2", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_table_goes_to_standard_error_and_the_output_stays_the_commands():
    done = meter("--", sys.executable, "-c", "print('hello')")
    assert done.returncode == 0
    assert done.stdout == "hello\n"
    assert "J  total" in done.stderr
    assert "modelled" in done.stderr or "counter" in done.stderr


def test_the_exit_code_is_the_commands():
    assert meter("--", sys.executable, "-c", "raise SystemExit(7)").returncode == 7
    killed = meter("--", sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    assert killed.returncode == 128 + 9


@pytest.mark.alone
def test_the_json_says_everything(tmp_path):
    path = tmp_path / "energy.json"
    assert meter("--json", str(path), "--", "sleep", "0.3").returncode == 0
    metered = json.loads(path.read_text())
    assert metered["duration_s"] >= 0.3
    assert metered["command"] == ["sleep", "0.3"]
    assert metered["total"]["energy_j"] > 0
    assert metered["impact"]["energy_j"] == metered["total"]["energy_j"]


@pytest.mark.alone
def test_a_commands_use_of_a_gpu_is_its_own_after_it_has_ended(monkeypatch):
    driver = Driver(monkeypatch)
    monkeypatch.setattr("pynvml.nvmlDeviceGetTotalEnergyConsumption", lambda _: int(time.monotonic() * 1e5))
    seen = set()

    class Job:
        def processes(self):
            seen.update(DESCENDANTS.processes())
            driver.processes = [SimpleNamespace(pid=pid, smUtil=50) for pid in seen]
            return DESCENDANTS.processes()

    grid = carbon.grid(carbon.WORLD)
    sources = [Nvml(Host(job=Job())), CodeCarbonModel()]
    metered = meter_command(["sleep", "1.5"], grid, sources=sources)
    whole = next(r for r in primary(metered.readings) if r.domain == "gpu0")
    own = next(r for r in metered.readings if (r.domain, r.scope) == ("gpu0", "job"))
    assert whole.energy_j == pytest.approx(100 * metered.duration_s, rel=0.05)
    assert own.energy_j == whole.energy_j
    assert "gpu0 was busy, 100% by this command" in report(metered, grid)


@pytest.mark.alone
def test_an_interrupt_still_prints_what_was_read():
    process = subprocess.Popen(
        [sys.executable, "-m", "joules", "meter", "--idle", "0", "--", "sleep", "60"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(2)
    # A terminal sends Ctrl-C to the whole group.
    subprocess.run(["kill", "-INT", "--", f"-{process.pid}"], check=True)
    _, printed = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGINT
    assert "J  total" in printed


def test_a_file_that_can_no_longer_be_written_loses_no_reading(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    done = meter("--json", str(folder / "file"), "--", "sh", "-c", f"rm -r '{folder}'; exit 3")
    assert done.returncode == 3
    assert "cannot write" in done.stderr
    assert "J  total" in done.stderr


def test_a_file_that_cannot_be_written_is_said_before_the_command_starts(tmp_path):
    done = meter("--json", "/no/such/folder/file", "--", "touch", str(tmp_path / "started"))
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "no command to meter"),
        (["--", "no-such-command-anywhere"], "'no-such-command-anywhere' not found"),
        (["--", "/etc"], "no permission to execute"),
        (["--region", "FRB", "--", "true"], "no grid data for region 'FRB'"),
        (["--region", "fra", "--", "true"], "did you mean 'FRA'?"),
        (["--region", "NO", "--", "true"], "did you mean 'NOR'?"),
        (["--region", "Germany", "--", "true"], "did you mean 'DEU'?"),
        (["--idle", "nan", "--", "true"], "argument --idle: invalid value 'nan': use a number of at least 0"),
        (["--price", "inf", "--", "true"], "argument --price: invalid value 'inf'"),
        (["--price", "cheap", "--", "true"], "argument --price: invalid value 'cheap': use a number"),
        (["--pue", "0.5", "--", "true"], "argument --pue: invalid value '0.5': use a number of at least 1"),
        (["--", "/etc/passwd/program"], "part of its path is a file"),
        (["--", "echo hi | wc"], "is a line for a shell: write 'joules meter -- sh -c 'echo hi | wc''"),
        (["--", "sleep 1"], "is a line for a shell"),
    ],
)
def test_what_cannot_be_metered_is_said(arguments, sentence):
    done = meter(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_says_what_is_measured_and_what_is_modelled():
    done = subprocess.run(
        [sys.executable, "-m", "joules", "doctor"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "MODELLED" in done.stdout or "MEASURED" in done.stdout
    assert "TDP" in done.stdout
    assert "right now" in done.stdout


def test_a_long_name_stands_apart_from_what_the_doctor_says_of_it(monkeypatch):
    monkeypatch.setattr(doctor, "discover", lambda: ([], {"load curve": "a counter is read"}))
    monkeypatch.setattr(doctor, "_quiet", lambda: iter(()))
    assert "no load curve a counter is read" in list(doctor.diagnose())


def test_a_command_is_printed_without_control_characters_and_cut():
    done = meter("--", sys.executable, "-c", "pass", "\x1b[2J\n", "x" * 100_000)
    assert done.returncode == 0
    assert "\x1b" not in done.stderr
    assert "-c pass ?[2J? xxx" in done.stderr
    assert len(done.stderr) < 5_000


def test_impact_follows_from_energy_pue_and_grid():
    world = carbon.grid("WOR")
    assert world.generated_by is None
    france = carbon.grid("FRA")
    assert france.generated_by == "nuclear"
    assert 0.5 < france.generated_share < 0.8
    impact = carbon.impact(3.6e6, world, pue=1.5, price_usd_per_kwh=0.2)
    assert impact.energy_kwh == pytest.approx(1.5)
    assert impact.emissions_g == pytest.approx(1.5 * world.intensity_g_per_kwh)
    assert impact.price_usd == pytest.approx(0.3)
    low, median, high = impact.social_cost_usd
    assert median == pytest.approx(impact.emissions_g * 417e-6)
    assert low < median < high
    assert impact.lamp_h == pytest.approx(150)
    assert "modelled" in carbon.statement(impact, world, "modelled")


def test_a_region_without_data_is_refused_with_the_likely_one():
    with pytest.raises(UserError, match="did you mean"):
        carbon.grid("USB")


SCRIPTS = {
    "no interpreter named": ("echo x\n", "add a '#!' line"),
    "Windows lines": ("#!/bin/sh\r\necho x\r\n", "it has Windows (CRLF) line endings"),
    "an interpreter that is not there": ("#!/no/such\n", "its interpreter '/no/such' was not found"),
}


@pytest.mark.parametrize("fault", SCRIPTS)
def test_a_script_that_cannot_be_started_is_told_why(tmp_path, fault):
    text, sentence = SCRIPTS[fault]
    script = tmp_path / "script"
    script.write_bytes(text.encode())
    script.chmod(0o755)
    done = meter("--", str(script))
    assert done.returncode == 2
    assert sentence in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing(tmp_path, closed):
    """No traceback; the command's exit status and a complete JSON file."""
    file = tmp_path / "energy.json"
    command = f"{JOULES} meter --idle 0 --json {quote(str(file))} -- sh -c 'echo said; exit 7' {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 7
    assert "Traceback" not in done.stderr
    assert json.loads(file.read_text())["exit_code"] == 7
    assert done.stdout == ("" if ">&-" in closed.split("2")[0] else "said\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
@pytest.mark.parametrize(
    "words", ["doctor", "trace --campaign epyc-2core-standard-2026-11-26b rl.runs", "trace no.such.value"]
)
def test_every_command_bears_closed_streams(words, closed):
    done = subprocess.run(
        ["sh", "-c", f"{JOULES} {words} {closed}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (2 if "no.such" in words else 0)
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_takes_neither_the_status_nor_the_reading(tmp_path):
    file = tmp_path / "energy.json"
    metered = f"--idle 0 --json {quote(str(file))} -- sh -c 'exit 4'"
    command = f"{JOULES} meter {metered} 2>&1 >/dev/null | true"
    done = subprocess.run(["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"], cwd=ROOT, check=False)
    assert done.returncode == 4
    assert json.loads(file.read_text())["exit_code"] == 4


def test_arguments_that_are_no_text_are_kept(tmp_path):
    file = tmp_path / "energy.json"
    done = subprocess.run(
        [sys.executable, "-m", "joules", "meter", "--idle", "0", "--json", file, "--", "echo", b"a\xffb"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout == b"a\xffb\n"
    assert json.loads(file.read_text())["command"] == ["echo", "a\udcffb"]


DAEMON = """
import os, time
if os.fork():
    os.wait()
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
while time.process_time() < 1:
    pass
"""


@pytest.mark.alone
def test_what_a_daemon_uses_later_is_said_and_can_be_waited_for(tmp_path):
    file = tmp_path / "energy.json"
    left = meter("--json", str(file), "--", sys.executable, "-c", DAEMON)
    assert "1 background process is still running: later energy is not included" in left.stderr
    assert json.loads(file.read_text())["still_running"] == 1
    waited = meter("--wait", "--json", str(file), "--", sys.executable, "-c", DAEMON)
    body = json.loads(file.read_text())
    assert "still running" not in waited.stderr
    assert body["still_running"] == 0
    assert body["contention"]["job_cpu_s"] >= 0.99


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
def test_a_signal_to_the_meter_alone_reaches_the_command(tmp_path, name):
    trapped = tmp_path / "trapped"
    script = f"trap 'echo {name} > \"{trapped}\"; exit 9' {name}; echo up; while :; do sleep 0.05; done"
    # Under nohup, tests inherit that SIGHUP is ignored.
    process = subprocess.Popen(
        [
            "env",
            f"--default-signal={name}",
            *METER,
            "sh",
            "-c",
            script,
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "up\n"
    process.send_signal(getattr(signal, f"SIG{name}"))
    _, printed = process.communicate(timeout=20)
    assert process.returncode == 9
    assert trapped.read_text() == f"{name}\n"
    assert "J  total" in printed


def test_a_hangup_that_nohup_ignores_is_ignored():
    process = subprocess.Popen(
        [
            "nohup",
            *METER,
            "sh",
            "-c",
            "echo up; sleep 1; exit 6",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "up\n"
    os.killpg(process.pid, signal.SIGHUP)
    _, printed = process.communicate(timeout=20)
    assert process.returncode == 6
    assert "J  total" in printed


def test_a_process_of_another_user_takes_no_signal_and_no_reading(monkeypatch):
    def refuse(_pid, _number):
        raise PermissionError

    monkeypatch.setattr(command, "descendants", lambda: {1, 2})
    monkeypatch.setattr(os, "kill", refuse)
    command.forward_signal(signal.SIGTERM)


def test_the_table_says_what_speaks_against_a_reading():
    grid = carbon.grid(carbon.WORLD)
    metered = meter_command(["true"], grid)
    flags = ["clock-step: the wall clock jumped by 3600.0 s"]
    printed = report(metered.model_copy(update={"flags": flags, "still_running": 2}), grid)
    assert "  flag: clock-step: the wall clock jumped by 3600.0 s" in printed
    assert "2 background processes are still running: later energy is not included" in printed


def test_a_launcher_that_ignores_the_end_of_children_stops_nothing():
    launch = "import os, signal, sys\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    launch += "os.execv(sys.executable, [sys.executable, '-m', 'joules', *sys.argv[1:]])"
    for arguments, status in ((["meter", "--idle", "0", "--", "sh", "-c", "exit 5"], 5), (["doctor"], 0)):
        done = subprocess.run(
            [sys.executable, "-c", launch, *arguments], cwd=ROOT, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == status, done.stderr


ORPHANS = """
import os, pathlib, sys
for _ in range(300):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.wait()
zombies = 0
for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
    try:
        state, parent = path.read_bytes().rpartition(b")")[2].split()[:2]
    except OSError:
        continue
    zombies += state == b"Z" and int(parent) == os.getppid()
pathlib.Path(sys.argv[1]).write_text(str(zombies))
"""


def test_orphans_are_reaped_as_they_end(tmp_path):
    """Otherwise they count towards the user's limit of processes."""
    seen = tmp_path / "zombies"
    assert meter("--", sys.executable, "-c", ORPHANS, str(seen)).returncode == 0
    assert int(seen.read_text()) < 100


@pytest.mark.alone
def test_the_meter_names_a_program_whose_name_is_no_text(tmp_path):
    """The kernel cuts a name after fifteen bytes, possibly within a two-byte character."""
    name = "aaaaaaaaaaaaaaé"
    program = tmp_path / name
    program.symlink_to(sys.executable)
    other = subprocess.Popen([program, "-c", "while True: pass"])
    try:
        done = meter("--json", str(tmp_path / "energy.json"), "--", "sleep", "0.5")
    finally:
        other.kill()
        other.wait()
    assert done.returncode == 0, done.stderr
    assert "J  total" in done.stderr
    assert "aaaaaaaaaaaaaa" in done.stderr


@pytest.mark.parametrize(
    "code", ["from joules import Meter; Meter().close()", "from joules.cli import main; main(METER)"]
)
def test_metering_starts_without_code_that_it_does_not_need(code):
    """CodeCarbon and pandas take a second, NVIDIA's bindings and PyYAML a tenth of the start each."""
    heavy = {"codecarbon", "cpuinfo", "pandas", "pynvml", "scipy", "torch", "yaml"}
    with contextlib.suppress(OSError):
        ctypes.CDLL("libnvidia-ml.so.1")
        heavy.remove("pynvml")
    code = f"import sys; METER = ['meter', '--idle', '0', '--', 'true']; {code}; "
    code += f"print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_bindings_are_imported_where_the_driver_has_its_library(monkeypatch):
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    monkeypatch.setattr(gpus.ctypes, "CDLL", lambda name: name)
    assert gpus.finds_nvml()
    monkeypatch.setattr(gpus.ctypes, "CDLL", lambda name: (_ for _ in ()).throw(OSError(name)))
    assert not gpus.finds_nvml()
    assert gpus.describe_gpus() == []
