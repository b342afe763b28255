"""`meter` and `doctor` as a user runs them."""

import json
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from joules.errors import UserError
from joules.instrument import carbon
from joules.instrument.command import meter_command, report
from joules.instrument.host.processes import DESCENDANTS
from joules.instrument.reading import primary
from joules.instrument.sources.codecarbon_model import CodeCarbonModel
from joules.instrument.sources.nvml import Nvml
from tests import ROOT
from tests.driver import Driver


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


def test_the_json_says_everything(tmp_path):
    path = tmp_path / "energy.json"
    assert meter("--json", str(path), "--", "sleep", "0.3").returncode == 0
    metered = json.loads(path.read_text())
    assert metered["duration_s"] == pytest.approx(0.3, abs=0.2)
    assert metered["command"] == ["sleep", "0.3"]
    assert metered["total"]["energy_j"] > 0
    assert metered["impact"]["energy_j"] == metered["total"]["energy_j"]


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
    sources = [Nvml(job=Job()), CodeCarbonModel()]
    metered = meter_command(["sleep", "1.5"], grid, sources=sources)
    whole = next(r for r in primary(metered.readings) if r.domain == "gpu0")
    own = next(r for r in metered.readings if (r.domain, r.scope) == ("gpu0", "job"))
    assert whole.energy_j == pytest.approx(100 * metered.duration_s, rel=0.05)
    assert own.energy_j == whole.energy_j
    assert "gpu0 worked, 100% of it its own" in report(metered, grid)


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


def test_a_file_that_cannot_be_written_loses_no_reading():
    done = meter("--json", "/no/such/folder/file", "--", "true")
    assert "J  total" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "nothing to meter"),
        (["--", "no-such-command-anywhere"], "'no-such-command-anywhere' was not found"),
        (["--", "/etc"], "may not be executed"),
        (["--region", "FRB", "--", "true"], "no grid data for region 'FRB'"),
        (["--json", "/no/such/folder/file", "--", "true"], "could not be written"),
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


def test_impact_follows_from_energy_pue_and_grid():
    world = carbon.grid("WOR")
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
