"""Inference of one torchvision architecture with random weights.

Weights do not change the arithmetic, but they can change its speed: activations that decay into denormal
numbers are slow on a CPU, and activations that overflow become infinite or NaN. Therefore `build` sets the
statistics of batch norms from random images and reports the spread of every layer's output and the share of
denormals. It rejects a network whose signal vanishes or overflows.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from experiments.flops_vs_energy.parameters import Parameters
from joules.workload.counting import count_inference
from joules.workload.repeat import make_synchronizer, repeat_work
from joules.workload.session import Session

_CALIBRATION_IMAGES = 4
# Single precision becomes denormal below 1.2e-38 and overflows above 3.4e38: a layer's output should stay far
# from both. ConvNeXt initially scales its branches by 1e-6, which is correct and must pass.
_LEAST_SPREAD, _MOST_SPREAD = 1e-20, 1e20


@dataclass(frozen=True)
class Prepared:
    """A warm network, its input, and the counts of a pass."""

    network: nn.Module
    images: Tensor
    parameters: Parameters
    facts: dict[str, Any]


def build(values: Mapping[str, Any], seed: int) -> Prepared:
    """Build, check and warm a network, outside the metered window.

    Args:
        values: Parameters of the arm.
        seed: Seed of weights and images.

    Raises:
        ValueError: If activations vanish or overflow.
    """
    parameters = Parameters.model_validate(values)
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = torchvision.models.get_model(
        parameters.model, weights=None, **model_options(parameters.model)
    ).to(device)
    size = (3, parameters.image_size, parameters.image_size)
    calibrate_norms(network, torch.randn(_CALIBRATION_IMAGES, *size, device=device))
    images = torch.randn(parameters.batch_size, *size, device=device)
    facts = {
        "device": device.type,
        "parameters": sum(weight.numel() for weight in network.parameters()),
        **count_inference(network, images),
        **check_activations(network, images),
    }
    # Set the number of threads only after set-up, which may use every core.
    if parameters.threads != "all":
        torch.set_num_threads(parameters.threads)
    facts["threads"] = torch.get_num_threads()
    _infer(network, images, parameters.warmup_s, 3)
    return Prepared(network, images, parameters, facts)


def run(prepared: Prepared, session: Session) -> dict[str, Any]:
    """Run forward passes for the whole window, in turns with the other arms of the block.

    Returns:
        Facts about the network, the number of inferences, and latencies per batch in seconds.
    """
    parameters = prepared.parameters
    turns = parameters.turns

    def infer(least_s: float, least_batches: int) -> list[float]:
        return _infer(prepared.network, prepared.images, least_s, least_batches)

    latencies_s: list[float] = []
    for turn in range(turns):
        if turn:
            # Warm the caches again after the turns of other networks.
            session.pause(turn / turns, lambda: infer(0.0, 1))
        latencies_s += infer(parameters.window_s / turns, math.ceil(parameters.min_inferences / turns))
    return {
        **prepared.facts,
        "batches": len(latencies_s),
        "inferences": len(latencies_s) * parameters.batch_size,
        "latency_median_s": statistics.median(latencies_s),
        "latency_p95_s": statistics.quantiles(latencies_s, n=20)[-1],
    }


@torch.inference_mode()
def _infer(network: nn.Module, images: Tensor, least_s: float, least_batches: int) -> list[float]:
    """Repeat forward passes until both limits are reached; returns the seconds of each."""
    return repeat_work(lambda: network(images), make_synchronizer(images.device.type), least_s, least_batches)


def model_options(model: str) -> dict[str, Any]:
    """Options that switch off auxiliary heads and the slow initialiser of two networks."""
    return {"aux_logits": False, "init_weights": False} if model in ("googlenet", "inception_v3") else {}


@torch.no_grad()
def calibrate_norms(network: nn.Module, images: Tensor) -> None:
    """Set the running statistics of every batch norm from `images`."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    network.train()
    if norms:
        network(images)
    network.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


@torch.inference_mode()
def check_activations(network: nn.Module, images: Tensor) -> dict[str, Any]:
    """Check the activations of a network.

    Returns:
        Extremes over layers of the output's standard deviation, and the share of denormals.

    Raises:
        ValueError: If activations vanish or overflow.
    """
    spreads: list[float] = []
    denormals, elements = 0, 0
    tiny = torch.finfo(images.dtype).tiny

    def look(module: nn.Module, _inputs: Any, output: Any) -> None:
        nonlocal denormals, elements
        # The vision transformer's head starts at zero; its zero outputs are not slow.
        starts_at_zero = isinstance(module, nn.Linear) and not module.weight.any()
        if isinstance(output, Tensor) and output.numel() > 1 and not starts_at_zero:
            spreads.append(float(output.std()))
            magnitude = output.abs()
            denormals += int(((magnitude > 0) & (magnitude < tiny)).sum())
            elements += output.numel()

    leaves = [module for module in network.modules() if not list(module.children())]
    hooks = [module.register_forward_hook(look) for module in leaves]
    network(images)
    for hook in hooks:
        hook.remove()
    if not all(_LEAST_SPREAD < spread < _MOST_SPREAD for spread in spreads):
        raise ValueError(
            f"activations vanish or blow up: their standard deviation by layer runs from "
            f"{min(spreads):.3g} to {max(spreads):.3g}"
        )
    return {
        "activation_elements": elements,
        "activation_std_min": min(spreads),
        "activation_std_max": max(spreads),
        "denormal_share": denormals / elements,
    }
