"""Trains one algorithm in one environment, with evaluations that are not part of the training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from stable_baselines3 import A2C, DQN
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from experiments.rl_ranking.parameters import ON_PIXELS, Parameters
from experiments.rl_ranking.vtrace import VtraceA2C
from joules.workload.reinforcement.environments import make_environments
from joules.workload.reinforcement.learning import (
    PPO_EPSILON,
    count_decision,
    count_update,
    disable_log,
    make_ppo,
    policy_name,
    policy_options,
    use_channels_last,
)
from joules.workload.session import Session

# Number of games that evaluation plays in parallel.
_EVALUATION_COPIES = 10
_RANDOM_EPISODES = 20
# Offset of evaluation seeds, far from training seeds.
_EVALUATION_SEED = 500
# Settings that speed up the copy on which an update is counted, without changing the update.
_OF_TWINS: dict[str, dict[str, int]] = {
    "ppo": {"epochs": 1},
    "dqn": {"learning_starts": 0, "buffer_size": 1000},
}
# Epsilons of Adam in Stable-Baselines3: the PPO paper's for PPO and Adam's default for DQN. A2C uses another
# optimiser.
_ADAM_EPSILONS = {"ppo": PPO_EPSILON, "dqn": 1e-8}


@dataclass(frozen=True)
class Prepared:
    """An untrained learner, its evaluation environments, and its operation counts."""

    model: BaseAlgorithm
    evaluation: VecEnv
    parameters: Parameters
    facts: dict[str, Any]


def build(values: Mapping[str, Any], seed: int) -> Prepared:
    """Make an untrained learner and let the random policy play, outside the metered window.

    Args:
        values: Parameters of the arm.
        seed: Seed of weights and environments.
    """
    parameters = Parameters.model_validate(values)
    threads = torch.get_num_threads()
    # Count first: making the learner resets the seeds of all random streams.
    per_update = count_arm_update(parameters, seed, threads)
    training = make_environments(
        parameters.environment, parameters.environments, seed, training=True, threads=threads
    )
    copies = min(_EVALUATION_COPIES, parameters.evaluation_episodes)
    evaluation = make_environments(
        parameters.environment, copies, _EVALUATION_SEED + seed, training=False, threads=threads
    )
    model = make_model(parameters, training, seed)
    facts = {
        "device": str(model.device),
        "threads": threads,
        "parameters": sum(weight.numel() for weight in model.policy.parameters()),
        **count_decision(model),
        **per_update,
    }
    if parameters.evaluations:
        facts["random_return"] = float(np.mean(play(None, evaluation, _RANDOM_EPISODES, seed)))
    return Prepared(model, evaluation, parameters, facts)


def run(prepared: Prepared, session: Session) -> dict[str, Any]:
    """Learn for all steps.

    Returns:
        Facts about the learner and its results. `evaluations` holds [step, mean return, standard deviation]
        of each evaluation.

    Raises:
        ValueError: If learning diverged; a run with weights that are not finite is a failed run.
    """
    parameters = prepared.parameters
    evaluator = _Evaluator(prepared, session)
    try:
        prepared.model.learn(parameters.total_steps, callback=evaluator)
    except (RuntimeError, ValueError):
        # Torch's message for sampling from a policy with NaN does not name the cause.
        _refuse_diverged(prepared.model)
        raise
    evaluator.finish()
    facts = dict(prepared.facts)
    if isinstance(prepared.model, VtraceA2C):
        facts["mean_rho"] = prepared.model.mean_rho
    return {
        **facts,
        "steps": prepared.model.num_timesteps,
        "updates": prepared.model._n_updates,
        "evaluations": evaluator.results,
        "training_episodes": evaluator.episodes,
        "training_return_mean": evaluator.mean_training_return,
    }


def make_model(parameters: Parameters, training: VecEnv, seed: int) -> BaseAlgorithm:
    """Make the learner of `parameters` in `training`, with faster settings."""
    options = policy_options(parameters.network, _ADAM_EPSILONS.get(parameters.algorithm))
    model = algorithm(parameters, training, seed, options)
    return use_channels_last(model) if parameters.network in ON_PIXELS else model


def algorithm(
    parameters: Parameters, training: VecEnv, seed: int, policy: dict[str, Any] | None = None
) -> BaseAlgorithm:
    """Make Stable-Baselines3's learner with the hyperparameters of `parameters`.

    Args:
        parameters: Parameters of the arm.
        training: Environments to learn in.
        seed: Seed of the learner.
        policy: Options of its policy.
    """
    given: dict[str, Any] = parameters.model_dump()
    if parameters.algorithm == "ppo":
        names = (
            "network",
            "learning_rate",
            "gamma",
            "rollout_steps",
            "minibatch_size",
            "epochs",
            "clip_range",
        )
        return make_ppo(training, seed, policy, **{name: given[name] for name in (*names, "entropy_coef")})
    name = policy_name(parameters.network)
    common: dict[str, Any] = {
        "learning_rate": parameters.learning_rate,
        "gamma": parameters.gamma,
        "seed": seed,
        "policy_kwargs": policy,
    }
    if parameters.algorithm == "dqn":
        learner: BaseAlgorithm = DQN(
            name,
            training,
            buffer_size=given["buffer_size"],
            learning_starts=given["learning_starts"],
            batch_size=given["minibatch_size"],
            # SB3 counts vector steps; a vector step of N copies is N environment steps.
            train_freq=max(given["train_every"] // parameters.environments, 1),
            gradient_steps=max(parameters.environments // given["train_every"], 1),
            target_update_interval=given["target_every"],
            exploration_fraction=given["exploration_fraction"],
            exploration_final_eps=0.05,
            **common,
        )
        return disable_log(learner)
    common |= {"n_steps": parameters.rollout_steps, "ent_coef": parameters.entropy_coef}
    if parameters.algorithm == "a2c_vtrace":
        return disable_log(VtraceA2C(name, training, lag=given["lag"], **common))
    return disable_log(A2C(name, training, **common))


class _Evaluator(BaseCallback):
    """Callback that pauses learning at evenly spaced steps, marks them, and evaluates the policy."""

    def __init__(self, prepared: Prepared, session: Session) -> None:
        super().__init__()
        self._prepared = prepared
        self._session = session
        parameters = prepared.parameters
        steps, wanted = parameters.total_steps, parameters.evaluations
        self._due = [round(steps * (number + 1) / wanted) for number in range(wanted)]
        self.results: list[list[float]] = []
        self.episodes = 0
        self._return_sum = 0.0

    @property
    def mean_training_return(self) -> float | None:
        return self._return_sum / self.episodes if self.episodes else None

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            if "episode" in info:
                self.episodes += 1
                self._return_sum += info["episode"]["r"]
        # The last evaluation takes place after the last update.
        while len(self._due) > 1 and self.num_timesteps >= self._due[0]:
            self._due.pop(0)
            self._evaluate()
        return True

    def finish(self) -> None:
        """Evaluate the final policy."""
        if self._due:
            self._evaluate()
        else:
            self._session.step(self.model.num_timesteps)
            _refuse_diverged(self.model)

    def _evaluate(self) -> None:
        prepared = self._prepared
        self._session.step(self.model.num_timesteps)
        _refuse_diverged(self.model)
        with self._session.phase("evaluation"):
            returns = play(
                self.model, prepared.evaluation, prepared.parameters.evaluation_episodes, len(self.results)
            )
        self.results.append(
            [float(self.model.num_timesteps), float(np.mean(returns)), float(np.std(returns))]
        )


def play(model: BaseAlgorithm | None, games: VecEnv, episodes: int, seed: int) -> list[float]:
    """Play at least `episodes` whole episodes.

    Every copy of the game plays the same number of episodes, so that short episodes do not count more. The
    policy explores as in training. The random stream of learning is restored afterwards.

    Args:
        model: The learner; None for the random policy.
        games: Copies of the game.
        episodes: Least number of episodes.
        seed: Seed of the games.

    Returns:
        Returns of the episodes.
    """
    each = -(-episodes // games.num_envs)
    played: list[list[float]] = [[] for _ in range(games.num_envs)]
    random = np.random.default_rng(seed)
    numpy_state = np.random.get_state()
    observations = games.reset()
    devices = [model.device] if model is not None and model.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        while any(len(returns) < each for returns in played):
            if model is None:
                actions = random.integers(games.action_space.n, size=games.num_envs)
            else:
                actions, _ = model.predict(observations, deterministic=False)
            observations, _, _, infos = games.step(actions)
            for returns, info in zip(played, infos, strict=True):
                if "episode" in info and len(returns) < each:
                    returns.append(info["episode"]["r"])
    np.random.set_state(numpy_state)
    return [value for returns in played for value in returns]


def _refuse_diverged(model: BaseAlgorithm) -> None:
    for name, weight in model.policy.named_parameters():
        if not torch.isfinite(weight).all():
            raise ValueError(
                f"learning diverged: {name} is no longer finite after {model.num_timesteps} steps"
            )


def count_arm_update(parameters: Parameters, seed: int, threads: int) -> dict[str, float]:
    twin_of = parameters.model_copy(update=_OF_TWINS.get(parameters.algorithm, {}))

    def twin() -> BaseAlgorithm:
        games = make_environments(
            parameters.environment, parameters.environments, seed, training=True, threads=threads
        )
        return make_model(twin_of, games, seed)

    return count_update(twin)
