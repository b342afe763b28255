"""`joules meter` and `joules doctor` report failures of simulated hardware and keep the exit status."""

import json
import shutil

import pytest

from validation.laboratory.command import HARDWARE, run_command

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc) for the driver")

STATUS = 7


@pytest.mark.parametrize("name", HARDWARE)
def test_a_metered_command_keeps_its_status_and_says_what_fails(name, tmp_path):
    hardware, file = HARDWARE[name], tmp_path / "measured.json"
    command = ["sh", "-c", f"sleep {hardware.lasts_s}; exit {STATUS}"]
    done = run_command(
        hardware, ["meter", "--idle", "0", "--json", str(file), "--", *command], tmp_path / "machine"
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == STATUS, done.stderr
    assert hardware.says in done.stderr
    measured = json.loads(file.read_text(encoding="utf-8"))
    read = {
        reading["domain"]: reading
        for reading in measured["readings"]
        if (reading["scope"], reading["source"]) == ("machine", hardware.power_source.get(reading["domain"]))
    }
    for domain, power_w in hardware.power_w.items():
        off_j = read[domain]["energy_j"] - power_w * measured["duration_s"]
        assert abs(off_j) <= 1.96 * read[domain]["uncertainty_j"]
    assert (measured["total"] is None) == hardware.is_missing


@pytest.mark.parametrize("name", ["a GPU lost at the start", "driver and library differ"])
def test_the_doctor_says_what_is_not_read(name, tmp_path):
    done = run_command(HARDWARE[name], ["doctor"], tmp_path / "machine")
    assert "Traceback" not in done.stderr
    assert done.returncode == 0
    assert "NOT READ" in done.stdout
    assert HARDWARE[name].says in done.stdout


def test_gpus_that_cannot_be_read_can_be_left_out(tmp_path):
    hardware, file = HARDWARE["driver and library differ"], tmp_path / "measured.json"
    arguments = ["meter", "--idle", "0", "--without-gpu", "--json", str(file), "--", "true"]
    done = run_command(hardware, arguments, tmp_path / "machine")
    assert done.returncode == 0, done.stderr
    assert json.loads(file.read_text(encoding="utf-8"))["total"] is not None
