"""`joules bench`, `compare` and `sum`: blocks, ratios, conditions, files."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from joules.errors import UserError
from joules.instrument.addition import add_measurements, read_measurement
from joules.instrument.benchmark import (
    Plan,
    Subject,
    compare_benchmarks,
    measure_benchmark,
    read_benchmark,
    split_command,
)
from joules.instrument.benchmark_report import check_format, render, report
from joules.instrument.comparison import Condition, paired_ratios, unpaired_ratios
from joules.instrument.measurement import Measurement
from joules.instrument.reading import Total
from joules.instrument.repeats import Precision, Repeat, Repeats, repeat_in_blocks
from tests import ROOT
from tests.joules.instrument.test_meter import constant
from tests.records import QUIET, reading

NO_HURRY = Precision(within=0.5, budget_s=1e9)


def measurement(energy_j=10.0, **changes):
    fields = {
        "name": "work",
        "host": "node1",
        "boot_id": "start1",
        "began_at": "2026-11-28T10:00:00.000000+00:00",
        "ended_at": "2026-11-28T10:01:00.000000+00:00",
        "meter_version": 1,
        "duration_s": 2.0,
        "readings": [reading(energy_j, provenance="counter")],
        "idle_power_w": {},
        "total": Total(energy_j=energy_j, uncertainty_j=1.0, provenance="counter", floored=False),
        "contention": QUIET,
        "gpu_use": [],
        "faults": [],
        "flags": [],
        "models": [],
        "prediction": None,
    }
    return Measurement(**fields | changes)


def repeats(name, energies_j, durations_s=None):
    durations_s = durations_s or [1.0 + place / 10 for place in range(len(energies_j))]
    return Repeats(
        name=name,
        provenance="counter",
        repeats=[
            Repeat(
                block=block,
                place=0,
                counts=True,
                energy_j=energy_j,
                energy_attributed_j=None,
                duration_s=duration_s,
                cpu_s=0.5,
                flags=[],
            )
            for block, (energy_j, duration_s) in enumerate(zip(energies_j, durations_s, strict=True))
        ],
    )


def test_each_block_measures_all_once_in_random_order():
    order = []

    def measure_once(index):
        order.append(index)
        return measurement(10.0 + index)

    results = repeat_in_blocks(["a", "b", "c"], measure_once, NO_HURRY)
    blocks = [tuple(order[start : start + 3]) for start in range(0, len(order), 3)]
    assert len(blocks) == 10
    assert {tuple(sorted(block)) for block in blocks} == {(0, 1, 2)}
    assert len(set(blocks)) > 2
    assert [each.energy_j for each in results] == [10, 11, 12]
    places = [repeat.place for repeat in results[1].counted]
    assert places == [block.index(1) for block in blocks]


def test_a_disturbed_repeat_is_repeated_once_and_then_counts():
    disturbed = iter([True, True, False, True])

    def measure_once(_index):
        is_disturbed = next(disturbed, False)
        return measurement(flags=["foreign-cpu: x"] if is_disturbed else ["short-window: 0.10 s"])

    (result,) = repeat_in_blocks(["a"], measure_once, NO_HURRY)
    first = [(each.block, each.counts, each.disturbances) for each in result.repeats[:5]]
    assert first == [
        (0, False, ["foreign-cpu"]),
        (0, True, ["foreign-cpu"]),
        (1, True, []),
        (2, False, ["foreign-cpu"]),
        (2, True, []),
    ]
    assert (result.n, result.disturbed, len(result.repeats)) == (10, 1, 12)


def test_it_stops_at_the_precision_or_at_the_budget():
    energies = np.random.default_rng(0).normal(100, 10, 1000)

    def counted(within, budget_s):
        source = iter(energies)
        aim = Precision(within, budget_s)
        return repeat_in_blocks(["a"], lambda _index: measurement(next(source)), aim)[0]

    precise = counted(0.03, 1e9)
    assert precise.half_width <= 0.03 < counted(0.03, 0.0).half_width
    low, high = stats.t.interval(
        0.95, precise.n - 1, loc=precise.energy_j, scale=stats.sem(precise.energies_j)
    )
    assert precise.energy_interval_j == pytest.approx((low, high))
    assert counted(0.03, 0.0).n == 3


def test_the_weakest_reading_names_the_provenance_and_flags_are_shown(benchmark):
    kinds = iter(["counter", "modelled", "counter"])

    def measure_once(_index):
        total = Total(energy_j=1.0, uncertainty_j=0.1, provenance=next(kinds, "counter"), floored=False)
        return measurement(total=total, flags=["cpu-steal: the hypervisor took 0.50 cores"])

    (result,) = repeat_in_blocks(["a"], measure_once, NO_HURRY)
    assert result.provenance == "modelled"
    text = report(benchmark[0].model_copy(update={"results": [result], "ratios": []}))
    assert "10; 10 others were disturbed and measured again; 10 of the 10 were disturbed all the same" in text
    assert "  flag     cpu-steal in 10, lastly: the hypervisor took 0.50 cores" in text


def test_energy_that_is_missing_is_refused():
    with pytest.raises(UserError, match="the energy of 'work' is missing"):
        repeat_in_blocks(["a"], lambda _index: measurement(total=None), NO_HURRY)


def test_ratios_are_those_of_paired_and_of_welchs_test():
    random = np.random.default_rng(1)
    base, other = random.lognormal(2.0, 0.1, 12), random.lognormal(2.1, 0.1, 12)
    a, b, c = repeats("a", base.tolist()), repeats("b", other.tolist()), repeats("c", other.tolist())
    energy, time, *_ = paired_ratios([a, b])
    paired = stats.ttest_rel(np.log(other), np.log(base))
    assert (energy.metric, time.metric) == ("energy", "time")
    assert energy.p == pytest.approx(paired.pvalue)
    assert (energy.low, energy.high) == pytest.approx(tuple(np.exp(paired.confidence_interval(0.95))))
    assert energy.estimate == pytest.approx(stats.gmean(other) / stats.gmean(base))
    assert (time.estimate, time.p) == (1.0, 1.0)
    # Two comparisons: both interval and p are corrected.
    corrected = paired_ratios([a, b, c])[0]
    assert corrected.p == pytest.approx(2 * paired.pvalue)
    assert (corrected.low, corrected.high) == pytest.approx(tuple(np.exp(paired.confidence_interval(0.975))))
    welch = stats.ttest_ind(np.log(other), np.log(base), equal_var=False)
    unpaired = unpaired_ratios(a, b)[0]
    assert unpaired.p == pytest.approx(welch.pvalue)
    assert (unpaired.low, unpaired.high) == pytest.approx(tuple(np.exp(welch.confidence_interval(0.95))))


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("ratio > 1.05", "met"),
        ("ratio > 1.15", "undecided"),
        ("ratio>1.3", "not met"),
        ("ratio < 1", "not met"),
        ("time_ratio >= 1", "met"),
    ],
)
def test_a_condition_is_met_by_the_whole_interval(text, verdict):
    base = [10.0, 10.2, 9.9, 10.1]
    ratios = paired_ratios([repeats("a", base), repeats("b", [11.0, 12.0, 11.5, 11.6])])
    assert 1.05 < ratios[0].low < 1.15 < ratios[0].high < 1.3
    is_met, sentences = Condition.parse(text).judge(ratios)
    assert is_met == (verdict == "met")
    assert f"for 'b': {verdict}" in sentences[0]


@pytest.mark.parametrize(
    "text", ["", "ratio", "ratio > ", "energy > 1", "ratio > 0", "ratio > nan", "ratio > 1e"]
)
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(UserError, match="invalid condition"):
        Condition.parse(text)


# No machine sleeps as evenly as this, so that the budget ends every bench that asks for it.
UNREACHABLE = Precision(1e-6, 0.1)


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    subjects = [
        Subject("short", "sleep 0.02", prepare=f"echo p >> {folder}/log", cleanup=f"echo c >> {folder}/log"),
        Subject("long|er", "sleep 0.06", prepare=f"echo p >> {folder}/log"),
    ]
    shown = []
    plan = Plan(UNREACHABLE, idle_s=0.01, sources=[constant()], warm_ups=2)
    made = measure_benchmark(
        subjects, plan, lambda results, _elapsed_s: shown.append(len(results[0].counted))
    )
    return made, (folder / "log").read_text().split(), shown


def test_commands_are_measured_with_idle_around_them(benchmark):
    made, log, shown = benchmark
    measured = sum(len(each.repeats) for each in made.results)
    assert log == ["p"] * (4 + measured) + ["c"]
    assert shown == [0, 1, 2]
    assert [each.n for each in made.results] == [3, 3]
    assert made.mean_idle_w == pytest.approx(5.0)
    assert len(made.idle_power_w) >= 2
    for each in made.results:
        assert each.energies_j == pytest.approx([5.0 * seconds for seconds in each.durations_s])
    energy = made.ratios[0]
    assert (energy.name, energy.base) == ("long|er", "short")
    assert energy.low < energy.estimate < energy.high


def test_the_report_says_what_was_found(benchmark):
    text = report(benchmark[0])
    assert "Command 1: short\n  energy   0." in text
    assert "Compared with 'short'" in text
    assert "times the energy (" in text
    assert "The budget of 0.1 s ended before ±0.0001%" in text


def test_exports_hold_all_repeats(benchmark, tmp_path):
    made, *_ = benchmark
    for name in ("b.json", "b.csv", "b.md"):
        path = check_format(tmp_path / name)
        path.write_text(render(made, path), encoding="utf-8")
    assert read_benchmark(tmp_path / "b.json") == made
    with (tmp_path / "b.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["energy_j"]) for row in rows if row["command"] == "short"] == [
        each.energy_j for each in made.results[0].repeats
    ]
    assert "| `long\\|er` |" in (tmp_path / "b.md").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="unknown format"):
        check_format(tmp_path / "b.txt")


def test_results_of_two_times_are_compared_by_name(benchmark):
    made, *_ = benchmark
    same = compare_benchmarks(made, made)
    assert {ratio.name for ratio in same} == {"short", "long|er"}
    assert all(ratio.estimate == pytest.approx(1) and ratio.low < 1 < ratio.high for ratio in same)
    other = made.model_copy(update={"results": [made.results[0].model_copy(update={"name": "x"})]})
    with pytest.raises(UserError, match="no command of the same name"):
        compare_benchmarks(made, other)


def joules(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "joules", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.alone
def test_a_gate_fails_and_passes(tmp_path):
    quick = ("--budget", "1s", "--idle", "0", "--warmup", "0")
    results = {}
    for name, seconds in (("old", 0.1), ("new", 0.3)):
        results[name] = str(tmp_path / f"{name}.json")
        done = joules("bench", *quick, "--name", "work", f"sleep {seconds}", "--export", results[name])
        assert done.returncode == 0, done.stderr
        assert "Declared before measuring: Student's 95 % interval" in done.stdout
    failed = joules("compare", results["old"], results["new"], "--fail-if", "time_ratio > 1.05")
    assert (failed.returncode, failed.stderr) == (1, "")
    assert "time_ratio > 1.05 for 'work': met (" in failed.stdout
    passed = joules("compare", results["new"], results["old"], "--fail-if", "time_ratio > 1.05")
    assert passed.returncode == 0
    assert "for 'work': not met (" in passed.stdout
    both = joules("bench", *quick, "sleep 0.1", "sleep 0.3", "--fail-if", "time_ratio > 1.05")
    assert both.returncode == 1
    assert "Compared with 'sleep 0.1'" in both.stdout


@pytest.mark.alone
def test_parameters_and_the_shell(tmp_path):
    made = tmp_path / "made.json"
    done = joules(
        *("bench", "--budget", "1s", "--idle", "0", "--warmup", "0", "--shell", "--export", str(made)),
        *("--parameter-list", "T", "0.01,0.02", "sleep {T} | cat"),
    )
    assert done.returncode == 0, done.stderr
    names = [each["name"] for each in json.loads(made.read_text())["results"]]
    assert names == ["sleep 0.01 | cat", "sleep 0.02 | cat"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["bench", "sleep 1", "--fail-if", "ratio > 1"], "--fail-if needs two commands"),
        (["bench", "sleep 1", "--fail-if", "more"], "invalid condition 'more'"),
        (["bench", "sleep 1", "--export", "x.txt"], "unknown format of 'x.txt'"),
        (["bench", "sleep 1", "--budget", "soon"], "invalid duration 'soon'"),
        (["bench", "sleep 1", "--within", "200%"], "invalid share '200%'"),
        (["bench", "sleep 1", "sleep 1"], "two commands are named 'sleep 1'"),
        (["bench", "a", "b", "--name", "x"], "1 names for 2 commands"),
        (["bench", "--name", "x", "a", "--name", "y", "b", "--name", "z"], "3 names for 2 commands"),
        (["bench", "a", "--names", "x"], "unrecognized arguments: --names"),
        (["bench", "'"], "invalid command '''"),
        (["bench", "--idle", "0", "false"], "'false' ended with status 1"),
        (["bench", "--idle", "0", "no-such-program"], "'no-such-program' not found"),
        (["bench", "--idle", "0", "true", "--prepare", "exit 3"], "'exit 3' ended with status 3"),
        (["compare", "no.json", "no.json"], "no.json does not exist"),
        (["compare", "pyproject.toml", "no.json"], "is incomplete or was modified"),
        (["sum", "no.json"], "no.json does not exist"),
    ],
)
def test_what_cannot_be_done_is_said(arguments, sentence):
    done = joules(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_command_is_refused():
    with pytest.raises(UserError, match="empty command"):
        split_command(" ", uses_shell=False)


def test_nodes_are_added_and_their_errors_too():
    lines = add_measurements({"a": measurement(), "b": measurement(30.0, host="node2", boot_id="start2")})
    assert " ".join(lines[-1].split()) == "40.0 J total of 2 machines (36.0 to 44.0 J; counter), 1.11e-05 kWh"


def test_one_machine_is_counted_once_at_a_time(tmp_path):
    earlier = {"began_at": "2026-11-28T09:00:00.000000+00:00", "ended_at": "2026-11-28T10:00:00.000000+00:00"}
    lines = add_measurements({"a": measurement(), "b": measurement(**earlier)})
    assert "20.0 J  total of 1 machine (" in lines[-1]
    # A container of the same machine has another name.
    for other in ({}, {"host": "container"}, earlier | {"ended_at": "2026-11-28T10:00:01.000000+00:00"}):
        with pytest.raises(UserError, match="a and b both count node1"):
            add_measurements({"a": measurement(), "b": measurement(**other)})
    with pytest.raises(UserError, match="b: the energy of a domain is missing"):
        add_measurements({"a": measurement(), "b": measurement(total=None, boot_id="start2")})
    path = tmp_path / "a.json"
    path.write_text(measurement().model_dump_json())
    assert read_measurement(path) == measurement()


@pytest.mark.alone
def test_two_ranks_on_this_machine_are_counted_once(tmp_path):
    files = []
    for rank in ("0", "1"):
        files.append(str(tmp_path / f"rank{rank}.json"))
        subprocess.run(
            [
                sys.executable,
                "-m",
                "joules",
                "meter",
                "--idle",
                "0",
                "--json",
                files[-1],
                "--",
                "sleep",
                "0.2",
            ],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "LOCAL_RANK": rank},
            check=True,
        )
    done = joules("sum", *files)
    assert done.returncode == 0, done.stderr
    own, left, total = done.stdout.splitlines()
    assert "rank0.json" in own
    assert left.split()[:2] == ["not", "added"]
    assert "rank1.json: rank 0 of its node meters" in left
    assert total.split()[0] == own.split()[0]
    again = joules("sum", files[0], f"{tmp_path}/./rank0.json")
    assert again.returncode == 2
    assert "both count" in again.stderr
