"""Marks of a child: what is not a mark, and marks out of order, end a run and nothing else."""

import importlib
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from joules.bench import child
from joules.bench.marks import InvalidMark, Mark, format_mark, parse_mark
from joules.bench.window import FINISHED, Window
from joules.instrument.sampler import Sampler
from joules.instrument.source import Channel
from joules.workload.session import Session
from tests.replay import Replay
from validation.fuzz_bench import GOOD, SentWorker

NAMES = list(dict.fromkeys(name for name, _ in GOOD))
DATA = dict(GOOD)
# Marks that may follow each number of the good ones.
MAY_FOLLOW = [
    {"devices"},
    {"ready"},
    {"start"},
    {"phase_start", "step", "pause", "end"},
    {"phase_start", "phase_end", "step"},
    {"phase_start", "phase_end", "step"},
    {"phase_start", "step", "pause", "end"},
    {"start"},
    {"phase_start", "step", "pause", "end"},
    {"threads", "evaluated"},
    {"threads", "evaluated"},
    {"metrics"},
    set(),
]


def follow(window, marks):
    """Hands marks to a window as a worker does, one a second, without reading energy."""
    for number, (name, data) in enumerate(marks, start=1):
        mark = Mark(name, float(number), data)
        window.check(mark, float(number))
        if name == "start":
            window.opening = SimpleNamespace(start_s=mark.at_s)
        elif name in ("pause", "end"):
            window.close(SimpleNamespace(), 1.0)
        elif name not in ("devices", "ready"):
            window.add_mark(mark)
    return window


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("number", range(len(GOOD) + 1))
def test_each_mark_comes_in_its_order_alone(number, name):
    marks = [*GOOD[:number], (name, DATA[name])]
    if name in MAY_FOLLOW[number]:
        follow(Window(), marks)
    else:
        with pytest.raises(InvalidMark, match=f"mark '{name}'"):
            follow(Window(), marks)


def test_a_run_in_order_finishes():
    window = follow(Window(), GOOD)
    assert (window.stage, window.metrics, window.evaluation_cpu_s) == (FINISHED, {"loss": 1.0}, 0.5)
    assert window.phases == [("training", 4.0, 6.0)]


@pytest.mark.parametrize("number", range(len(GOOD)))
def test_a_run_may_fail_at_any_time(number):
    window = follow(Window(), [*GOOD[:number], ("failed", {"reason": "diverged"})])
    assert window.failure == "diverged"


@pytest.mark.parametrize("at_s", [-1.0, 1.5, 100.0])
def test_an_instant_lies_between_the_last_mark_and_now(at_s):
    window = follow(Window(), GOOD[:3])
    with pytest.raises(InvalidMark, match="an instant before the last mark or after now"):
        window.check(Mark("step", at_s, {"index": 1}), 4.0)


def test_a_window_of_no_time_is_refused():
    window = follow(Window(), GOOD[:3])
    with pytest.raises(InvalidMark, match="lasted no time"):
        window.check(Mark("end", 3.0, {}), 4.0)


def test_the_phase_that_ends_is_the_one_that_began():
    with pytest.raises(InvalidMark, match="ends phase 'other'"):
        follow(Window(), [*GOOD[:4], ("phase_end", {"name": "other"})])


def test_a_mark_is_read_as_it_was_written():
    assert parse_mark(format_mark("step", 1.5, {"index": 3})) == Mark("step", 1.5, {"index": 3})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"{}",
        b"[1]",
        b"[null, 1, {}]",
        b'["step", "soon", {"index": 1}]',
        b'["step", NaN, {"index": 1}]',
        b'["step", 1, {"index": true}]',
        b'["step", 1, {"index": 1.5}]',
        b'["step", 1, {}]',
        b'["pause", 1, {"progress": 1e999}]',
        b'["metrics", 1, {"loss": NaN}]',
        b'["metrics", 1, {"name": "\\ud800"}]',
        b'["metrics", 1, []]',
        b'["end", 1' + b"0" * 400 + b", {}]",
        b'["step", 1, {"index": 1' + b"0" * 20 + b"}]",
        b"[" * 100_000,
    ],
)
def test_what_is_no_mark_is_refused(content):
    with pytest.raises(InvalidMark):
        parse_mark(content)


@pytest.mark.parametrize(
    ("results", "sentence"),
    [
        ({"loss": np.float32(1)}, "result 'loss' is not JSON (Object of type float32"),
        ({"losses": [torch.ones(2)]}, "result 'losses' is not JSON (Object of type Tensor"),
        ({"losses": [1.0, float("nan")]}, "result 'losses' is not JSON (Out of range float"),
        ({"loss": float("inf")}, "loss is inf; the run diverged"),
        ({"name": "\ud800"}, "result 'name' is not JSON"),
        ({1: 2}, "run returned dict: return results by name"),
        ([1], "run returned list: return results by name, as a dict"),
        (None, "run returned NoneType"),
    ],
)
def test_results_that_are_not_json_fail_the_run_with_a_sentence(results, sentence, monkeypatch, tmp_path):
    told = []
    workload = SimpleNamespace(build=lambda *_: None, run=lambda *_: results)
    connection = SimpleNamespace(send_bytes=told.append, recv=lambda: "go", close=lambda: None)
    monkeypatch.setattr(importlib, "import_module", lambda _: workload)
    for prepares in ("_end_with_bench", "_redirect_output"):
        monkeypatch.setattr(child, prepares, lambda *_: None)
    child.work(connection, "any", {}, 0, tmp_path / "log", "workload", Session)
    last = parse_mark(told[-1])
    assert last.name == "failed"
    assert sentence in last.data["reason"]


@pytest.fixture
def run_child(tmp_path):
    """Runs a worker whose child sends these contents and ends."""
    replay = Replay({Channel("cpu", "replay", "counter", "cumulative_j", "a test"): time.monotonic})
    with Sampler([replay]) as sampler:

        def run(contents):
            worker = SentWorker(sampler, [replay], contents, tmp_path / "log")
            while worker.run_turn():
                pass
            return worker.window

        yield run


def sent(marks):
    now_s = time.monotonic() - 1.0
    return [format_mark(name, now_s + number / 100, data) for number, (name, data) in enumerate(marks)]


def test_a_worker_follows_a_child_to_its_results(run_child):
    window = run_child(sent(GOOD))
    assert window.failure is None
    assert (window.metrics, len(window.segments)) == ({"loss": 1.0}, 2)


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        (sent([*GOOD[:3], ("start", {})]), "mark 'start' came while the run was in its window"),
        (sent([*GOOD[:9], ("end", {})]), "mark 'end' came while the run was evaluated"),
        (sent([("start", {})]), "mark 'start' came while the run was being set up"),
        ([*sent(GOOD[:3]), b"no mark"], "what it sent is not a mark"),
        (sent(GOOD[:9]), "the child ended without reporting its results"),
        (sent(GOOD[:3]), "the child ended without closing its window"),
        (sent([*GOOD[:3], ("point", {})]), "unknown mark 'point'"),
        ([], "the child ended without closing its window"),
    ],
)
def test_a_worker_says_what_its_child_did_wrong(run_child, contents, sentence):
    assert sentence in run_child(contents).failure
