"""A2C that learns from rollouts a few updates old, corrected by V-trace.

V-trace: Espeholt et al. 2018, "IMPALA: Scalable Distributed Deep-RL with Importance Weighted Actor-Learner
Architectures", section 4.1. An actor that runs ahead of its learner has the policy of some updates ago;
here a queue of `lag` rollouts stands for that actor. With a lag of zero behaviour and target policy are the
same, every weight is one, and the update is A2C's.
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
    """One rollout of T steps in B environments, as it was collected.

    `observations` is [T + 1, B, ...], the last being the one to bootstrap from; `actions` [T, B];
    `rewards`, `behaviour_log_probs` [T, B]; `discounts` [T, B] is gamma, and zero where the step ended an
    episode.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    behaviour_log_probs: Tensor
    discounts: Tensor


def targets(
    rewards: Tensor, discounts: Tensor, values: Tensor, next_value: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """(value targets, advantages of the policy gradient), both [T, B].

    `values` [T, B] and `next_value` [B] are the learner's; `weights` [T, B] are pi / mu, clipped here at
    one for both rho and c. A zero discount keeps what follows an episode's end out of its targets. The
    advantages are already multiplied by rho.
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
    """Stable-Baselines3's A2C with rollouts `lag` updates old and V-trace targets."""

    def __init__(self, *arguments: Any, lag: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._queue: deque[Rollout] = deque(maxlen=lag + 1)
        self.mean_rho = 1.0

    def train(self) -> None:
        """One update from the oldest rollout held; the first updates reuse the first rollout."""
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
