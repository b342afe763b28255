"""Parameters of an arm of this experiment, validated before measuring."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from experiments.language_models.corpus import check_text
from joules.models import Closed

Share = Annotated[float, Field(gt=0, le=1)]
Entry = Literal[
    "kneser_ney",
    "device_tables",
    "context_mixing",
    "nanogpt",
    "modern",
    "lwta",
    "state_space",
    "token_network",
    "mixture",
    "interpolation",
    "chunker",
    "chunker_unrouted",
]

# Parameters that an entry needs in addition to the common ones.
_NEEDED: dict[str, tuple[str, ...]] = {
    "kneser_ney": ("order",),
    "device_tables": ("order",),
    "context_mixing": ("order", "table_share"),
    "nanogpt": ("iterations", "learning_rate"),
    "modern": ("iterations", "learning_rate", "optimizer"),
    "lwta": ("iterations", "learning_rate", "optimizer", "group_size"),
    "state_space": ("iterations", "learning_rate", "states"),
    "token_network": ("iterations", "learning_rate", "optimizer", "vocabulary"),
    "mixture": ("order", "table_share", "iterations", "learning_rate"),
    "interpolation": ("order", "iterations", "learning_rate", "optimizer", "network_share"),
    "chunker": ("order", "table_share", "iterations", "learning_rate", "uncertain_bits"),
    "chunker_unrouted": (
        "order",
        "table_share",
        "iterations",
        "learning_rate",
        "uncertain_bits",
        "network_share",
    ),
}


class Parameters(Closed):
    """A character model trained from nothing on the leading `share` of the training text.

    Tables have contexts of up to `order` - 1 symbols, and contexts of the lengths `longer` (separated by
    spaces), and discount n-grams by three numbers, for one, two and more counts, or by one. If another
    model learns on top of them, tables count only the leading `table_share` of the text. Networks see
    `window` symbols, use `batch` windows per iteration, and train for `length` times their `iterations`.
    Hidden units compete in groups of `group_size`; each channel of a state-space network has `states`; a
    `vocabulary` of tokens is learnt; `network_share` is the weight of a network's probabilities where they
    are averaged with those of tables.
    Training is repeated until the metered window is `least_s` long; it is run once if checkpoints are
    kept. Models are scored on `stretches` stretches of each of the two held-out texts; models at
    `checkpoints` instants during training are scored on `checkpoint_stretches` stretches of the
    validation text. `text` names a file to learn instead of the plays.
    """

    entry: Entry
    share: Share = 1.0
    order: PositiveInt | None = None
    discounts: Literal[1, 3] = 3
    longer: Annotated[str, Field(pattern=r"^(\d+( \d+)*)?$")] = ""
    table_share: Share | None = None
    uncertain_bits: PositiveFloat | None = None
    network_share: Share | None = None
    group_size: PositiveInt | None = None
    states: PositiveInt | None = None
    vocabulary: Annotated[int, Field(ge=256, lt=2**16)] | None = None
    layers: PositiveInt = 4
    heads: PositiveInt = 4
    width: PositiveInt = 128
    window: PositiveInt = 64
    batch: PositiveInt = 12
    iterations: PositiveInt | None = None
    length: PositiveFloat = 1.0
    optimizer: Literal["adamw", "muon"] | None = None
    learning_rate: PositiveFloat | None = None
    matrix_learning_rate: PositiveFloat | None = None
    least_s: PositiveFloat
    stretches: PositiveInt
    checkpoints: NonNegativeInt
    checkpoint_stretches: PositiveInt
    text: Annotated[str, AfterValidator(check_text)] = ""

    @property
    def is_watched(self) -> bool:
        """Whether checkpoints are kept: for networks with a long training."""
        return self.entry in ("nanogpt", "modern", "lwta", "state_space", "mixture", "interpolation")

    @property
    def steps(self) -> int:
        """Number of iterations for which a network trains."""
        return max(1, round(self.length * (self.iterations or 1)))

    @property
    def lengths(self) -> list[int]:
        """Context lengths of the tables, shortest first."""
        return [*range(self.order or 1), *map(int, self.longer.split())]

    @model_validator(mode="after")
    def _is_complete(self) -> Parameters:
        missing = [name for name in _NEEDED[self.entry] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{self.entry} needs {', '.join(missing)}")
        if self.optimizer == "muon" and self.matrix_learning_rate is None:
            raise ValueError("muon needs matrix_learning_rate")
        if self.group_size is not None and 4 * self.width % self.group_size:
            raise ValueError(f"group_size {self.group_size} does not divide the hidden units")
        if self.lengths != sorted(set(self.lengths)):
            raise ValueError("longer: lengths rise, and lie above those that order gives")
        return self
