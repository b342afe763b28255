"""Energies of a training run that is watched, by the models that wall meters do not refute."""

import importlib
import threading
import time
from types import SimpleNamespace

import pytest

from joules.instrument.estimates import Estimate
from joules.live import training


class _Watch:
    def observe(self, point, energies_j):
        return {}


@pytest.fixture
def shown(monkeypatch):
    """The events of a training run with two segments of 1 s, in each of which models give these joules;
    whether wall meters refute a model at the load of the second is chosen."""
    monkeypatch.setattr(
        importlib, "import_module", lambda _name: SimpleNamespace(start_watch=lambda _parameters: _Watch())
    )
    monkeypatch.setattr(training, "_read_j", lambda *_arguments: 10.0)
    sampler = SimpleNamespace(flush=lambda: None, discard_before=lambda _at_s: None)

    def run(is_refuted):
        events = []
        run_ = training.Training("any", {}, 0, None, None, events.append)
        for number, takes_part in enumerate((True, not is_refuted)):
            estimates = [
                Estimate(model="boavizta", words="", energy_j=30.0, gap=None, takes_part=takes_part),
                Estimate(model="servers", words="", energy_j=12.0, gap=None, takes_part=True),
            ]
            measured = SimpleNamespace(energy_j=10.0, models=estimates)
            observation = SimpleNamespace(measure=lambda _measured=measured: _measured)
            monkeypatch.setattr(training, "observe", lambda *_arguments, _seen=observation: _seen)
            segment = SimpleNamespace(start_s=float(number), duration_s=1.0)
            worker = SimpleNamespace(
                window=SimpleNamespace(segments=[segment]),
                points=[(number + 1.0, {"step": number})],
                answers=[],
            )
            run_._account(worker, sampler, 0.0)
        return [point for event in events for point in event["points"]]

    return run


class _Kept:
    """A child that is held in its last pause."""

    def __init__(self):
        self.answers = []

    def run_turn(self, questions):
        self.answers = [{"answer": question} for question in questions]
        return True


def test_a_trained_network_answers_until_it_is_stopped(monkeypatch):
    monkeypatch.setattr(
        importlib, "import_module", lambda _name: SimpleNamespace(start_watch=lambda _parameters: _Watch())
    )
    events = []
    run_ = training.Training("any", {}, 0, None, None, events.append)
    thread = threading.Thread(target=run_._answer_until_stopped, args=(_Kept(),))
    thread.start()
    for question in (1, 2):
        run_.ask(question)
        while len([each for event in events for each in event["answers"]]) < question:
            time.sleep(0.01)
    run_.interrupt()
    thread.join(10)
    assert [each for event in events for each in event["answers"]] == [{"answer": 1}, {"answer": 2}]


def test_the_last_pause_lasts_while_questions_come():
    from joules.live.session import LiveSession

    sent, replies = [], [["a"], ["b", "c"], []]
    session = LiveSession(lambda mark: sent.append((mark[0], mark[2])), lambda: replies.pop(0), lambda: None)
    session.pause_if_due(1.0, str.upper)
    assert [name for name, _ in sent] == ["pause", "answers", "start"] * 3
    assert [data["answers"] for name, data in sent if name == "answers"] == [["A"], ["B", "C"], []]


def test_the_first_pause_is_at_once_however_short_the_training():
    from joules.live.session import LiveSession

    sent, replies = [], [["before"]]
    session = LiveSession(lambda mark: sent.append((mark[0], mark[2])), lambda: replies.pop(0), lambda: None)
    session.pause_if_due(0.01, str.upper)
    session.pause_if_due(0.02, str.upper)
    assert [name for name, _ in sent] == ["pause", "answers", "start"]


def test_the_range_is_over_the_power_models(shown):
    assert [(point["energy_low_j"], point["energy_high_j"]) for point in shown(is_refuted=False)] == [
        (10.0, 30.0),
        (20.0, 60.0),
    ]


def test_a_model_that_wall_meters_refute_is_in_the_range_no_more(shown):
    assert [(point["energy_low_j"], point["energy_high_j"]) for point in shown(is_refuted=True)] == [
        (10.0, 30.0),
        (20.0, 24.0),
    ]
