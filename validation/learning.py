"""Returns of this repository's PPO, A2C and DQN, compared with published ones.

    python -m validation.learning [LENGTH] [MINATAR_STEPS] [SEEDS]

CartPole is learned for LENGTH times the published number of steps, with RL Zoo's hyperparameters: for PPO and
A2C as far as an arm of `rl_ranking` has them (learning rates are constant, networks and GAE are
Stable-Baselines3's defaults), for DQN with RL Zoo's network, updates and last exploration as well.
The games of MinAtar are learned for MINATAR_STEPS by the arms of `rl_ranking` (0: not at all; published runs
take 10,000,000). The paper on MinAtar (Young and Tian 2019) has figures and no table; published returns are
those of gymnax, a port of the games in which no action sticks and an episode ends after 1,000 steps; here the
previous action is repeated with a probability of .1, as in the paper's games. Policies are evaluated as
published: deterministic on CartPole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from experiments.rl_ranking.parameters import Parameters
from experiments.rl_ranking.workload import algorithm, make_model
from joules.study.design import load_design
from joules.workload.reinforcement.environments import make_environments
from joules.workload.reinforcement.learning import policy_options
from validation.arguments import parse_numbers

EPISODES = 30
# Adam's default, as in Stable-Baselines3's DQN.
_ADAM_EPSILON = 1e-8
_ZOO = "RL Zoo, benchmark.md, one run"
_GYMNAX = "gymnax, README"
# Seeds of the evaluation are far from those of training.
_EVALUATION_SEED = 5000

_CARTPOLE: dict[str, Any] = {
    "game": "CartPole",
    "environment": "gymnasium/CartPole-v1",
    "network": "mlp",
    "evaluations": 0,
    "evaluation_episodes": EPISODES,
    "yardstick_return": 500,
}
# Steps of the published runs and their hyperparameters.
CARTPOLE: dict[str, dict[str, Any]] = {
    "ppo": {
        "steps": 100_000,
        "environments": 8,
        "rollout_steps": 32,
        "minibatch_size": 256,
        "epochs": 20,
        "clip_range": 0.2,
        "learning_rate": 1e-3,
        "entropy_coef": 0.0,
        "gamma": 0.98,
    },
    "a2c": {
        "steps": 500_000,
        "environments": 8,
        "rollout_steps": 5,
        "learning_rate": 7e-4,
        "entropy_coef": 0.0,
    },
    "dqn": {
        "steps": 50_000,
        "environments": 1,
        "buffer_size": 100_000,
        "learning_starts": 1000,
        "train_every": 2,
        "target_every": 10,
        "minibatch_size": 64,
        "exploration_fraction": 0.16,
        "learning_rate": 2.3e-3,
    },
}
# Units of each hidden layer of RL Zoo's DQN, the steps after which it updates once for every two of them, and
# the share of random actions at the end.
_DQN_UNITS, _DQN_STEPS, _DQN_LAST_EXPLORATION = 256, 256, 0.04
_MINATAR_STEPS = 10_000_000


@dataclass(frozen=True)
class Published:
    """A published return, the environment steps of its training, and its source."""

    mean: float
    steps: int
    source: str


PUBLISHED = {
    ("CartPole", "ppo"): Published(500, 100_000, _ZOO),
    ("CartPole", "a2c"): Published(500, 500_000, _ZOO),
    ("CartPole", "dqn"): Published(500, 50_000, _ZOO),
    ("MinAtar Breakout", "ppo"): Published(28, _MINATAR_STEPS, _GYMNAX),
    ("MinAtar Space Invaders", "ppo"): Published(131, _MINATAR_STEPS, _GYMNAX),
}


def list_trainings(length: float, minatar_steps: int) -> list[Parameters]:
    """Parameters of all trainings: CartPole first, then the games of MinAtar if they have steps."""
    chosen = [
        {**_CARTPOLE, **given, "algorithm": algorithm, "length": length}
        for algorithm, given in CARTPOLE.items()
    ]
    if minatar_steps:
        arms: dict[str, Any] = load_design("rl_ranking").runs("standard")
        chosen += [
            {**arms[f"minatar_{game}_{algorithm}"], "steps": minatar_steps, "length": 1.0}
            for game in ("breakout", "space_invaders")
            for algorithm in CARTPOLE
        ]
    return [Parameters.model_validate(each) for each in chosen]


def make_learner(parameters: Parameters, games: VecEnv, seed: int) -> BaseAlgorithm:
    """Makes the learner of `rl_ranking`; DQN in CartPole has the network and updates of RL Zoo."""
    if (parameters.game, parameters.algorithm) != ("CartPole", "dqn"):
        return make_model(parameters, games, seed)
    policy = policy_options(parameters.network, _ADAM_EPSILON) | {"net_arch": [_DQN_UNITS, _DQN_UNITS]}
    model = algorithm(parameters, games, seed, policy)
    assert isinstance(model, DQN)
    assert parameters.train_every
    model.train_freq = TrainFreq(_DQN_STEPS, TrainFrequencyUnit.STEP)
    model.gradient_steps = _DQN_STEPS // parameters.train_every
    model.exploration_schedule = LinearSchedule(
        model.exploration_initial_eps, _DQN_LAST_EXPLORATION, model.exploration_fraction
    )
    return model


def learn(parameters: Parameters, seed: int) -> float:
    """Trains and returns the mean return of the last policy over `EPISODES` episodes."""
    threads = torch.get_num_threads()
    games, evaluation = (
        make_environments(parameters.environment, copies, each, training=is_training, threads=threads)
        for copies, each, is_training in (
            (parameters.environments, seed, True),
            (10, seed + _EVALUATION_SEED, False),
        )
    )
    model = make_learner(parameters, games, seed)
    model.learn(parameters.total_steps)
    is_deterministic = parameters.game == "CartPole"
    mean, _ = evaluate_policy(model, evaluation, EPISODES, deterministic=is_deterministic, warn=False)
    return float(np.mean(mean))


def main() -> None:
    """Prints a row for each game and algorithm."""
    given = parse_numbers(__doc__, length=1.0, minatar_steps=200_000, seeds=3)
    print(f"{'game':24}{'algorithm':11}{'steps':>9}{'return':>9}{'least':>8}{'most':>8}   published")
    for parameters in list_trainings(given.length, given.minatar_steps):
        returns = [learn(parameters, seed) for seed in range(given.seeds)]
        known = PUBLISHED.get((parameters.game, parameters.algorithm))
        words = f"{known.mean:g} at {known.steps:,} steps ({known.source})" if known else "none found"
        print(
            f"{parameters.game:24}{parameters.algorithm:11}{parameters.total_steps:9,}"
            f"{np.mean(returns):9.1f}{min(returns):8.1f}{max(returns):8.1f}   {words}",
            flush=True,
        )


if __name__ == "__main__":
    main()
