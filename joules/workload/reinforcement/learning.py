"""Fast learners of Stable-Baselines3, and counts of their work."""

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

# Epsilon of Adam for PPO, in Stable-Baselines3 and in the code of the PPO paper.
PPO_EPSILON = 1e-5


def policy_name(network: str) -> str:
    """Name of the policy in Stable-Baselines3 for a network."""
    return "MlpPolicy" if network == "mlp" else "CnnPolicy"


def policy_options(network: str, adam_epsilon: float | None) -> dict[str, Any]:
    """Options that make a policy fast without changing what it learns.

    Networks on pixels scale their weights instead of the pixels, and Adam updates all weights at once.

    Args:
        network: Name of the network.
        adam_epsilon: Epsilon of Adam; None for another optimiser.

    Returns:
        Keyword arguments of the policy.
    """
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


def use_channels_last(model: BaseAlgorithm) -> BaseAlgorithm:
    """Puts the weights in channels-last memory, the faster layout for convolutions on pixels."""
    model.policy.to(memory_format=torch.channels_last)
    return model


def disable_log(model: BaseAlgorithm) -> BaseAlgorithm:
    """Disables the log, for which Stable-Baselines3 would create a temporary folder per learner."""
    model.set_logger(Logger(None, []))
    return model


def make_ppo(
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
    """Makes a PPO learner from hyperparameters and the keyword arguments of its policy."""
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
    return disable_log(model)


def count_decision(model: BaseAlgorithm) -> dict[str, float]:
    """Counts FLOPs and bytes moved of a forward pass of the acting network, per copy of the environment."""

    class Acting(nn.Module):
        def forward(self, observations: torch.Tensor) -> torch.Tensor:
            return model.policy._predict(observations, deterministic=True)

    shape = model.n_envs, *model.observation_space.shape
    counts = count_inference(Acting(), torch.zeros(shape, dtype=torch.float32, device=model.device))
    return {f"{name}_per_decision": float(counts[name]) for name in ("flops", "bytes_moved")}


def count_update(make_twin: Callable[[], BaseAlgorithm]) -> dict[str, float]:
    """Counts FLOPs and bytes moved per update, as the mean over the updates that follow a rollout.

    An update is what Stable-Baselines3 counts as one: an epoch of PPO, a rollout of A2C, a batch of DQN.

    Args:
        make_twin: Makes a copy of the learner, which is trained for its first steps.
    """
    twin = make_twin()
    twin.learn(1)
    before = twin._n_updates
    counts = count_work(lambda: _update(twin))
    # `count_work` calls it twice.
    each = (twin._n_updates - before) / 2
    return {f"{name}_per_update": total / each for name, total in counts.items()}


def _update(model: BaseAlgorithm) -> None:
    """Does the updates that follow a rollout."""
    if isinstance(model, OffPolicyAlgorithm):
        model.train(model.gradient_steps, model.batch_size)
    else:
        model.train()
