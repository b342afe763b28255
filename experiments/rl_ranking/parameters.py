"""Parameters of an arm of this experiment, validated before measuring."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from joules.models import Closed

Algorithm = Literal["a2c", "a2c_vtrace", "ppo", "dqn"]
Network = Literal["minatar", "nature", "separable", "mlp"]
ON_PIXELS = ("nature", "separable")
Environment = Literal[
    "minatar/breakout",
    "minatar/space_invaders",
    "ale_ram/pong",
    "ale_ram/breakout",
    "ale/pong",
    "ale/breakout",
    "gymnasium/CartPole-v1",
]

_NEEDED: dict[str, set[str]] = {
    "a2c": {"rollout_steps", "entropy_coef"},
    "a2c_vtrace": {"rollout_steps", "entropy_coef", "lag"},
    "ppo": {"rollout_steps", "entropy_coef", "minibatch_size", "epochs", "clip_range"},
    "dqn": {
        "buffer_size",
        "learning_starts",
        "train_every",
        "target_every",
        "minibatch_size",
        "exploration_fraction",
    },
}


class Parameters(Closed):
    """An algorithm with its hyperparameters, in an environment, for a number of environment steps.

    A run takes `steps` x `length` steps over `environments` copies; `length` belongs to the scale. The steps
    are divided into `evaluations` equal parts; after each part the policy plays `evaluation_episodes`
    episodes, which are not part of the metered training. `yardstick_return` is the return with a score of one
    (the random policy's return has score zero). Fields that an algorithm does not use are None.
    """

    algorithm: Algorithm
    environment: Environment
    network: Network
    game: str
    steps: PositiveInt
    length: PositiveFloat
    environments: PositiveInt
    evaluations: NonNegativeInt
    evaluation_episodes: PositiveInt
    yardstick_return: float
    learning_rate: PositiveFloat
    gamma: PositiveFloat = 0.99
    rollout_steps: PositiveInt | None = None
    entropy_coef: NonNegativeFloat | None = None
    lag: NonNegativeInt | None = None
    minibatch_size: PositiveInt | None = None
    epochs: PositiveInt | None = None
    clip_range: PositiveFloat | None = None
    buffer_size: PositiveInt | None = None
    learning_starts: NonNegativeInt | None = None
    train_every: PositiveInt | None = None
    target_every: PositiveInt | None = None
    exploration_fraction: PositiveFloat | None = None

    @model_validator(mode="after")
    def _what_the_algorithm_takes(self) -> Parameters:
        optional = set().union(*_NEEDED.values())
        given = {name for name in optional if getattr(self, name) is not None}
        needed = _NEEDED[self.algorithm]
        if given != needed:
            missing, foreign = sorted(needed - given), sorted(given - needed)
            raise ValueError(
                f"{self.algorithm} needs {', '.join(sorted(needed))}"
                + (f"; missing: {', '.join(missing)}" if missing else "")
                + (f"; not taken: {', '.join(foreign)}" if foreign else "")
            )
        return self

    @property
    def total_steps(self) -> int:
        """Environment steps of the whole run."""
        return round(self.steps * self.length)
