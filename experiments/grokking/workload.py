"""Trains one network on one task, in full batches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.grokking.networks import Mlp, Transformer, make
from experiments.grokking.parameters import Parameters
from experiments.grokking.rules import EVALUATION, RULES, Evaluation
from experiments.grokking.tasks import Examples, split
from joules.workload.counting import count_work
from joules.workload.session import Session

# Power et al. 2022.
_BETAS = (0.9, 0.98)
# Digits kept in logged numbers: enough for any rule, small enough for a released record.
_DIGITS = 6


@dataclass(frozen=True)
class Prepared:
    """An untrained network, its optimiser and data; `step_counts` are the operation counts of a step."""

    network: Transformer | Mlp
    optimizer: torch.optim.Optimizer
    train: Examples
    held_out: Examples
    parameters: Parameters
    device: str
    step_counts: dict[str, float]


def build(values: Mapping[str, Any], seed: int) -> Prepared:
    """Make network and data of `seed`; steps of a copy warm the kernels and are counted.

    Args:
        values: Parameters of the arm.
        seed: Seed of weights and of the split of the data.
    """
    parameters = Parameters.model_validate(values)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    train, held_out = (
        Examples(part.pairs.to(device), part.results.to(device))
        for part in split(parameters.task, parameters.modulus, parameters.train_fraction, seed)
    )
    copy = _fresh(parameters, train, held_out, device, seed, {})
    step(copy)
    counted = count_work(lambda: step(copy))
    counts = {f"{name}_per_step": counted[name] for name in ("flops", "bytes_moved")}
    return _fresh(parameters, train, held_out, device, seed, counts)


def _fresh(
    parameters: Parameters,
    train: Examples,
    held_out: Examples,
    device: str,
    seed: int,
    step_counts: dict[str, float],
) -> Prepared:
    torch.manual_seed(seed)
    network = make(parameters.architecture, parameters.modulus, parameters.width).to(device)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=parameters.learning_rate,
        weight_decay=parameters.weight_decay,
        betas=_BETAS,
        fused=True,
    )
    return Prepared(network, optimizer, train, held_out, parameters, device, step_counts)


def step(prepared: Prepared) -> tuple[Tensor, Tensor, Tensor]:
    """Take one optimiser step on all training pairs.

    Returns:
        (loss, logits, activations) from before the step.
    """
    logits, active = prepared.network(prepared.train.pairs)
    loss = functional.cross_entropy(logits, prepared.train.results)
    prepared.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    prepared.optimizer.step()
    return loss, logits, active


def run(prepared: Prepared, session: Session) -> dict[str, Any]:
    """Train until the schedule or the rule ends the run.

    Returns:
        Facts about the network and its curves. `evaluations` holds [step, training loss, training accuracy,
        validation loss, validation accuracy]; `signals` holds [step, gradient norm, weight norm, share of
        activations that are zero] at the same steps.

    Raises:
        ValueError: If the loss is not finite.
    """
    parameters = prepared.parameters
    rule = RULES[parameters.rule]
    history: list[Evaluation] = []
    signals: list[list[float]] = []
    for number in range(1, parameters.steps + 1):
        loss, logits, active = step(prepared)
        if number % parameters.evaluate_every == 0 or number == parameters.steps:
            train_loss = float(loss.detach())
            # Evaluations cost energy, which is charged to the rule that needs them.
            with session.phase(EVALUATION):
                history.append(_evaluate(prepared, number, train_loss, logits))
            signals.append([float(number), *_signals(prepared.network, active)])
            session.step(number)
            if not math.isfinite(train_loss):
                raise ValueError(f"learning diverged: the loss is {train_loss} after {number} steps")
            if rule(history):
                break
    return {
        "device": prepared.device,
        "threads": torch.get_num_threads(),
        "parameters": sum(weight.numel() for weight in prepared.network.parameters()),
        **prepared.step_counts,
        "steps": history[-1].step,
        "evaluations": [_rounded(astuple(evaluation)) for evaluation in history],
        "signals": [_rounded(signal) for signal in signals],
    }


@torch.inference_mode()
def _evaluate(prepared: Prepared, number: int, train_loss: float, logits: Tensor) -> Evaluation:
    held_out, _ = prepared.network(prepared.held_out.pairs)
    return Evaluation(
        step=number,
        train_loss=train_loss,
        train_accuracy=_accuracy(logits, prepared.train.results),
        loss=float(functional.cross_entropy(held_out, prepared.held_out.results)),
        accuracy=_accuracy(held_out, prepared.held_out.results),
    )


@torch.inference_mode()
def _signals(network: nn.Module, active: Tensor) -> tuple[float, float, float]:
    weights = list(network.parameters())
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    return (
        float(torch.nn.utils.get_total_norm(gradients)),
        float(torch.nn.utils.get_total_norm(weights)),
        float((active == 0).float().mean()),
    )


def _accuracy(logits: Tensor, results: Tensor) -> float:
    return float((logits.argmax(dim=1) == results).float().mean())


def _rounded(values: Any) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in values]
