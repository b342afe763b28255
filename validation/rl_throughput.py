"""Steps per second of environment and learner, compared with Stable-Baselines3.

    python -m validation.rl_throughput [SECONDS] [ROUNDS]

The baseline has the hyperparameters of the arm: on Pong from pixels `make_atari_env`, `VecFrameStack` and
`CnnPolicy`, on MinAtar its environment for Gymnasium, `make_vec_env` and the network of Young and Tian. It is
compared with the arm as the experiment runs it: same network, copies, rollouts and batches. Rounds alternate
between the two, in the environment of a child of the bench; the ratio is the median over rounds.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from typing import Any, cast

import ale_py
import gymnasium
import torch
from gymnasium import spaces
from minatar.gym import BaseEnv as MinAtarEnv
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_atari_env, make_vec_env
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecFrameStack
from torch import Tensor, nn

from experiments.rl_ranking.parameters import Parameters
from experiments.rl_ranking.workload import algorithm, make_model
from joules.study.design import load_design
from joules.workload.reinforcement.environments import make_environments
from validation.arguments import parse_numbers, use_environment_of_a_run

ARMS = tuple(
    f"{game}_{algorithm}"
    for game in ("minatar_breakout", "minatar_space_invaders", "pong_pixels")
    for algorithm in ("a2c", "ppo", "dqn")
)
_NEVER = 10**9


class _YoungAndTian(BaseFeaturesExtractor):
    """One 3x3 convolution of 16 channels and 128 units, as a user of Stable-Baselines3 writes them."""

    def __init__(self, space: spaces.Box) -> None:
        super().__init__(space, 128)
        height, width, channels = space.shape
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 16, 3),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * (height - 2) * (width - 2), 128),
            nn.ReLU(),
        )

    def forward(self, observations: Tensor) -> Tensor:
        return cast(Tensor, self.layers(observations.permute(0, 3, 1, 2)))


class _Stopwatch(BaseCallback):
    def __init__(self, least_s: float) -> None:
        super().__init__()
        self._least_s = least_s
        self.steps_per_s = 0.0

    def _on_training_start(self) -> None:
        self._start_s = time.perf_counter()

    def _on_step(self) -> bool:
        spent_s = time.perf_counter() - self._start_s
        self.steps_per_s = self.num_timesteps / spent_s
        return True

    def _on_rollout_start(self) -> None:
        # Count whole updates only: a rollout without its learning step would be too fast.
        if self.num_timesteps and time.perf_counter() - self._start_s > self._least_s:
            self.steps_per_s = self.num_timesteps / (time.perf_counter() - self._start_s)
            raise _Enough


class _Enough(Exception):
    pass


def rate(model: BaseAlgorithm, least_s: float) -> float:
    """Steps a second over whole updates of at least `least_s` seconds."""
    stopwatch = _Stopwatch(least_s)
    with contextlib.suppress(_Enough):
        model.learn(_NEVER, callback=stopwatch)
    return stopwatch.steps_per_s


def ours(parameters: Parameters, seed: int) -> BaseAlgorithm:
    threads = torch.get_num_threads()
    games = make_environments(
        parameters.environment, parameters.environments, seed, training=True, threads=threads
    )
    return make_model(parameters, games, seed)


def stock(parameters: Parameters, seed: int) -> BaseAlgorithm:
    suite, _, game = parameters.environment.partition("/")
    if suite == "minatar":
        made = {"game": game, "use_minimal_action_set": True}
        games = make_vec_env(MinAtarEnv, parameters.environments, seed, env_kwargs=made)
        return algorithm(parameters, games, seed, {"features_extractor_class": _YoungAndTian, "net_arch": []})
    gymnasium.register_envs(ale_py)
    games = VecFrameStack(make_atari_env("PongNoFrameskip-v4", parameters.environments, seed), 4)
    return algorithm(parameters, games, seed)


def main(least_s: float, rounds: int) -> None:
    runs: dict[str, Any] = load_design("rl_ranking").runs("standard")
    for arm in ARMS:
        parameters = Parameters.model_validate(runs[arm])
        pairs = [
            (rate(stock(parameters, seed), least_s), rate(ours(parameters, seed), least_s))
            for seed in range(rounds)
        ]
        ratios = [own / theirs for theirs, own in pairs]
        print(
            f"{arm}: stock {statistics.median(p[0] for p in pairs):.0f}, "
            f"ours {statistics.median(p[1] for p in pairs):.0f} steps/s, "
            f"x{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}] over {rounds} rounds",
            flush=True,
        )


if __name__ == "__main__":
    given = parse_numbers(__doc__, seconds=10.0, rounds=3)
    use_environment_of_a_run("validation.rl_throughput")
    main(given.seconds, given.rounds)
