"""Power models of a machine without a counter: published rules, as pure functions.

A model is a pure function from what is known of a window (`Use`), or of many windows at once, to the mean
power of the processors and of the memory over it; joules are that times the duration. None of them is the
truth. What all of them agree on does not depend on which one is believed.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from joules.power import memory
from joules.power.servers import ServerPower
from joules.power.use import DOMAINS, MEMORY, PROCESSORS, NotCovered, Power, Quantity, Use

_TABLE = Path(__file__).parent / "reference" / "cloud_carbon_footprint_w.csv"
_ANY_OTHER = "any other"

# CodeCarbon's watts a logical core of an unknown processor, and watts where even that is unknown.
UNKNOWN_PROCESSOR_W_PER_THREAD = 4.0
UNKNOWN_MACHINE_W = 85.0
# Fans, disks and boards of a server draw power no source sees; a metered GPU implies a server.
SERVER_FLOOR_W = 50.0
# Shares of the thermal design power that a processor draws by its load.
_BOAVIZTA_LOADS, _BOAVIZTA_SHARES = (0.0, 0.1, 0.5, 1.0), (0.12, 0.32, 0.75, 1.02)
# What CodeCarbon takes for the load of a processor whose load it cannot read.
_CONSTANT_LOAD = 0.5

Known = TypeVar("Known")


@dataclass(frozen=True)
class PowerModel:
    """A model, the words that a figure has for it, and who published it. Of a model that is not `divisible`
    the parts of the power mean nothing by themselves."""

    power_w: Callable[[Use], Power]
    words: str
    source: str
    divisible: bool = True


def codecarbon_processors_w(tdp_w: float, load: Quantity) -> Quantity:
    """Watts of processors with a thermal design power at a load (0 to 1): `TDP (.1 + .9 load^3)`, CodeCarbon
    3.3, `external/hardware.py`."""
    return tdp_w * (0.1 + 0.9 * load**3)


def codecarbon(use: Use) -> Power:
    """`TDP (.1 + .9 load^3)`, and a constant for memory by the modules that it may consist of."""
    return {PROCESSORS: codecarbon_processors_w(_tdp_w(use), use.load), MEMORY: _memory_w(use)}


def codecarbon_former_memory(use: Use) -> Power:
    """CodeCarbon's processors, and 3 W for every 8 GiB of memory: the rule before its version 3."""
    return {**codecarbon(use), MEMORY: memory.FORMER_CODECARBON_W * use.memory_gib}


def codecarbon_processors(use: Use) -> Power:
    """CodeCarbon's processors and nothing for memory, as where processors alone are metered."""
    return {**codecarbon(use), MEMORY: 0.0}


def servers(use: Use) -> Power:
    """`threads (idle + load (full - idle))` by the median published server of the generation, all its parts
    included, and .3725 W for every GB of memory beyond what those servers had."""
    known = _servers(use)
    return _of_servers(use, known.idle_w, known.full_w, memory.GREEN_ALGORITHMS_W)


def servers_low(use: Use) -> Power:
    """The same by the 5th percentile of those servers, memory beyond theirs at .284 W/GB."""
    known = _servers(use)
    return _of_servers(use, known.idle_low_w, known.full_low_w, memory.BOAVIZTA_W)


def servers_high(use: Use) -> Power:
    """The same by the 95th percentile of those servers, memory beyond theirs at .392 W/GB."""
    known = _servers(use)
    return _of_servers(use, known.idle_high_w, known.full_high_w, memory.CLOUD_CARBON_FOOTPRINT_W)


def cloud_carbon_footprint(use: Use) -> Power:
    """`threads (min + load (max - min)) + .392 W/GB`, with the generation's minimum and maximum, or the mean
    ones of a processor that its table lacks."""
    table = _cloud_carbon_footprint_w()
    least_w, most_w = table.get(use.servers.generation if use.servers else "", table[_ANY_OTHER])
    return {
        PROCESSORS: use.threads * (least_w + use.load * (most_w - least_w)),
        MEMORY: memory.CLOUD_CARBON_FOOTPRINT_W * use.memory_gib,
    }


def boavizta(use: Use) -> Power:
    """`TDP x share(load) + .284 W/GB`: 12, 32, 75 and 102 % of the TDP at 0, 10, 50 and 100 % load, joined by
    straight lines (BoaviztAPI joins them by a logarithm that it fits)."""
    return {
        PROCESSORS: _tdp_w(use) * np.interp(np.asarray(use.load), _BOAVIZTA_LOADS, _BOAVIZTA_SHARES),
        MEMORY: memory.BOAVIZTA_W * use.memory_gib,
    }


def green_algorithms(use: Use) -> Power:
    """`TDP x load + .3725 W/GB`: a processor at rest draws nothing."""
    return {PROCESSORS: _tdp_w(use) * use.load, MEMORY: memory.GREEN_ALGORITHMS_W * use.memory_gib}


def time_alone(use: Use) -> Power:
    """`TDP / 2`, whatever the load, and CodeCarbon's power of memory: energy is wall-clock time."""
    return {
        PROCESSORS: _CONSTANT_LOAD * _tdp_w(use),
        MEMORY: _memory_w(use),
    }


def processor_time_alone(use: Use) -> Power:
    """`TDP x load` and nothing for rest or memory: energy is processor time."""
    return {PROCESSORS: _tdp_w(use) * use.load, MEMORY: 0.0}


DEFAULT_MODEL = "codecarbon"
POWER_MODELS: Mapping[str, PowerModel] = {
    DEFAULT_MODEL: PowerModel(codecarbon, "CodeCarbon", "CodeCarbon 3.3, hardware.py and ram.py"),
    "codecarbon_former_memory": PowerModel(
        codecarbon_former_memory, "CodeCarbon (former memory)", "CodeCarbon 2, hardware.py"
    ),
    "codecarbon_processors": PowerModel(
        codecarbon_processors,
        "CodeCarbon (processors)",
        "CodeCarbon 3.3, hardware.py",
        divisible=False,
    ),
    "servers_low": PowerModel(
        servers_low,
        "servers (low)",
        "SPECpower_ssj2008, 5th percentile of the generation's results; memory BoaviztAPI 1",
        divisible=False,
    ),
    "servers": PowerModel(
        servers,
        "servers (median)",
        "SPECpower_ssj2008, median of the generation's results; memory Lannelongue et al. 2021",
        divisible=False,
    ),
    "servers_high": PowerModel(
        servers_high,
        "servers (high)",
        "SPECpower_ssj2008, 95th percentile of the generation's results; memory Cloud Carbon Footprint",
        divisible=False,
    ),
    "cloud_carbon_footprint": PowerModel(
        cloud_carbon_footprint,
        "Cloud Carbon Footprint",
        "its constants for Amazon's cloud",
    ),
    "boavizta": PowerModel(
        boavizta, "Boavizta", "BoaviztAPI 2.5, consumption profile from a TDP; memory BoaviztAPI 1"
    ),
    "green_algorithms": PowerModel(
        green_algorithms, "Green Algorithms", "Lannelongue et al. 2021, without its PUE"
    ),
    "time_alone": PowerModel(
        time_alone, "time alone", "constant mode of CodeCarbon, half of the TDP", divisible=False
    ),
    "processor_time_alone": PowerModel(
        processor_time_alone, "processor time alone", "Henderson et al. 2020, device-hours", divisible=False
    ),
}


def power_w(model: PowerModel, use: Use, modelled: frozenset[str] = DOMAINS) -> Power:
    """Mean power in watts of those domains that are `modelled` here, the others being read.

    Raises NotCovered where the model says nothing of the machine, or nothing of these domains alone.
    """
    power = model.power_w(use)
    if not modelled >= DOMAINS and not model.divisible:
        raise NotCovered("covers processors and memory together, and one of them is read here")
    return {domain: watts for domain, watts in power.items() if domain in modelled}


def _tdp_w(use: Use) -> float:
    return _need(use.tdp_w, "the thermal design power of the processor is not known")


def _memory_w(use: Use) -> Quantity:
    if use.memory_w is None:
        raise NotCovered("CodeCarbon's power of memory is not known")
    return use.memory_w


def _servers(use: Use) -> ServerPower:
    return _need(use.servers, "no published servers have a processor that is known to be of its generation")


def _need(value: Known | None, otherwise: str) -> Known:
    if value is None:
        raise NotCovered(otherwise)
    return value


def _of_servers(use: Use, idle_w: float, full_w: float, memory_w: float) -> Power:
    beyond_gib = max(use.memory_gib - use.threads * _servers(use).memory_gb_per_thread, 0.0)
    return {
        PROCESSORS: use.threads * (idle_w + use.load * (full_w - idle_w)),
        MEMORY: memory_w * beyond_gib,
    }


@functools.cache
def _cloud_carbon_footprint_w() -> dict[str, tuple[float, float]]:
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return {
            row["processor"]: (float(row["min_w_per_vcpu"]), float(row["max_w_per_vcpu"]))
            for row in csv.DictReader(file)
        }
