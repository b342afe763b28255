"""Time and energy of work from its operators and the limits of the machine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Forms of the prediction: operations at the peak rate alone, then rooflines.
FORMS = ("flops", "whole", "whole_launches", "per_operator", "per_operator_launches")


@dataclass(frozen=True)
class Limits:
    """What a machine does at most (operations a second, bytes a second, seconds a launch), and its power
    then."""

    flops_per_s: float
    bytes_per_s: float
    launch_s: float
    arithmetic_w: float = math.nan
    memory_w: float = math.nan
    launch_w: float = math.nan


@dataclass(frozen=True)
class Operator:
    """Floating-point operations (a multiply-add is two) and bytes read and written of one call."""

    flops: float
    bytes_moved: float


@dataclass(frozen=True)
class Prediction:
    """Seconds at each limit."""

    arithmetic_s: float = 0.0
    memory_s: float = 0.0
    launch_s: float = 0.0

    @property
    def time_s(self) -> float:
        """Seconds of the work."""
        return self.arithmetic_s + self.memory_s + self.launch_s

    def energy_j(self, limits: Limits) -> float:
        """Joules of the work: the seconds at each limit times the power there."""
        parts = (
            (self.arithmetic_s, limits.arithmetic_w),
            (self.memory_s, limits.memory_w),
            (self.launch_s, limits.launch_w),
        )
        return sum(seconds * watts for seconds, watts in parts if seconds)


def predict(operators: Sequence[Operator], limits: Limits) -> dict[str, Prediction]:
    """A prediction by every form of `FORMS`."""
    together = Operator(sum(one.flops for one in operators), sum(one.bytes_moved for one in operators))
    launches_s = len(operators) * limits.launch_s
    whole = _bound([together], limits)
    apart = _bound(operators, limits)
    return {
        "flops": Prediction(arithmetic_s=together.flops / limits.flops_per_s),
        "whole": whole,
        "whole_launches": Prediction(whole.arithmetic_s, whole.memory_s, launches_s),
        "per_operator": apart,
        "per_operator_launches": Prediction(apart.arithmetic_s, apart.memory_s, launches_s),
    }


def _bound(operators: Sequence[Operator], limits: Limits) -> Prediction:
    arithmetic_s = memory_s = 0.0
    for one in operators:
        computing_s, moving_s = one.flops / limits.flops_per_s, one.bytes_moved / limits.bytes_per_s
        if computing_s >= moving_s:
            arithmetic_s += computing_s
        else:
            memory_s += moving_s
    return Prediction(arithmetic_s, memory_s)


def prediction_cells(predictions: Mapping[str, Prediction], limits: Limits) -> dict[str, float]:
    """`<form>_s` and `<form>_j` of every form, as cells of a row."""
    cells = {f"{form}_s": one.time_s for form, one in predictions.items()}
    return cells | {f"{form}_j": one.energy_j(limits) for form, one in predictions.items()}
