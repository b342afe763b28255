"""The vision workload: healthy activations, counted operations."""

import dataclasses

import pytest
import torch
from torch import nn

from experiments.flops_vs_energy import workload
from joules.study.design import load_design
from joules.workload.counting import count_inference
from tests.records import FakeSession

SMALL = {
    "model": "mobilenet_v2",
    "family": "MobileNet",
    "batch_size": 2,
    "image_size": 64,
    "warmup_s": 0.01,
    "window_s": 0.05,
    "min_inferences": 3,
    "threads": "all",
    "turns": 1,
}


@pytest.fixture(scope="module")
def prepared():
    return workload.build(SMALL, seed=0)


def test_activations_neither_vanish_nor_turn_denormal(prepared):
    facts = prepared.facts
    assert facts["denormal_share"] == 0
    assert 1e-3 < facts["activation_std_min"] < facts["activation_std_max"] < 1e3


def test_calibration_is_what_keeps_them_healthy():
    """Without it the default statistics let the signal of a deep network decay."""
    torch.manual_seed(0)
    images = torch.randn(4, 3, 64, 64)
    layers = [nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)) for _ in range(40)]
    network = nn.Sequential(*layers).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.05)
            nn.init.zeros_(module.bias)
    with pytest.raises(ValueError, match="vanish or blow up"):
        workload.check_activations(network, images)
    workload.calibrate_norms(network, images)
    assert workload.check_activations(network, images)["activation_std_min"] > 0.1
    assert not network.training


def test_a_run_counts_images_not_batches(prepared):
    results = workload.run(prepared, FakeSession())
    assert results["inferences"] == 2 * results["batches"] >= 6
    assert results["latency_median_s"] <= results["latency_p95_s"]


def test_a_run_rests_between_its_turns(prepared):
    session = FakeSession()
    parameters = prepared.parameters.model_copy(update={"turns": 4, "min_inferences": 8})
    results = workload.run(dataclasses.replace(prepared, parameters=parameters), session)
    assert session.pauses == [0.25, 0.5, 0.75]
    assert results["batches"] >= 8


def test_threads_are_those_of_the_arm():
    before = torch.get_num_threads()
    try:
        assert workload.build({**SMALL, "threads": 1}, seed=0).facts["threads"] == 1
    finally:
        torch.set_num_threads(before)


def test_flops_are_those_of_one_image(prepared):
    alone = workload.build({**SMALL, "batch_size": 1}, seed=0)
    assert alone.facts["flops"] == prepared.facts["flops"]


def test_every_arm_counts_the_published_operations():
    """Within one per cent of the multiply-adds in the metadata of torchvision's weights."""
    from torchvision.models import get_model, get_model_weights

    for arm, parameters in load_design("flops_vs_energy").runs("standard").items():
        name = str(parameters["model"])
        published = next(iter(get_model_weights(name))).meta["_ops"]
        network = get_model(name, weights=None, **workload.model_options(name)).eval().to("meta")
        images = torch.empty(1, 3, 224, 224, device="meta")
        assert count_inference(network, images)["flops"] / 2e9 == pytest.approx(published, rel=0.01), arm
