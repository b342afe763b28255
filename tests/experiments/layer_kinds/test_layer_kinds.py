"""Layers of one kind: arms match their description, and tables hold the shares of the records."""

import pytest
import torch
import torchvision
from pydantic import ValidationError

from experiments.layer_kinds import figures, report, shapes, workload
from experiments.layer_kinds import tables as made
from experiments.layer_kinds.parameters import Parameters
from joules.analysis.records import Records
from joules.study.design import load_design
from tests import records

DESIGN = load_design("layer_kinds")
KINDS = ("conv1x1", "conv3x3", "depthwise3x3", "linear")


@pytest.mark.parametrize("scale", DESIGN.scales)
def test_every_arm_is_a_valid_setting(scale):
    for parameters in DESIGN.runs(scale).values():
        Parameters.model_validate(parameters)


@pytest.mark.parametrize("wrong", [{"model": "mobilenet_v2"}, {"channels_in": None}])
def test_an_arm_is_a_layer_or_a_network(wrong):
    with pytest.raises(ValidationError, match="either a model, or both channels_in and channels_out"):
        Parameters.model_validate(DESIGN.runs("smoke")["conv1x1"] | wrong)


def built(arm):
    threads = torch.get_num_threads()
    try:
        return workload.build(DESIGN.runs("smoke")[arm] | {"warmup_s": 1e-3}, 0)
    finally:
        torch.set_num_threads(threads)


def test_single_layers_have_exactly_equal_operations():
    """Computed by hand: 28,901,376 multiply-adds, each of which is two operations."""
    for kind in KINDS:
        prepared = built(kind)
        assert prepared.facts["flops"] == 2 * 28_901_376
        assert [workload.kind_of(layer) for layer, _ in prepared.pairs] == [kind]
    assert len({value.shape[-1] for kind in KINDS[:3] for _, value in built(kind).pairs}) == 1


def test_the_kinds_inside_a_network_are_its_layers():
    network = torchvision.models.mobilenet_v2(weights=None)
    weighted = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear)]
    inside = {kind: built(f"mobilenet_{kind}") for kind in KINDS}
    assert sum(prepared.facts["layers"] for prepared in inside.values()) == len(weighted)
    # Torchvision publishes 0.3 billion multiply-adds for it.
    gmacs = sum(prepared.facts["flops"] for prepared in inside.values()) / 2e9
    assert gmacs == pytest.approx(0.30, abs=0.005)
    shapes = [tuple(value.shape) for _, value in inside["depthwise3x3"].pairs]
    assert shapes[0] == (1, 32, 112, 112)
    assert all(layer.groups == value.shape[1] for layer, value in inside["depthwise3x3"].pairs)


def test_a_network_without_the_kind_is_refused():
    arm = DESIGN.runs("smoke")["mobilenet_depthwise3x3"] | {"model": "vgg11", "image_size": 64}
    with pytest.raises(ValueError, match="vgg11 has no layer of kind depthwise3x3"):
        workload.build(arm, 0)


def test_a_pass_goes_over_all_layers():
    prepared = built("mobilenet_linear")
    (layer, _), calls = prepared.pairs[0], []
    layer.register_forward_hook(lambda *_: calls.append(1))
    results = workload.run(prepared, records.FakeSession())
    assert results["passes"] == len(calls) >= prepared.parameters.min_passes
    assert results["latency_median_s"] > 0


def run(arm, block, energy_j, seconds=0.2, flops=1e9):
    parameters = DESIGN.runs("smoke")[arm]
    metrics = {"flops": flops, "parameters": 10, "activations": 10, "bytes_moved": 5e8, "layers": 1}
    metrics |= {"passes": 10, "latency_median_s": seconds}
    return records.run(arm, block, energy_j, experiment="layer_kinds", parameters=parameters, metrics=metrics)


@pytest.fixture
def tables():
    """Two blocks in which a depthwise convolution has a tenth of the operations and half of the energy.

    As a single layer it costs four times as much.
    """
    taken = []
    for block in range(2):
        noise = 1 + 0.01 * block
        taken += [run("conv1x1", block, 1.0 * noise), run("depthwise3x3", block, 4.0 * noise)]
        for kind, energy_j, flops in (("conv1x1", 3.0, 7e8), ("conv3x3", 1.0, 1e8), ("linear", 1.0, 1e8)):
            taken.append(run(f"mobilenet_{kind}", block, energy_j * noise, flops=flops))
        taken.append(run("mobilenet_depthwise3x3", block, 5.0 * noise, flops=1e8))
        taken += [records.idle(block), records.idle(block, "after")]
    return made.tabulate(Records.from_sequence(taken), DESIGN)


def test_energy_and_operations_are_shares_of_the_network(tables):
    shares = tables["shares"].set_index(["origin", "kind"])
    ours = shares.loc["this campaign"]
    assert ours["energy_percent"].to_dict() == pytest.approx(
        {"conv1x1": 30, "conv3x3": 10, "linear": 10, "depthwise3x3": 50}
    )
    assert ours.loc["depthwise3x3", "flops_percent"] == pytest.approx(10)
    assert shares.loc[("published", "depthwise3x3"), "time_percent"] == 82.86
    statistics = tables["statistics"].set_index("statistic")
    assert statistics.loc["mobilenet_energy_over_flops.depthwise3x3", "estimate"] == pytest.approx(5)


def test_layers_of_equal_operations_are_compared_by_their_energy(tables):
    statistics = tables["statistics"].set_index("statistic")
    ratio = statistics.loc["equal_flops_layers.depthwise3x3_vs_conv1x1"]
    assert (ratio["estimate"], ratio["n"]) == (pytest.approx(4), 2)
    arms = tables["arms"].set_index("arm")
    assert arms.loc["conv1x1", "intensity_flops_per_byte"] == 2
    assert arms.loc["depthwise3x3", "energy_per_gflop_j"] == pytest.approx(0.4, rel=0.01)


def test_pairs_are_every_shape_of_the_network_and_the_layer_that_follows():
    prepared = built("pairs_batch8_channels_last")
    kinds = [workload.kind_of(layer) for layer, _ in prepared.pairs]
    assert kinds == ["depthwise3x3", "conv1x1"] * 10
    depthwise = {(tuple(value.shape), layer.stride) for layer, value in prepared.pairs[::2]}
    network = torchvision.models.mobilenet_v2(weights=None)
    every = [layer for layer in network.modules() if workload.kind_of(layer) == "depthwise3x3"]
    assert len(depthwise) == 10
    assert {layer.in_channels for layer in every} == {shape[1] for shape, _ in depthwise}
    assert all(value.shape[0] == 8 for _, value in prepared.pairs)
    assert all(value.is_contiguous(memory_format=torch.channels_last) for _, value in prepared.pairs)
    for (first, value), (second, following) in zip(prepared.pairs[::2], prepared.pairs[1::2], strict=True):
        assert first(value).shape == following.shape
        assert second.in_channels == first.out_channels


def test_every_layer_of_a_pair_is_timed_in_every_pass():
    prepared = built("pairs_batch1")
    results = workload.run(prepared, records.FakeSession())
    assert len(results["layer_latencies_s"]) == len(results["layer_shapes"]) == 20
    assert 0 < sum(results["layer_latencies_s"]) < 2 * results["latency_median_s"]
    assert sum(shape[3] for shape in results["layer_shapes"]) == results["flops"]


def paired(arm, block, *layers):
    """A run over pairs whose layers are (channels, operations, bytes, seconds)."""
    one = run(arm, block, 1.0)
    one.metrics["layer_shapes"] = [[channels, 7, 1, flops, moved] for channels, flops, moved, _ in layers]
    one.metrics["layer_latencies_s"] = [seconds * (1 + 0.01 * block) for *_, seconds in layers]
    return one


def test_depthwise_layers_are_compared_with_the_next_layer_per_operation():
    narrow = ((32, 100.0, 40.0, 4.0), (32, 200.0, 20.0, 2.0))
    wide = ((96, 100.0, 40.0, 1.0), (96, 100.0, 20.0, 1.0))
    taken = [
        paired(arm, block, *narrow, *wide) for arm in ("pairs_batch1", "pairs_batch8") for block in (0, 1)
    ]
    taken += [records.idle(block, place) for block in range(2) for place in ("before", "after")]
    tables = made.tabulate(Records.from_sequence(taken), DESIGN)
    ratios = tables["shapes"].set_index(["batch", "channels"])
    assert ratios["time_ratio"].to_list() == pytest.approx([4, 1, 4, 1])
    assert ratios["bytes_ratio"].to_list() == pytest.approx([4, 2, 4, 2])
    statistics = tables["statistics"].set_index("statistic")["estimate"]
    assert (statistics["shapes.least"], statistics["shapes.most"]) == (pytest.approx(1), pytest.approx(4))
    # Traffic explains the first shape, and misses the second twofold.
    assert statistics["traffic.factor"] == pytest.approx(2**0.5)
    assert len(figures.layers_shapes(tables).panels[0].layers) == 3


def test_a_campaign_without_pairs_says_so(tables):
    assert tables["shapes"].empty
    assert not tables["statistics"]["statistic"].str.startswith(("shapes", "traffic")).any()
    assert figures.layers_shapes(tables).note == "not measured in this campaign"
    assert shapes.describe_setting("channels_last", 8.0) == "channels last, batch 8"


def test_a_block_that_lacks_a_kind_has_no_shares(tables):
    taken = [run(f"mobilenet_{kind}", block, 1.0) for block in range(2) for kind in KINDS][:-1]
    taken += [records.idle(block, place) for block in range(2) for place in ("before", "after")]
    made_of_gaps = made.tabulate(Records.from_sequence(taken), DESIGN)["statistics"].set_index("statistic")
    assert made_of_gaps.loc["mobilenet_energy_over_flops.linear", "n"] == 1
    printed = report.display(tables)["layers_shares"]
    assert not printed.isin(["nan"]).any(axis=None)
