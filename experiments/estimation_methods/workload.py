"""Four workloads that differ in what limits them, so that estimates err in different ways."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torchvision
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

from experiments.estimation_methods.parameters import Parameters
from joules.instrument.nameplate import nameplate
from joules.workload.counting import count_inference
from joules.workload.reinforcement.environments import make_environments
from joules.workload.reinforcement.learning import (
    PPO_EPSILON,
    count_decision,
    count_update,
    make_ppo,
    policy_options,
    use_channels_last,
)
from joules.workload.repeat import make_synchronizer, repeat_work
from joules.workload.session import Session

_IMAGES = 8
# Vectors larger than any cache, small enough for a laptop.
_VECTOR_ELEMENTS = 2**24
_SMALL_LAYERS, _SMALL_WIDTH = 24, 32
_LEAST_PASSES = 3

# PPO on Pong from pixels with the settings of the RL ranking.
_PONG, _COPIES, _EPOCHS = "ale/pong", 8, 4
_PPO: dict[str, Any] = {
    "network": "nature",
    "learning_rate": 2.5e-4,
    "gamma": 0.99,
    "rollout_steps": 128,
    "minibatch_size": 256,
    "clip_range": 0.1,
    "entropy_coef": 0.01,
}


@dataclass(frozen=True)
class Work:
    """One pass of a workload with its operation counts.

    `flops` are counted; `published_flops` are the count that a practitioner would look up (None: none is
    published). Both are per pass, and a multiply-add is two.
    """

    once: Callable[[], object]
    flops: float
    published_flops: float | None


@dataclass(frozen=True)
class Prepared:
    """A warm workload and the known facts about the machine it runs on."""

    work: Work
    device: str
    parameters: Parameters
    facts: dict[str, Any]


def build(values: Mapping[str, Any], seed: int) -> Prepared:
    """Prepare and warm the workload, and measure the device's peak rate, outside the metered window.

    Args:
        values: Parameters of the arm.
        seed: Seed of weights and environments.
    """
    parameters = Parameters.model_validate(values)
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    work = _WORK[parameters.work](device, seed)
    facts = {
        "device": device,
        "threads": torch.get_num_threads(),
        "peak_flops_per_s": _peak_flops_per_s(device),
        **nameplate(),
    }
    prepared = Prepared(work, device, parameters, facts)
    repeat_work(work.once, make_synchronizer(device), parameters.warmup_s, 1)
    return prepared


def run(prepared: Prepared, _session: Session) -> dict[str, Any]:
    """Repeat passes for the whole window.

    Returns:
        Facts about the machine, the number of passes, and the operations of all passes together.
    """
    window_s = prepared.parameters.window_s
    passes = len(repeat_work(prepared.work.once, make_synchronizer(prepared.device), window_s, _LEAST_PASSES))
    published = prepared.work.published_flops
    return {
        **prepared.facts,
        "passes": passes,
        "flops": passes * prepared.work.flops,
        "published_flops": None if published is None else passes * published,
    }


def _ppo_pong(_device: str, seed: int) -> Work:
    """One update of PPO on Pong from pixels: a rollout and its epochs, as Henderson et al. 2020 compare."""
    threads = torch.get_num_threads()

    def learner(epochs: int) -> BaseAlgorithm:
        games = make_environments(_PONG, _COPIES, seed, training=True, threads=threads)
        policy = policy_options(_PPO["network"], PPO_EPSILON)
        return use_channels_last(make_ppo(games, seed, policy, epochs=epochs, **_PPO))

    # Count first: making the learner resets the seeds of all random streams.
    counts = count_update(lambda: learner(1))
    model = learner(_EPOCHS)
    counts |= count_decision(model)
    steps = _COPIES * _PPO["rollout_steps"]
    return Work(
        once=lambda: model.learn(steps, reset_num_timesteps=False),
        flops=steps * counts["flops_per_decision"] + _EPOCHS * counts["flops_per_update"],
        # 2.55 million multiply-adds per decision: count of the published comparison. An epoch is a forward
        # and a backward pass; the backward pass is assumed to cost two forward passes.
        published_flops=steps * 2 * 2.55e6 * (1 + 3 * _EPOCHS),
    )


def _vision(device: str, _seed: int) -> Work:
    """Inference of ResNet-50 on eight images: bound by arithmetic."""
    model = torchvision.models.resnet50(weights=None).to(device).eval()
    images = torch.randn(_IMAGES, 3, 224, 224, device=device)
    published = torchvision.models.ResNet50_Weights.IMAGENET1K_V1.meta["_ops"]

    @torch.inference_mode()
    def once() -> None:
        model(images)

    # Both counts are per image; the published one is in billions of multiply-adds.
    return Work(once, _IMAGES * float(count_inference(model, images)["flops"]), _IMAGES * 2e9 * published)


def _small_kernels(device: str, _seed: int) -> Work:
    """A deep, narrow network on one input: bound by launching kernels, on one core."""
    layers: list[nn.Module] = []
    for _ in range(_SMALL_LAYERS):
        layers += [nn.Linear(_SMALL_WIDTH, _SMALL_WIDTH), nn.ReLU()]
    model = nn.Sequential(*layers).to(device).eval()
    value = torch.randn(1, _SMALL_WIDTH, device=device)
    passes = 100

    @torch.inference_mode()
    def once() -> None:
        for _ in range(passes):
            model(value)

    return Work(once, passes * float(count_inference(model, value)["flops"]), None)


def _memory_bound(device: str, _seed: int) -> Work:
    """a = a + 0.5 b over vectors larger than any cache: two operations for every twelve bytes."""
    a = torch.zeros(_VECTOR_ELEMENTS, device=device)
    b = torch.ones(_VECTOR_ELEMENTS, device=device)

    @torch.inference_mode()
    def once() -> None:
        a.add_(b, alpha=0.5)

    return Work(once, 2.0 * _VECTOR_ELEMENTS, None)


_WORK: dict[str, Callable[[str, int], Work]] = {
    "ppo_pong": _ppo_pong,
    "vision": _vision,
    "small_kernels": _small_kernels,
    "memory_bound": _memory_bound,
}


@torch.inference_mode()
def _peak_flops_per_s(device: str) -> float:
    """Best rate of several products of square matrices, in operations per second."""
    side = 8192 if device == "cuda" else 1024
    a, b = torch.randn(side, side, device=device), torch.randn(side, side, device=device)
    synchronize = make_synchronizer(device)
    seconds = []
    for _ in range(8):
        synchronize()
        start_s = time.perf_counter()
        torch.mm(a, b)
        synchronize()
        seconds.append(time.perf_counter() - start_s)
    return float(2 * side**3 / min(seconds))
