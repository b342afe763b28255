"""Learners of Stable-Baselines3 made fast, and what they ask of a machine, counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env.base_vec_env import VecEnv
from torch import nn

from joules.workload.counting import count_inference, count_work
from joules.workload.reinforcement.networks import EXTRACTORS

# Stable-Baselines3's own epsilon of Adam for PPO, that of the PPO paper's code.
PPO_EPSILON = 1e-5


def policy_name(network: str) -> str:
    """Stable-Baselines3's policy for a network."""
    return "MlpPolicy" if network == "mlp" else "CnnPolicy"


def policy_options(network: str, adam_epsilon: float | None) -> dict[str, Any]:
    """Options of a policy that make it fast without changing what it learns: networks on pixels scale their
    weights instead of the pixels, and Adam, where `adam_epsilon` is given, updates all weights at once."""
    options: dict[str, Any] = {}
    if network in EXTRACTORS:
        # The extractor ends in the units of the published networks; heads follow it directly.
        options |= {
            "features_extractor_class": EXTRACTORS[network],
            "net_arch": [],
            "normalize_images": False,
        }
    if adam_epsilon is not None:
        options["optimizer_kwargs"] = {"eps": adam_epsilon, "fused": True}
    return options


def pixels_last(model: BaseAlgorithm) -> BaseAlgorithm:
    """`model` with its weights in channels-last memory, the faster layout for convolutions on pixels."""
    model.policy.to(memory_format=torch.channels_last)
    return model


def silent(model: BaseAlgorithm) -> BaseAlgorithm:
    """`model` without a log: Stable-Baselines3 makes a folder in the temporary folder for each learner's."""
    model.set_logger(Logger(None, []))
    return model


def ppo(
    training: VecEnv,
    seed: int,
    policy: dict[str, Any] | None,
    *,
    network: str,
    learning_rate: float,
    gamma: float,
    rollout_steps: int,
    minibatch_size: int,
    epochs: int,
    clip_range: float,
    entropy_coef: float,
) -> BaseAlgorithm:
    """PPO with these hyperparameters; `policy` are the options of its policy."""
    model = PPO(
        policy_name(network),
        training,
        learning_rate=learning_rate,
        gamma=gamma,
        seed=seed,
        policy_kwargs=policy,
        n_steps=rollout_steps,
        ent_coef=entropy_coef,
        batch_size=minibatch_size,
        n_epochs=epochs,
        clip_range=clip_range,
    )
    return silent(model)


def count_decision(model: BaseAlgorithm) -> dict[str, float]:
    """FLOPs and bytes moved of a forward pass of the network that acts, for one of the copies it acts in."""

    class Acting(nn.Module):
        def forward(self, observations: torch.Tensor) -> torch.Tensor:
            return model.policy._predict(observations, deterministic=True)

    shape = model.n_envs, *model.observation_space.shape
    counts = count_inference(Acting(), torch.zeros(shape, dtype=torch.float32, device=model.device))
    return {f"{name}_per_decision": float(counts[name]) for name in ("flops", "bytes_moved")}


def count_update(make_twin: Callable[[], BaseAlgorithm]) -> dict[str, float]:
    """FLOPs and bytes moved of one update, of the mean over those that follow a rollout, counted on a twin of
    the learner after its first steps. What an update is Stable-Baselines3 says: of PPO an epoch, of A2C a
    rollout, of DQN a batch."""
    twin = make_twin()
    twin.learn(1)
    before = twin._n_updates
    counts = count_work(lambda: _update(twin))
    # Counting takes two calls.
    each = (twin._n_updates - before) / 2
    return {f"{name}_per_update": total / each for name, total in counts.items()}


def _update(model: BaseAlgorithm) -> None:
    """The updates that follow a rollout."""
    if isinstance(model, OffPolicyAlgorithm):
        model.train(model.gradient_steps, model.batch_size)
    else:
        model.train()
