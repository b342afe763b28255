"""Extraction of MLPerf's runs from a clone, on a small repository made here."""

import json
import subprocess

import pandas as pd
import pytest

from experiments.published_measurements import extract
from experiments.published_measurements.extraction import mlperf
from experiments.published_measurements.extraction.git import Clone
from experiments.published_measurements.extraction.rows import LeftOut
from joules.errors import UserError

RESULTS = "closed/Maker/results/box"
SPEEDS = {
    "offline": ("Samples per second", 50.0),
    "singlestream": ("QPS w/ loadgen overhead", 20.0),
    "multistream": ("Mean latency (ns)", 4e8),
}


def run_files(folder, *, watts, scenario="offline", verdict="VALID", meter_zone_s=0, without=(), hour=10):
    """The files of a run: one reading per second, from ten seconds before its window of four seconds."""
    begin = 3600 * hour - meter_zone_s
    readings = [
        (begin + second, 5.0 if second <= 0 else watts + second if second < 4 else 7.0)
        for second in range(-10, 8)
    ]
    clock = [f"01-02-2023 {at // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}.500" for at, _ in readings]
    spl = [f"Time,{at},Watts,{power},Volts,230" for at, (_, power) in zip(clock, readings, strict=True)]
    entries = {
        "power_begin": f"01-02-2023 {hour}:00:00.900",
        "power_end": f"01-02-2023 {hour}:00:04.100",
        "result_validity": verdict,
        "effective_scenario": scenario,
        "effective_samples_per_query": 8,
    }
    lines = [f":::MLLOG {json.dumps({'key': key, 'value': value})}" for key, value in entries.items()]
    name, speed = SPEEDS[scenario]
    files = {
        "performance/run_1/spl.txt": "\n".join(spl),
        "performance/run_1/mlperf_log_detail.txt": "\n".join(lines),
        "performance/run_1/mlperf_log_summary.txt": f"{name} : {speed}",
        "performance/power/server.json": json.dumps({"timezone": meter_zone_s}),
        "performance/power/client.json": json.dumps({"timezone": 0}),
        "accuracy/accuracy.txt": "accuracy=12.5%, good=1\naccuracy=76.125%, good=2",
    }
    return {f"{RESULTS}/{folder}/{path}": text for path, text in files.items() if path not in without}


@pytest.fixture
def clone_of(tmp_path):
    """Make a git clone with these files."""

    def make(files):
        folder = tmp_path / "clone"
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "results"]):
            subprocess.run([*git, *command], check=True)
        return folder

    return make


def extracted(folder):
    with Clone(folder) as clone:
        found = list(mlperf.extract(clone, "v9"))
    rows = {row["network"] + "/" + row["folder"]: row for row in found if not isinstance(row, LeftOut)}
    left_out = {
        each.path.removeprefix(f"{RESULTS}/"): each.reason for each in found if isinstance(each, LeftOut)
    }
    return rows, left_out


def test_power_is_the_mean_of_readings_in_the_window_over_the_rate(clone_of):
    system = {
        "host_processor_model_name": "chip",
        "host_processors_per_node": "2 sockets",
        "number_of_nodes": 1,
    }
    described = {"closed/Maker/systems/box.json": json.dumps(system)}
    rows, left_out = extracted(clone_of(run_files("net/Offline", watts=100) | described))
    (row,) = rows.values()
    # Readings at .5 of each second: those of seconds 1, 2 and 3 are within.
    assert (row["power_samples"], row["min_power_w"], row["max_power_w"]) == (3, 101.0, 103.0)
    assert row["mean_power_w"] == pytest.approx(102.0)
    assert row["power_before_w"] == pytest.approx(5.0)
    assert row["window_s"] == pytest.approx(3.2)
    assert row["energy_per_inference_j"] == pytest.approx(102.0 / 50.0)
    assert (row["accuracy_percent"], row["processor"], row["processors"]) == (76.125, "chip", 2)
    assert left_out == {}


def test_a_measurement_counts_once_under_the_scenario_of_its_log(clone_of):
    files = run_files("net/Offline", watts=100) | run_files("net/Server", watts=100)
    rows, left_out = extracted(clone_of(files))
    assert [row["scenario"] for row in rows.values()] == ["offline"]
    (reason,) = left_out.values()
    assert reason.startswith(mlperf.COPY)


def test_the_clocks_of_meter_and_system_may_be_in_other_time_zones(clone_of):
    rows, _ = extracted(clone_of(run_files("net/Offline", watts=100, meter_zone_s=3600)))
    assert rows["net/Offline"]["mean_power_w"] == pytest.approx(102.0)


def test_a_stated_time_zone_that_gives_no_reading_does_not_apply(clone_of):
    files = run_files("net/Offline", watts=100)
    files[f"{RESULTS}/net/Offline/performance/power/server.json"] = json.dumps({"timezone": -28800})
    rows, _ = extracted(clone_of(files))
    assert rows["net/Offline"]["mean_power_w"] == pytest.approx(102.0)


def test_multistream_has_the_logged_samples_a_query(clone_of):
    rows, _ = extracted(clone_of(run_files("net/MultiStream", watts=100, scenario="multistream")))
    assert rows["net/MultiStream"]["inferences_per_s"] == pytest.approx(8 / 0.4)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"verdict": "INVALID"}, "the log says INVALID instead of VALID"),
        ({"without": ["performance/run_1/mlperf_log_summary.txt"]}, "mlperf_log_summary.txt is missing"),
        ({"without": ["performance/power/client.json"]}, "client.json is missing"),
        ({"meter_zone_s": 7200, "hour": 11}, None),
    ],
)
def test_a_run_that_lacks_a_part_is_left_out_with_the_reason(clone_of, changes, reason):
    files = run_files("net/Offline", watts=100) | run_files("other/Offline", **({"watts": 200} | changes))
    rows, left_out = extracted(clone_of(files))
    assert "net/Offline" in rows
    assert left_out == ({} if reason is None else {"other/Offline/performance/run_1/spl.txt": reason})


def test_the_command_writes_the_same_bytes_again_and_says_what_it_left_out(clone_of, tmp_path, capsys):
    files = run_files("net/Offline", watts=100) | run_files("net/Server", watts=100)
    command = ["mlperf", "--version", "v9", "--repository", str(clone_of(files)), "--output", str(tmp_path)]
    written = []
    for _ in range(2):
        assert extract.main(command) == 0
        written.append((tmp_path / "mlperf_v9.csv").read_bytes())
    assert written[0] == written[1]
    assert list(pd.read_csv(tmp_path / "mlperf_v9.csv").columns) == list(mlperf.COLUMNS)
    assert f"left out: 1 {mlperf.COPY.strip()}" in capsys.readouterr().out


def test_what_is_no_clone_is_refused(tmp_path, capsys):
    assert extract.main(["mlperf", "--version", "v9", "--repository", str(tmp_path)]) == 2
    assert "is not a git clone" in capsys.readouterr().err
    with pytest.raises(UserError, match="is not a git clone with revision 'none'"):
        Clone(tmp_path, "none")
