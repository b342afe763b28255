"""Rooflines against work that was counted by hand."""

import importlib.metadata
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from torch import nn

from joules.analysis import regression, roofline
from joules.analysis.records import Records
from joules.analysis.roofline import Limits, Operator, networks, operators
from joules.study.design import load_design
from joules.workload.counting import count_inference
from tests import records

LIMITS = Limits(100.0, 10.0, 0.5, arithmetic_w=7.0, memory_w=5.0, launch_w=3.0)


def test_the_longer_of_arithmetic_and_traffic_counts_by_operator_and_as_a_whole():
    # 2 s of arithmetic and 1 s of traffic; 0.1 s and 4 s.
    made = roofline.predict([Operator(200, 10), Operator(10, 40)], LIMITS)
    assert made["flops"].time_s == pytest.approx(2.1)
    assert made["whole"].time_s == pytest.approx(5.0)
    assert made["whole_launches"].time_s == pytest.approx(6.0)
    assert made["per_operator"].time_s == pytest.approx(6.0)
    assert made["per_operator_launches"].time_s == pytest.approx(7.0)


def test_energy_is_the_power_of_the_limit_that_binds():
    made = roofline.predict([Operator(200, 10), Operator(10, 40)], LIMITS)
    assert made["per_operator_launches"].energy_j(LIMITS) == pytest.approx(2 * 7 + 4 * 5 + 1 * 3)
    assert made["whole"].energy_j(LIMITS) == pytest.approx(5 * 5)


def test_a_form_of_more_is_never_shorter():
    random = np.random.default_rng(1)
    operators = [Operator(*pair) for pair in random.lognormal(3, 2, (50, 2))]
    made = roofline.predict(operators, LIMITS)
    assert made["flops"].time_s <= made["whole"].time_s <= made["per_operator"].time_s
    assert made["per_operator"].time_s < made["per_operator_launches"].time_s


def test_operators_are_counted_by_hand():
    network = nn.Sequential(nn.Linear(3, 5, bias=False), nn.ReLU())
    linear, relu = operators.operators_of(network, torch.randn(2, 3))
    assert linear == Operator(2 * 2 * 3 * 5, 4 * (2 * 3 + 3 * 5 + 2 * 5))
    assert relu == Operator(0, 4 * (2 * 5 + 2 * 5))


@pytest.mark.parametrize("model", ["resnet18", "vit_b_16", "mobilenet_v2"])
def test_operators_are_those_that_a_workload_counts(model):
    listed = operators.operators_of_model(model, 224, 1)
    network = torchvision.models.get_model(model, weights=None).eval()
    counted = count_inference(network, torch.randn(1, 3, 224, 224))
    assert len(listed) == counted["operators"]
    assert sum(one.flops for one in listed) == counted["flops"]
    assert sum(one.bytes_moved for one in listed) == counted["bytes_moved"]
    assert networks.operators_of_network(model, 224, 1) == listed


@pytest.fixture
def read_again():
    """Lists of operators are read from their file before and after the test."""
    caches = (networks.operators_of_network, networks._read_lists)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def test_networks_of_every_design_are_listed_by_this_code_and_version(read_again, monkeypatch):
    monkeypatch.setitem(sys.modules, operators.__name__, None)
    for arm in load_design("flops_vs_energy").runs("paper").values():
        size, batch = arm["image_size"], arm["batch_size"]
        assert networks.operators_of_network(arm["model"], size, batch), (
            "python -m joules.analysis.roofline.networks"
        )


def test_lists_of_another_version_are_not_used(read_again, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "1.0")
    monkeypatch.setattr(operators, "operators_of_model", lambda *network: network)
    assert networks.operators_of_network("alexnet", 224, 1) == ("alexnet", 224, 1)


def at_limit(arm, limit, block, quickest_s, **counts):
    metrics = {"threads": 1, "passes": 4, "quickest_pass_s": quickest_s}
    metrics |= {"flops": 0.0, "bytes_moved": 0.0, "launches": 0.0, **counts}
    return records.run(
        arm, block, experiment="first_principles", parameters={"limit": limit}, metrics=metrics, energy_j=20.0
    )


def limits_table(*more):
    runs = [
        at_limit("matmul", "matmul", 0, 0.5, flops=400.0),
        at_limit("matmul", "matmul", 1, 0.25, flops=400.0),
        at_limit("convolution", "convolution", 0, 0.25, flops=800.0),
        at_limit("memory", "memory", 0, 2.0, bytes_moved=80.0),
        at_limit("launch", "launch", 0, 1.0, launches=40.0),
        *more,
    ]
    return roofline.limits_table(roofline.limit_runs_table(Records.from_sequence(runs)))


def test_limits_are_those_of_the_quickest_pass_and_the_faster_arithmetic():
    table = limits_table().set_index("arm")
    # 100 operations a pass in .5 and in .25 s: the median over blocks.
    assert table.loc["matmul", "peak_flops_per_s"] == pytest.approx(300)
    limits = roofline.find_limits(limits_table(), 1)
    assert (limits.flops_per_s, limits.bytes_per_s, limits.launch_s) == pytest.approx((800, 10, 0.1))
    assert limits.arithmetic_w == pytest.approx(10)


def test_limits_that_were_not_all_reached_are_none():
    assert roofline.find_limits(limits_table(), 2) is None
    assert (
        roofline.find_limits(roofline.limits_table(roofline.limit_runs_table(Records.from_sequence([]))), 1)
        is None
    )


def test_a_regression_is_tried_on_families_it_has_not_seen():
    random = np.random.default_rng(0)
    flops = random.lognormal(20, 1, 12)
    arms = pd.DataFrame({"family": list("aaabbbcccddd"), "flops": flops, "time_s": 3e-9 * flops**1.1})
    errors = regression.unseen_errors(arms, {"flops": ("flops",)}, "time_s")
    assert errors["flops"].abs().max() < 1e-9
    assert errors["mean"].abs().max() > 0.1
    assert regression.unseen_errors(arms[:6], {"flops": ("flops",)}, "time_s").empty
