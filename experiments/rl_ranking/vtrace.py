"""A2C that learns from rollouts that are a few updates old, corrected by V-trace.

V-trace: Espeholt et al. 2018, "IMPALA: Scalable Distributed Deep-RL with Importance Weighted Actor-Learner
Architectures", section 4.1. An actor that runs ahead of its learner uses the policy of some updates ago; a
queue of `lag` rollouts in the learner's own process imitates it. This is a control: it has the stale rollouts
of such an actor and not its throughput, so it can gain nothing over A2C. With a lag of zero, behaviour policy
and target policy are equal, every weight is one, and the update is that of A2C.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import torch
from stable_baselines3 import A2C
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Rollout:
    """One rollout of T steps in B environments.

    `observations` [T + 1, B, ...] end with the observation to bootstrap from; `actions`, `rewards` and
    `behaviour_log_probs` are [T, B]; `discounts` [T, B] are gamma, and zero if the step ended an episode.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    behaviour_log_probs: Tensor
    discounts: Tensor


def targets(
    rewards: Tensor, discounts: Tensor, values: Tensor, next_value: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute V-trace targets.

    Args:
        rewards: Rewards [T, B].
        discounts: Discounts [T, B]; zero at the end of an episode, which excludes later rewards from its
            targets.
        values: Values by the learner [T, B].
        next_value: Value of the last observation by the learner [B].
        weights: Importance weights pi / mu [T, B]; clipped at one for both rho and c.

    Returns:
        (value targets, advantages of the policy gradient), both [T, B]; advantages are multiplied by rho.
    """
    rho = weights.clamp(max=1.0)
    following = torch.cat([values[1:], next_value[None]])
    deltas = rho * (rewards + discounts * following - values)
    corrections = torch.empty_like(values)
    carried = torch.zeros_like(next_value)
    for step in reversed(range(len(rewards))):
        carried = deltas[step] + discounts[step] * rho[step] * carried
        corrections[step] = carried
    value_targets = values + corrections
    following_targets = torch.cat([value_targets[1:], next_value[None]])
    return value_targets, rho * (rewards + discounts * following_targets - values)


class VtraceA2C(A2C):
    """Stable-Baselines3's A2C with rollouts that are `lag` updates old and V-trace targets."""

    def __init__(self, *arguments: Any, lag: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._queue: deque[Rollout] = deque(maxlen=lag + 1)
        self.mean_rho = 1.0

    def train(self) -> None:
        """Update from the oldest rollout in the queue; the first updates reuse the first rollout."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        self._queue.append(self._collected())
        self._update(self._queue[0])
        self._n_updates += 1

    def _collected(self) -> Rollout:
        buffer = self.rollout_buffer
        observations = torch.as_tensor(buffer.observations)
        last = torch.as_tensor(self._last_obs)
        ends = torch.cat([torch.as_tensor(buffer.episode_starts)[1:], self._last_ends()[None]])
        return Rollout(
            observations=torch.cat([observations, last[None].to(observations.dtype)]).to(self.device),
            actions=torch.as_tensor(buffer.actions).squeeze(-1).to(self.device),
            rewards=torch.as_tensor(buffer.rewards).to(self.device),
            behaviour_log_probs=torch.as_tensor(buffer.log_probs).to(self.device),
            discounts=(self.gamma * (1.0 - ends)).to(self.device),
        )

    def _last_ends(self) -> Tensor:
        return torch.as_tensor(self._last_episode_starts, dtype=torch.float32)

    def _update(self, rollout: Rollout) -> None:
        steps, environments = rollout.rewards.shape
        flat = rollout.observations.flatten(0, 1)
        acted = steps * environments
        values, log_probs, entropy = self.policy.evaluate_actions(
            flat[:acted], rollout.actions.flatten().long()
        )
        values, log_probs = values.view(steps, environments), log_probs.view(steps, environments)
        with torch.no_grad():
            next_value = self.policy.predict_values(flat[acted:]).view(environments)
            weights = torch.exp(log_probs - rollout.behaviour_log_probs)
            value_targets, advantages = targets(
                rollout.rewards, rollout.discounts, values, next_value, weights
            )
            self.mean_rho = float(weights.clamp(max=1.0).mean())
            if self.normalize_advantage:
                advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        policy_loss = -(advantages * log_probs).mean()
        value_loss = functional.mse_loss(value_targets, values)
        entropy_loss = -entropy.mean() if entropy is not None else log_probs.mean()
        loss = policy_loss + self.ent_coef * entropy_loss + self.vf_coef * value_loss
        self.policy.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
        self.policy.optimizer.step()
        self.logger.record("train/mean_rho", self.mean_rho)
