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
    machine to have; `rated_tdp_w` is the first where it is that of the processor's entry in a table and the
    machine has the processor to itself. `servers` are the wall-metered ones that stand for it (see
    `choose_servers`). None: not known. `is_part` of a machine that has part of a host. Of many windows of one
    machine, `busy_cores` is an array.
    """

    busy_cores: Quantity
    threads: int
    memory_gib: float
    tdp_w: float | None = None
    memory_w: Quantity | None = None
    rated_tdp_w: float | None = None
    servers: ServerPower | None = None
    is_part: bool = False

    @property
    def load(self) -> Quantity:
        """Share of the processors that worked, 0 to 1."""
        return np.clip(self.busy_cores / self.threads, 0.0, 1.0)
