"""CodeCarbon's model of processor and memory power, for machines without counters.

Processor power is TDP x (0.1 + 0.9 load^3) with the load of the whole machine since the previous read; memory
power is a constant by the number of modules guessed from its size. These are the rules of CodeCarbon 3.3
(`external/hardware.py`, `external/ram.py`, `core/cpu.py`), computed by `joules.power` so that a meter starts
in milliseconds and without pandas; its table of processors is read from the installed package, and tests hold
every rule against CodeCarbon's own code. Because the model is not linear in load, its energy depends on the
interval between reads; ours is fixed below, and the meter reads at both ends of every window.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from joules.instrument import codecarbon_data
from joules.instrument.attribution import JobModel
from joules.instrument.host.limits import installed_memory_bytes
from joules.instrument.host.load import LoadMeter
from joules.instrument.host.machine import processor_name
from joules.instrument.source import Channel, Host, Notice, Source
from joules.power.memory import Kind, codecarbon_memory_range_w, codecarbon_memory_w
from joules.power.models import UNKNOWN_MACHINE_W, UNKNOWN_PROCESSOR_W_PER_THREAD, codecarbon_processors_w

TdpOrigin = Literal["exact", "fuzzy", "per thread", "constant"]

GIB = 1024**3
_RULES_OF = "3.3"

TDP_ADVICE: dict[TdpOrigin, str] = {
    "exact": "found in CodeCarbon's table under this name",
    "fuzzy": "the nearest entry of CodeCarbon's table: check that it is your processor",
    "per thread": "NOT in CodeCarbon's table: a constant per logical core is used, so absolute energies may "
    "be wrong by a factor of several, and so may ratios of work on unequal numbers of cores",
    "constant": "NOT known, nor is the processor: one constant is used for any machine, so absolute energies "
    "are meaningless",
}


@dataclass(frozen=True)
class Tdp:
    """Thermal design power in watts of the processor called `model`, and how CodeCarbon found it.

    'exact' and 'fuzzy' are entries of its table; 'per thread' multiplies the logical cores of an unknown
    processor by a constant; 'constant' is one number for any machine.
    """

    model: str
    power_w: float
    origin: TdpOrigin


class CodeCarbonModel(Source):
    """Modelled processor ('cpu') and memory ('dram') power of the whole machine, as mean watts."""

    # CodeCarbon's own monitor takes one load sample a second.
    period_s = 1.0

    def __init__(self) -> None:
        self.tdp = processor_tdp()
        installed_gib = installed_memory_gib()
        self.memory_w = codecarbon_memory_w(installed_gib, memory_kind())
        self._load = LoadMeter()
        name = f"CodeCarbon {codecarbon_data.version() or _RULES_OF}"
        self._cpu_channel = Channel(
            domain="cpu",
            source="codecarbon-cpu",
            provenance="modelled",
            form="mean_w",
            detail=f"{name}: load model on a TDP of {self.tdp.power_w:g} W ({self.tdp.origin}) for "
            f"{self.tdp.model}",
            range_w=(0.1 * self.tdp.power_w, self.tdp.power_w),
            tdp_w=self.tdp.power_w,
            tdp_origin=self.tdp.origin,
        )
        self._ram_channel = Channel(
            domain="dram",
            source="codecarbon-ram",
            provenance="modelled",
            form="mean_w",
            detail=f"{name}: constant {self.memory_w:g} W for {installed_gib:.0f} GiB",
            range_w=codecarbon_memory_range_w(installed_gib, memory_kind()),
        )

    def notices(self) -> Sequence[Notice]:
        """How far the TDP may be trusted, which energies rest on where this model is read alone."""
        says = f"TDP {self.tdp.power_w:g} W for {self.tdp.model}: {tdp_words(self.tdp)}"
        return (Notice("cpu", says, "info"),)

    @property
    def channels(self) -> tuple[Channel, ...]:
        return (self._cpu_channel, self._ram_channel)

    def read(self) -> Mapping[Channel, float]:
        return {self._cpu_channel: self.processor_w(self._load.read()), self._ram_channel: self.memory_w}

    def processor_w(self, load: float) -> float:
        """What CodeCarbon's model gives for the processor at `load` (0 to 1) of the whole machine."""
        return float(codecarbon_processors_w(self.tdp.power_w, load))


def open_sources(host: Host) -> Sequence[Source]:
    """The model of the whole machine; where the load curve of servers does not stand first, the same model at
    the job's own load too."""
    model = CodeCarbonModel()
    return (model, JobModel(model.processor_w, model.memory_w, host.job)) if "cpu" in host.read else (model,)


def installed_memory_gib() -> float:
    """Memory of this machine in GiB."""
    return installed_memory_bytes() / GIB


def memory_kind() -> Kind:
    """The kind of memory that CodeCarbon takes this machine to have."""
    return "arm" if any(name in platform.machine().lower() for name in ("arm", "aarch")) else "x86"


# Comparing a name with the thousands of the table takes as long as all else that a meter does to start.
@functools.cache
def processor_tdp(model: str | None = None) -> Tdp:
    """What CodeCarbon would take for the TDP of `model`, by default of this machine's processor."""
    model = processor_name() if model is None else model
    if not model:
        return Tdp("Unknown", UNKNOWN_MACHINE_W, "constant")
    table = tdp_table()
    for name in (model, _plain(model)):
        if name.lower() in table:
            origin: TdpOrigin = "exact" if name == model else "fuzzy"
            return Tdp(model, table[name.lower()], origin)
    entry = _only_entry_of_same_words(_plain(model), table)
    if entry is not None:
        return Tdp(model, table[entry], "fuzzy")
    return Tdp(model, UNKNOWN_PROCESSOR_W_PER_THREAD * (os.cpu_count() or 1), "per thread")


def tdp_words(tdp: Tdp) -> str:
    """How reliable a TDP is, in words."""
    if tdp.origin == "per thread" and not tdp_table():
        return (
            "NOT known, since CodeCarbon and its table are not installed: a constant per logical core is "
            "used; install codecarbon"
        )
    return TDP_ADVICE[tdp.origin]


@functools.cache
def tdp_table() -> dict[str, float]:
    """TDP in watts by the name of a processor in lower case; empty where CodeCarbon is not installed."""
    content = codecarbon_data.read_bytes("data/hardware/cpu_power.csv") or b""
    table: dict[str, float] = {}
    rows = csv.reader(content.decode("utf-8").splitlines())
    head = next(rows, [])
    name, tdp = (head.index(column) for column in ("Name", "TDP")) if head else (0, 0)
    for row in rows:
        # Some entries of the table are not numbers. If a name occurs twice, CodeCarbon takes the first.
        with contextlib.suppress(ValueError):
            table.setdefault(row[name].lower(), float(row[tdp]))
    return table


def _plain(model: str) -> str:
    """A processor's name without what vendors add to it."""
    name = model.replace("(R)", "")
    name = name.partition(" CPU @ ")[0] if " CPU @ " in name[1:] else name
    return re.sub(r" @\s*\d+\.\d+GHz", "", name.replace(" CPU", ""))


_WORD = re.compile(r"[^\W_]+")


def _only_entry_of_same_words(model: str, table: Mapping[str, float]) -> str | None:
    """The entry whose words are all in the name, or that has all of the name's words; None where several do.

    That is when `token_set_ratio` of rapidfuzz, by which CodeCarbon compares, is at its maximum.
    """
    words = _words(model)
    longest, ends = max(words, key=len, default=""), tuple(words)
    # An entry that has neither the longest word nor an end of the name's is not split into words: a meter
    # that starts would spend a tenth of its time on that.
    near = (entry for entry in table if longest in entry or entry.endswith(ends) or not entry[-1:].isalnum())
    same = [entry for entry in near if _contained(words, _words(entry))]
    return same[0] if len(same) == 1 else None


def _contained(some: set[str], others: set[str]) -> bool:
    return bool(some and others) and (some <= others or others <= some)


def _words(name: str) -> set[str]:
    return set(_WORD.findall(name.lower()))
