"""Vectorised environments for Stable-Baselines3 that cost little compared with the learner.

`make_environments` makes them. Returns in `info["episode"]["r"]` are those of the game, also if the learner
gets clipped rewards.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from ale_py import ALEInterface, LoggerMode, roms
from ale_py.vector_env import AtariVectorEnv
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from minatar import Environment as MinAtarGame
from numpy.typing import NDArray
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvObs, VecEnvStepReturn

# Longest episode in steps, so that a policy that never ends a game has a return. ALE's usual limit is 108,000
# frames, which are 27,000 steps of four.
_LONGEST_EPISODE = 27_000


def make_environments(name: str, copies: int, seed: int, *, training: bool, threads: int) -> VecEnv:
    """Makes copies of an environment.

    Args:
        name: Suite and game, such as 'minatar/breakout', 'ale_ram/pong', 'ale/pong' or
            'gymnasium/CartPole-v1'.
        copies: Number of copies.
        seed: Seed of the first copy.
        training: Clip rewards of ALE to their sign and end an episode at a lost life, as usual in training.
        threads: Threads for emulation.
    """
    suite, game = name.split("/")
    if suite == "minatar":
        return GamesVecEnv([_MinAtar(game, seed * 1000 + copy) for copy in range(copies)])
    if suite == "ale_ram":
        return GamesVecEnv([_Ram(game, seed * 1000 + copy) for copy in range(copies)])
    if suite == "gymnasium":
        return make_vec_env(game, copies, seed)
    return AtariVecEnv(game, copies, seed, training=training, threads=threads)


class _Game(Protocol):
    """One copy of a game, with observations in the space `observations`."""

    observations: spaces.Box
    actions: int

    def reset(self) -> NDArray[Any]: ...

    def act(self, action: int) -> tuple[NDArray[Any], float, bool]: ...


class _MinAtar:
    """A game of Young and Tian 2019 with its minimal actions; observations are [channels, 10, 10] bits."""

    def __init__(self, game: str, seed: int) -> None:
        self._game = MinAtarGame(game)
        self._game.seed(seed)
        self._actions = self._game.minimal_action_set()
        height, width, channels = self._game.state_shape()
        self.observations = spaces.Box(0, 1, (channels, height, width), np.uint8)
        self.actions = len(self._actions)

    def reset(self) -> NDArray[Any]:
        self._game.reset()
        return self._look()

    def act(self, action: int) -> tuple[NDArray[Any], float, bool]:
        reward, over = self._game.act(self._actions[action])
        return self._look(), float(reward), bool(over)

    def _look(self) -> NDArray[Any]:
        return self._game.state().transpose(2, 0, 1)


class _Ram:
    """An Atari game observed through the 128 bytes of its memory, scaled to one; four frames per action."""

    _FRAMES = 4

    def __init__(self, game: str, seed: int) -> None:
        ALEInterface.setLoggerMode(LoggerMode.Error)
        self._ale = ALEInterface()
        self._ale.setInt("random_seed", seed)
        self._ale.setInt("frame_skip", self._FRAMES)
        self._ale.setFloat("repeat_action_probability", 0.0)
        self._ale.loadROM(roms.get_rom_path(game))
        self._actions = self._ale.getMinimalActionSet()
        self._random = np.random.default_rng(seed)
        self.observations = spaces.Box(0, 1, (128,), np.float32)
        self.actions = len(self._actions)

    def reset(self) -> NDArray[Any]:
        """Starts an episode with up to thirty frames without action, so that episodes differ."""
        self._ale.reset_game()
        for _ in range(int(self._random.integers(8))):
            self._ale.act(self._actions[0])
        return self._look()

    def act(self, action: int) -> tuple[NDArray[Any], float, bool]:
        reward = self._ale.act(self._actions[action])
        return self._look(), float(reward), bool(self._ale.game_over())

    def _look(self) -> NDArray[Any]:
        return self._ale.getRAM().astype(np.float32) / 255


class _Base(VecEnv):
    """Base of both environments: exposes no attributes of games, and sums returns by episode."""

    def __init__(self, copies: int, observations: spaces.Box, actions: int) -> None:
        super().__init__(copies, observations, spaces.Discrete(actions))
        self._returns = np.zeros(copies)
        self._lengths = np.zeros(copies, dtype=int)
        self._started_s = time.perf_counter()
        self._asked = np.zeros(copies, dtype=np.int64)

    def step_async(self, actions: NDArray[Any]) -> None:
        self._asked = actions

    def _count(self, rewards: NDArray[Any], over: NDArray[Any]) -> list[dict[str, Any]]:
        """Adds rewards to the returns; the infos of this step contain the returns of ended episodes."""
        self._returns += rewards
        self._lengths += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for copy in np.flatnonzero(over):
            infos[copy]["episode"] = {
                "r": float(self._returns[copy]),
                "l": int(self._lengths[copy]),
                "t": time.perf_counter() - self._started_s,
            }
            self._returns[copy] = 0
            self._lengths[copy] = 0
        return infos

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        if attr_name == "render_mode":
            return [None] * self.num_envs
        raise AttributeError(f"these environments have no attribute '{attr_name}'")

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise AttributeError(f"these environments have no attribute '{attr_name}'")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        raise AttributeError(f"these environments have no method '{method_name}'")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs

    def close(self) -> None:
        """Does nothing: all resources end with the process."""


class GamesVecEnv(_Base):
    """Steps games one after another in this process; a new episode starts when one has ended."""

    def __init__(self, games: Sequence[_Game]) -> None:
        super().__init__(len(games), games[0].observations, games[0].actions)
        self._games = games

    def reset(self) -> VecEnvObs:
        self._returns[:] = 0
        self._lengths[:] = 0
        return np.stack([game.reset() for game in self._games]).astype(self.observation_space.dtype)

    def step_wait(self) -> VecEnvStepReturn:
        seen = np.empty((self.num_envs, *self.observation_space.shape), self.observation_space.dtype)
        rewards = np.empty(self.num_envs, dtype=np.float32)
        over = np.empty(self.num_envs, dtype=bool)
        last: dict[int, tuple[NDArray[Any], bool]] = {}
        for copy, (game, action) in enumerate(zip(self._games, self._asked, strict=True)):
            seen[copy], rewards[copy], ended = game.act(int(action))
            cut = not ended and self._lengths[copy] + 1 >= _LONGEST_EPISODE
            over[copy] = ended or cut
            if over[copy]:
                last[copy] = seen[copy].copy(), cut
                seen[copy] = game.reset()
        infos = self._count(rewards, over)
        for copy, (observation, cut) in last.items():
            infos[copy] |= {"terminal_observation": observation, "TimeLimit.truncated": cut}
        return seen, rewards, over, infos


class AtariVecEnv(_Base):
    """The vector environment of ALE: in C++ threads it emulates, skips four frames, takes the maximum of two
    frames, and stacks four grey images of 84 x 84 pixels. It has no sticky actions.

    In training the learner gets the sign of rewards, and the end of an episode at each lost life while the
    game continues. Returns are unclipped, over whole games.
    """

    def __init__(self, game: str, copies: int, seed: int, *, training: bool, threads: int) -> None:
        self._games = AtariVectorEnv(
            game,
            copies,
            # One thread more than cores, because torch's threads keep their cores busy after their work.
            num_threads=min(threads + 1, copies),
            autoreset_mode=AutoresetMode.SAME_STEP,
            life_loss_info=training,
            # Rewards are clipped here and not in ALE, so that unclipped returns are known.
            reward_clipping=False,
        )
        self._clip = training
        self._first_seed: int | None = seed * 1000
        self._frames = np.zeros(copies, dtype=np.int64)
        super().__init__(copies, self._games.single_observation_space, int(self._games.single_action_space.n))

    def reset(self) -> VecEnvObs:
        observations, info = self._games.reset(seed=self._first_seed)
        self._first_seed = None
        self._frames = info["episode_frame_number"]
        self._returns[:] = 0
        self._lengths[:] = 0
        return observations

    def step_wait(self) -> VecEnvStepReturn:
        actions = np.ascontiguousarray(self._asked, dtype=np.int64)
        seen, rewards, terminated, truncated, details = self._games.step(actions)
        ended = terminated | truncated
        # A lost life ends a training episode, but only a new game resets the frame number.
        frames = details["episode_frame_number"]
        new_game = ended & (frames <= self._frames)
        self._frames = frames
        infos = self._count(rewards, new_game)
        for copy in np.flatnonzero(ended):
            infos[copy] |= {
                "terminal_observation": details["final_obs"][copy],
                "TimeLimit.truncated": bool(truncated[copy] and not terminated[copy]),
            }
        learned = np.sign(rewards) if self._clip else rewards
        return seen, learned.astype(np.float32), ended, infos
