"""Energies of a training run that is watched, by the models that wall meters do not refute."""

import importlib
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
            monkeypatch.setattr(training, "measure", lambda *_arguments, _measured=measured: _measured)
            segment = SimpleNamespace(start_s=float(number), duration_s=1.0)
            worker = SimpleNamespace(
                window=SimpleNamespace(segments=[segment]),
                points=[(number + 1.0, {"step": number})],
                answers=[],
            )
            run_._account(worker, sampler, 0.0)
        return [point for event in events for point in event["points"]]

    return run


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
