"""What is known of a window and its machine when its power is modelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joules.power.servers import ServerPower

PROCESSORS, MEMORY = "cpu", "dram"
DOMAINS = frozenset({PROCESSORS, MEMORY})

# A number, or an array of one for each of many windows.
Quantity = float | NDArray[np.float64]
# Mean power in watts by domain.
Power = dict[str, Quantity]


class NotCovered(Exception):
    """A model says nothing of this machine; the message says why."""


@dataclass(frozen=True)
class Use:
    """What is known of a window and its machine.

    `busy_cores` are logical processors that worked, on average over the window; `threads` those there are.
    `tdp_w` and `memory_w` are the thermal design power and the power of memory that CodeCarbon takes this
    machine to have; `servers` are published ones with a processor of the same generation. None: not known.
    Of many windows of one machine, `busy_cores` and `memory_w` are arrays.
    """

    busy_cores: Quantity
    threads: int
    memory_gib: float
    tdp_w: float | None = None
    memory_w: Quantity | None = None
    servers: ServerPower | None = None

    @property
    def load(self) -> Quantity:
        """Share of the processors that worked, 0 to 1."""
        return np.clip(self.busy_cores / self.threads, 0.0, 1.0)
