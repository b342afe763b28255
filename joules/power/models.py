"""Power models of a machine without a counter: published rules, as pure functions.

A model is a pure function from what is known of a window (`Use`), or of many windows at once, to the mean
power of the processors and of the memory over it; joules are that times the duration. None of them is the
truth. What all of them agree on does not depend on which one is believed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from joules.power import memory
from joules.power.servers import LOADS, ServerPower, read_rows
from joules.power.use import DOMAINS, MEMORY, PROCESSORS, NotCovered, Power, Quantity, Use

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
    """A model, its name in figures, and its publisher. If a model is not `divisible`, only the sum of its
    parts has a meaning."""

    power_w: Callable[[Use], Power]
    words: str
    source: str
    divisible: bool = True


def codecarbon_processors_w(tdp_w: float, load: Quantity) -> Quantity:
    """Watts of processors with a thermal design power at a load (0 to 1): `TDP (.1 + .9 load^3)`, CodeCarbon
    3.3, `external/hardware.py`."""
    return tdp_w * (0.1 + 0.9 * load**3)


def codecarbon(use: Use) -> Power:
    """`TDP (.1 + .9 load^3)`, and a constant for memory that depends on the likely number of modules."""
    return {PROCESSORS: codecarbon_processors_w(_tdp_w(use), use.load), MEMORY: _memory_w(use)}


def codecarbon_former_memory(use: Use) -> Power:
    """The same for processors, and 3 W for every 8 GiB of memory (the rule before version 3)."""
    return {**codecarbon(use), MEMORY: memory.FORMER_CODECARBON_W * use.memory_gib}


def codecarbon_processors(use: Use) -> Power:
    """The same for processors, and 0 W for memory, as if only processors were metered."""
    return {**codecarbon(use), MEMORY: 0.0}


def load_curve(use: Use) -> Power:
    """`units (idle + curve(load) (full - idle))` from wall-metered servers: watts per thread of the same
    generation; if it is unknown, watts per watt of TDP of any server; if the TDP is unknown too, watts per
    thread of any server. Memory that these servers do not have adds .284 W per GB.

    For a virtual machine, this is its part of a host whose other parts have the same load.
    """
    metered, units = _metered(use)
    share = np.interp(use.load, LOADS, metered.curve)
    unit_w = metered.idle_w + share * (metered.full_w - metered.idle_w)
    return _of_servers(use, metered, units, unit_w)


def load_curve_full_host(use: Use) -> Power:
    """The same for a virtual machine on a host that is otherwise fully loaded: its part of the power at full
    load, minus `slope (1 - load)` with the slope of power over load at full load."""
    if not use.is_part:
        raise NotCovered("is about virtual machines, and this machine is none")
    metered, units = _metered(use)
    slope = (metered.curve[-1] - metered.curve[-2]) / (LOADS[-1] - LOADS[-2])
    slope_w = slope * (metered.full_w - metered.idle_w)
    return _of_servers(use, metered, units, np.maximum(metered.full_w - slope_w * (1 - use.load), 0.0))


def load_curve_low(use: Use) -> Power:
    """The lower end of the 90 % prediction interval of `load_curve`; for a virtual machine, the lower one of
    both assumptions about its host."""
    metered, _ = _metered(use)
    low = np.interp(use.load, LOADS, metered.low)
    return {domain: low * np.minimum(*watts) for domain, watts in _by_convention(use).items()}


def load_curve_high(use: Use) -> Power:
    """The upper end of the 90 % prediction interval of `load_curve`; for a virtual machine, the higher one of
    both assumptions about its host."""
    metered, _ = _metered(use)
    high = np.interp(use.load, LOADS, metered.high)
    return {domain: high * np.maximum(*watts) for domain, watts in _by_convention(use).items()}


def servers(use: Use) -> Power:
    """`threads (idle + load (full - idle))` from servers of the same generation, without their load curve."""
    metered = _of_generation(use)
    if metered is None:
        raise NotCovered("no published servers have a processor that is known to be of its generation")
    unit_w = metered.idle_w + use.load * (metered.full_w - metered.idle_w)
    return _of_servers(use, metered, use.threads, unit_w)


def cloud_carbon_footprint(use: Use) -> Power:
    """`threads (min + load (max - min)) + .392 W/GB`, with the minimum and maximum of the generation; if
    the table does not list the processor, with the mean minimum and maximum."""
    table = _cloud_carbon_footprint_w()
    metered = _of_generation(use)
    least_w, most_w = table.get(metered.name if metered else "", table[_ANY_OTHER])
    return {
        PROCESSORS: use.threads * (least_w + use.load * (most_w - least_w)),
        MEMORY: memory.CLOUD_CARBON_FOOTPRINT_W * use.memory_gib,
    }


def boavizta(use: Use) -> Power:
    """`TDP x share(load) + .284 W/GB`: 12, 32, 75 and 102 % of the TDP at 0, 10, 50 and 100 % load, with
    straight lines between them (BoaviztAPI fits a logarithm instead)."""
    return {
        PROCESSORS: _tdp_w(use) * np.interp(np.asarray(use.load), _BOAVIZTA_LOADS, _BOAVIZTA_SHARES),
        MEMORY: memory.BOAVIZTA_W * use.memory_gib,
    }


def green_algorithms(use: Use) -> Power:
    """`TDP x load + .3725 W/GB`: an idle processor draws no power."""
    return {PROCESSORS: _tdp_w(use) * use.load, MEMORY: memory.GREEN_ALGORITHMS_W * use.memory_gib}


def time_alone(use: Use) -> Power:
    """`TDP / 2` at every load, and CodeCarbon's power of memory: energy is proportional to
    wall-clock time."""
    return {
        PROCESSORS: _CONSTANT_LOAD * _tdp_w(use),
        MEMORY: _memory_w(use),
    }


def processor_time_alone(use: Use) -> Power:
    """`TDP x load`, and 0 W for idle and memory: energy is proportional to processor time."""
    return {PROCESSORS: _tdp_w(use) * use.load, MEMORY: 0.0}


DEFAULT_MODEL = "load_curve"
_METERED = "SPECpower_ssj2008 results, calibrated at the wall by joules.power"
POWER_MODELS: Mapping[str, PowerModel] = {
    DEFAULT_MODEL: PowerModel(load_curve, "load curve", _METERED, divisible=False),
    "load_curve_low": PowerModel(load_curve_low, "load curve (low end)", _METERED, divisible=False),
    "load_curve_high": PowerModel(load_curve_high, "load curve (high end)", _METERED, divisible=False),
    "load_curve_full_host": PowerModel(
        load_curve_full_host, "load curve (full host)", _METERED, divisible=False
    ),
    "servers": PowerModel(servers, "servers (straight line)", _METERED, divisible=False),
    "codecarbon": PowerModel(codecarbon, "CodeCarbon", "CodeCarbon 3.3, hardware.py and ram.py"),
    "codecarbon_former_memory": PowerModel(
        codecarbon_former_memory, "CodeCarbon (former memory)", "CodeCarbon 2, hardware.py"
    ),
    "codecarbon_processors": PowerModel(
        codecarbon_processors,
        "CodeCarbon (processors)",
        "CodeCarbon 3.3, hardware.py",
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


def relative_uncertainty(use: Use) -> Quantity:
    """The relative standard uncertainty of the default model: its 90 % interval taken for that of a normal
    distribution."""
    low, high, point = (sum(model(use).values()) for model in (load_curve_low, load_curve_high, load_curve))
    return (high - low) / (2 * NormalDist().inv_cdf(0.95)) / point


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


def _need(value: Known | None, otherwise: str) -> Known:
    if value is None:
        raise NotCovered(otherwise)
    return value


def _metered(use: Use) -> tuple[ServerPower, float]:
    """The wall-metered servers that stand for this machine, and how many of their units it has."""
    servers = _need(use.servers, "no wall-metered servers are named")
    if servers.evidence == "tdp":
        return servers, _need(use.rated_tdp_w, "the thermal design power of the processor is not known")
    return servers, use.threads


def _of_generation(use: Use) -> ServerPower | None:
    return use.servers if use.servers and use.servers.evidence == "generation" else None


def _by_convention(use: Use) -> dict[str, tuple[Quantity, Quantity]]:
    """Watts by domain with the host as loaded as the machine, and with the host otherwise full; the same
    twice where the machine is no part of a host."""
    alike, full = load_curve(use), load_curve_full_host(use) if use.is_part else load_curve(use)
    return {domain: (alike[domain], full[domain]) for domain in alike}


def _of_servers(use: Use, servers: ServerPower, units: float, unit_w: Quantity) -> Power:
    beyond_gib = max(use.memory_gib - units * servers.memory_gb, 0.0)
    return {PROCESSORS: units * unit_w, MEMORY: memory.SERVER_W * beyond_gib}


@functools.cache
def _cloud_carbon_footprint_w() -> dict[str, tuple[float, float]]:
    return {
        row["processor"]: (float(row["min_w_per_vcpu"]), float(row["max_w_per_vcpu"]))
        for row in read_rows("cloud_carbon_footprint_w")
    }


def takes_part(model: str, loads: Sequence[float] | NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a model takes part in verdicts at each of `loads` (0 to 1): where 1 lies within the 5th to 95th
    percentile of its ratio to the wall over servers, interpolated between the metered loads. The ends and the
    other convention of the default model take part where it does."""
    ends = _ratios_to_wall().get(model)
    if ends is None:
        return np.ones(len(loads), dtype=bool)
    at, p05, p95 = np.array(ends).T
    return np.asarray((np.interp(loads, at, p05) <= 1) & (np.interp(loads, at, p95) >= 1))


@functools.cache
def _ratios_to_wall() -> dict[str, list[tuple[float, ...]]]:
    """Metered loads, and the 5th and 95th percentile of a model's ratio to the wall there, by model."""
    ratios: dict[str, list[tuple[float, ...]]] = {}
    for row in read_rows("model_errors"):
        ends = tuple(float(row[name]) for name in ("load", "p05", "p95"))
        ratios.setdefault(row["power_model"], []).append(ends)
    return ratios
