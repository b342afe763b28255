"""CodeCarbon's model of CPU and RAM power, for machines that measure neither.

CPU power is TDP x (0.1 + 0.9 load^3) with load the machine's CPU use since the previous read; RAM
power is a constant by the number of memory modules guessed from its size. Both come from CodeCarbon
itself, version pinned in `envs/`. Because the model is not linear in load, its energy depends on the
interval between reads; ours is fixed below, and the meter reads at both ends of every window.
"""

from __future__ import annotations

import importlib.metadata
import logging
import math
from collections.abc import Mapping
from typing import Literal

import psutil

from experiments.energy.source import Channel, SourceError

TdpOrigin = Literal["exact", "fuzzy", "per thread", "constant"]

GIB = 1024**3

TDP_ADVICE: dict[TdpOrigin, str] = {
    "exact": "found in CodeCarbon's table under this very name",
    "fuzzy": "the nearest entry of CodeCarbon's table: check that it is your processor",
    "per thread": "NOT in CodeCarbon's table: a constant per logical core stands in, so absolute energies "
    "may be wrong several times over; ratios on this machine are not affected",
    "constant": "NOT known, nor is the processor: one constant stands in for any machine, so absolute "
    "energies mean nothing",
}


class CodeCarbonModel:
    """Modelled CPU ('cpu') and RAM ('dram') power of the whole machine, as mean watts.

    Raises SourceError where CodeCarbon or what it needs is not installed.
    """

    # CodeCarbon's own monitor takes one load sample a second.
    period_s = 1.0

    def __init__(self) -> None:
        try:
            version = importlib.metadata.version("codecarbon")
            from codecarbon.external.hardware import CPU, MODE_CPU_LOAD
            from codecarbon.external.ram import RAM
        except ImportError as fault:
            missing = fault.name or "codecarbon"
            raise SourceError(
                f"CodeCarbon cannot be imported, {missing} is not installed: install the pinned packages of "
                "envs/"
            ) from None
        # Its warnings go to the terminal on every start; the record carries the same facts.
        logging.getLogger("codecarbon").setLevel(logging.ERROR)
        model, tdp_w, origin = processor_tdp()
        self._cpu = CPU.from_utils(output_dir="", mode=MODE_CPU_LOAD, model=model, tdp=tdp_w)
        self._cpu.start()
        ram_w = RAM(tracking_mode="machine").total_power().W
        installed_gib = psutil.virtual_memory().total / GIB
        self.memory_w = float(ram_w)
        self.tdp_w, self.tdp_origin = float(tdp_w), origin
        self._cpu_channel = Channel(
            domain="cpu",
            source="codecarbon-cpu",
            provenance="modelled",
            form="mean_w",
            detail=f"CodeCarbon {version}: load model on a TDP of {tdp_w:g} W ({origin}) for {model}",
            range_w=(0.1 * tdp_w, float(tdp_w)),
        )
        self._ram_channel = Channel(
            domain="dram",
            source="codecarbon-ram",
            provenance="modelled",
            form="mean_w",
            detail=f"CodeCarbon {version}: constant {ram_w:g} W for {installed_gib:.0f} GiB",
            range_w=_ram_range_w(installed_gib, self.memory_w),
        )

    @property
    def warning(self) -> str | None:
        """What a user must be told of the TDP, None where it was found."""
        advice = TDP_ADVICE[self.tdp_origin]
        return f"the processor's TDP is {advice}" if self.tdp_origin in ("per thread", "constant") else None

    @property
    def channels(self) -> tuple[Channel, ...]:
        return (self._cpu_channel, self._ram_channel)

    def read(self) -> Mapping[Channel, float]:
        power_w = float(self._cpu.total_power().W)
        if not math.isfinite(power_w):
            raise SourceError(f"CodeCarbon returned {power_w} W for the CPU")
        return {self._cpu_channel: power_w, self._ram_channel: self.memory_w}

    def processor_w(self, load: float) -> float:
        """What CodeCarbon's model gives for the processor at `load` (0 to 1) of the whole machine."""
        return self.tdp_w * (0.1 + 0.9 * load**3)

    def close(self) -> None:
        """Nothing is held open."""


def processor_tdp() -> tuple[str, float, TdpOrigin]:
    """(processor, TDP in watts, how CodeCarbon came by it).

    'exact' and 'fuzzy' are entries of its table; 'per thread' multiplies the logical cores of an
    unknown processor by a constant; 'constant' is one number for any machine.
    """
    from codecarbon.core.cpu import TDP
    from codecarbon.external.hardware import POWER_CONSTANT
    from codecarbon.input import DataSource

    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    found = TDP()
    model = str(found.model)
    if found.tdp is None:
        return model, float(POWER_CONSTANT), "constant"
    table = DataSource().get_cpu_power_data()
    if model.lower() in set(table["Name"].str.lower()):
        return model, float(found.tdp), "exact"
    known = found._get_matching_cpu(model, table)
    return model, float(found.tdp), "fuzzy" if known else "per thread"


def _ram_range_w(installed_gib: float, model_w: float) -> tuple[float, float]:
    """The two published rules of thumb span the range: CodeCarbon's own before version 3 (3 W for
    every 8 GiB) and the one it uses now."""
    older_w = 3 / 8 * installed_gib
    return min(older_w, model_w), max(older_w, model_w)
