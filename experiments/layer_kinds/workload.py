"""Runs layers of one kind: a single layer, or all layers of that kind in a network.

Layers of a network run one after the other on inputs of the shapes that they have in the network.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from experiments.layer_kinds.parameters import PAIRS, Kind, Parameters
from joules.workload.counting import count_inference
from joules.workload.repeat import make_synchronizer, repeat_work
from joules.workload.session import Session


@dataclass(frozen=True)
class Prepared:
    """Layers with one input each, and their counts."""

    pairs: list[tuple[nn.Module, Tensor]]
    device: str
    parameters: Parameters
    facts: dict[str, Any]


def build(values: Mapping[str, Any], seed: int) -> Prepared:
    """Build and warm the layers, outside the metered window.

    Args:
        values: Parameters of the arm.
        seed: Seed of weights and inputs.

    Raises:
        ValueError: If the model has no layer of the kind.
    """
    parameters = Parameters.model_validate(values)
    torch.manual_seed(seed)
    if parameters.threads != "all":
        torch.set_num_threads(parameters.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pairs = _inside(parameters) if parameters.model else [_alone(parameters)]
    pairs = [(layer.to(device).eval(), value.to(device)) for layer, value in pairs]
    if parameters.layout == "channels_last":
        last = torch.channels_last
        pairs = [(layer.to(memory_format=last), value.to(memory_format=last)) for layer, value in pairs]
    if not pairs:
        raise ValueError(f"{parameters.model} has no layer of kind {parameters.kind}")
    counts = [count_inference(layer, value) for layer, value in pairs]
    facts: dict[str, Any] = {
        "device": device,
        "threads": torch.get_num_threads(),
        "layers": len(pairs),
        "parameters": sum(weight.numel() for layer, _ in pairs for weight in layer.parameters()),
        **{name: sum(one[name] for one in counts) for name in ("flops", "bytes_moved", "activations")},
    }
    if parameters.kind == PAIRS:
        facts["layer_shapes"] = [
            [*value.shape[1:3], layer.stride[0], one["flops"], one["bytes_moved"]]  # type: ignore[index]
            for (layer, value), one in zip(pairs, counts, strict=True)
        ]
    prepared = Prepared(pairs, device, parameters, facts)
    _pass(prepared, parameters.warmup_s, 3)
    return prepared


def run(prepared: Prepared, _session: Session) -> dict[str, Any]:
    """Repeat passes over all layers for the whole window.

    Returns:
        Facts about the layers, the number of passes, and the median latency of a pass in seconds; of pairs
        also `layer_shapes` ([channels, image size, stride, operations, bytes moved] of each layer) and
        `layer_latencies_s`, the median latency of each layer.
    """
    parameters = prepared.parameters
    layers_s = [list[float]() for _ in prepared.pairs] if parameters.kind == PAIRS else []
    passes_s = _pass(prepared, parameters.window_s, parameters.min_passes, layers_s)
    results = {
        **prepared.facts,
        "passes": len(passes_s),
        "latency_median_s": statistics.median(passes_s),
    }
    return results | ({"layer_latencies_s": [*map(statistics.median, layers_s)]} if layers_s else {})


@torch.inference_mode()
def _pass(
    prepared: Prepared, least_s: float, least_passes: int, layers_s: Sequence[list[float]] = ()
) -> list[float]:
    """Repeat passes over all layers; with `layers_s`, each call of a layer is timed."""
    synchronize = make_synchronizer(prepared.device)

    def work() -> None:
        for layer, value in prepared.pairs:
            layer(value)

    def timed_work() -> None:
        for (layer, value), layer_s in zip(prepared.pairs, layers_s, strict=True):
            start_s = time.perf_counter()
            layer(value)
            synchronize()
            layer_s.append(time.perf_counter() - start_s)

    return repeat_work(timed_work if layers_s else work, synchronize, least_s, least_passes)


def _alone(parameters: Parameters) -> tuple[nn.Module, Tensor]:
    channels_in, channels_out = parameters.channels_in, parameters.channels_out
    if channels_in is None or channels_out is None:
        raise ValueError("a layer on its own needs channels_in and channels_out")
    if parameters.kind == "linear":
        return nn.Linear(channels_in, channels_out, bias=False), torch.randn(parameters.batch, channels_in)
    side = 1 if parameters.kind == "conv1x1" else 3
    groups = channels_in if parameters.kind == "depthwise3x3" else 1
    layer = nn.Conv2d(channels_in, channels_out, side, padding=side // 2, groups=groups, bias=False)
    return layer, torch.randn(parameters.batch, channels_in, parameters.image_size, parameters.image_size)


def _inside(parameters: Parameters) -> list[tuple[nn.Module, Tensor]]:
    """Layers of the kind in order of execution, each with a random input of its shape in the network.

    Of pairs, the depthwise convolutions of distinct shapes, each before the 1x1 convolution that follows it.
    """
    network = torchvision.models.get_model(parameters.model, weights=None).eval()
    pairs: list[tuple[nn.Module, Tensor]] = []

    def look(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        pairs.append((layer, torch.randn_like(inputs[0])))

    hooks = [
        layer.register_forward_pre_hook(look)
        for layer in network.modules()
        if kind_of(layer) in (("depthwise3x3", "conv1x1") if parameters.kind == PAIRS else (parameters.kind,))
    ]
    with torch.no_grad():
        network(torch.randn(parameters.batch, 3, parameters.image_size, parameters.image_size))
    for hook in hooks:
        hook.remove()
    return _distinct_pairs(pairs) if parameters.kind == PAIRS else pairs


def _distinct_pairs(layers: list[tuple[nn.Module, Tensor]]) -> list[tuple[nn.Module, Tensor]]:
    found: dict[tuple[object, ...], list[tuple[nn.Module, Tensor]]] = {}
    for first, second in itertools.pairwise(layers):
        if kind_of(first[0]) == "depthwise3x3" and kind_of(second[0]) == "conv1x1":
            found.setdefault((tuple(first[1].shape), first[0].stride), [first, second])
    return [layer for pair in found.values() for layer in pair]


def kind_of(layer: nn.Module) -> Kind | None:
    """The kind of a layer; None if it is of no kind that is measured."""
    if isinstance(layer, nn.Linear):
        return "linear"
    if not isinstance(layer, nn.Conv2d):
        return None
    if layer.kernel_size == (1, 1):
        return "conv1x1"
    if layer.kernel_size == (3, 3):
        return "depthwise3x3" if layer.groups == layer.in_channels else "conv3x3"
    return None
