"""Wall-metered servers, and how far a server is from what the others predict of it.

The results are those that vendors publish, of servers they chose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joules.power import memory
from joules.power.models import load_curve
from joules.power.servers import LOADS, Evidence, Levels, ServerPower, generations, read_rows
from joules.power.use import MEMORY, PROCESSORS, Use

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]

# A generation with fewer servers has no watts of its own.
LEAST_SERVERS = 3
_NO_FACTORS: Levels = (1.0,) * len(LOADS)


@dataclass(frozen=True)
class Servers:
    """n wall-metered servers: arrays of n, and `power_w` of [n, loads]."""

    vendor: NDArray[np.str_]
    processor: NDArray[np.str_]
    generation: NDArray[np.str_]
    curve: NDArray[np.str_]
    year: NDArray[np.int64]
    threads: NDArray[np.int64]
    tdp_w: Floats
    memory_gb: Floats
    power_w: Floats

    def choose(self, chosen: Chosen | NDArray[np.intp]) -> Servers:
        """Those of the servers that are chosen."""
        return Servers(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    def use(self, place: int, servers: ServerPower | None) -> Use:
        """What the models know of one server at all loads, compared with `servers`."""
        tdp_w, memory_gib = float(self.tdp_w[place]), float(self.memory_gb[place])
        threads = int(self.threads[place])
        return Use(
            busy_cores=threads * np.array(LOADS),
            threads=threads,
            memory_gib=memory_gib,
            tdp_w=tdp_w,
            memory_w=memory.codecarbon_memory_w(memory_gib, "x86"),
            rated_tdp_w=tdp_w,
            servers=servers,
        )


@dataclass(frozen=True)
class Errors:
    """Logarithms of watts over prediction [k, loads] of the k servers at `places`, and the group that was
    left out to predict each."""

    places: NDArray[np.intp]
    groups: NDArray[np.str_]
    logs: Floats

    @property
    def factor(self) -> Floats:
        """The typical factor off by load: exp of the median absolute error."""
        return np.asarray(np.exp(np.median(np.abs(self.logs), axis=0)))

    def ratio(self, quantile: float) -> Floats:
        """A quantile over servers of prediction over watts, by load."""
        return np.asarray(np.quantile(np.exp(-self.logs), quantile, axis=0))


def read_servers() -> Servers:
    """The published results of 2017 and later."""
    rows = list(read_rows("spec_power_load_curves"))
    named = [
        next(each for each in generations() if each.names and re.fullmatch(each.names, row["processor"]))
        for row in rows
    ]
    watts = ["idle_w", *(f"load_{round(100 * load)}_w" for load in LOADS[1:])]
    return Servers(
        vendor=np.array([row["vendor"] for row in rows]),
        processor=np.array([row["processor"] for row in rows]),
        generation=np.array([each.name for each in named]),
        curve=np.array([each.curve for each in named]),
        year=np.array([int(row["year"]) for row in rows]),
        threads=np.array([int(row["threads"]) for row in rows]),
        tdp_w=np.array([float(row["chips"]) * float(row["tdp_w_per_chip"]) for row in rows]),
        memory_gb=np.array([float(row["memory_gb"]) for row in rows]),
        power_w=np.array([[float(row[name]) for name in watts] for row in rows]),
    )


def estimate_power(
    known: Servers, evidence: Evidence, generation: str, curve: str, memory_w: float = memory.SERVER_W
) -> ServerPower | None:
    """The power of a `generation` (or of any server) by `known` ones; None where they are too few.

    Watts are a unit, without those of memory beyond the median memory, at `memory_w` a GB. Every processor
    counts once: the median over processors of the median over their servers.
    """
    alike = known.choose(known.generation == generation) if evidence == "generation" else known
    if len(alike.year) < LEAST_SERVERS:
        return None
    units = alike.tdp_w if evidence == "tdp" else alike.threads
    memory_gb = float(np.median(alike.memory_gb / units))
    beyond_w = memory_w * np.maximum(alike.memory_gb - memory_gb * units, 0.0)
    ends_w = np.maximum(alike.power_w[:, [0, -1]] - beyond_w[:, None], 0.0) / units[:, None]
    of_processors = [
        np.median(ends_w[alike.processor == name], axis=0) for name in np.unique(alike.processor)
    ]
    idle_w, full_w = np.median(of_processors, axis=0)
    of_family = known.curve == curve
    return ServerPower(
        name=generation,
        evidence=evidence,
        count=len(alike.year),
        metered=len(alike.year),
        idle_w=float(idle_w),
        full_w=float(full_w),
        memory_gb=memory_gb,
        curve=load_levels(known.choose(of_family) if evidence == "generation" and of_family.any() else known),
        low=_NO_FACTORS,
        high=_NO_FACTORS,
    )


def load_levels(servers: Servers) -> Levels:
    """The load curve of servers: the median share of the way from idle to full power, by load."""
    idle_w, full_w = servers.power_w[:, :1], servers.power_w[:, -1:]
    return tuple(np.median((servers.power_w - idle_w) / (full_w - idle_w), axis=0).tolist())


def predict_w(servers: Servers, place: int, known: ServerPower, memory_w: float = memory.SERVER_W) -> Floats:
    """The watts of one server at all loads by what is `known` of others, with memory beyond theirs at
    `memory_w` a GB."""
    power = load_curve(servers.use(place, known))
    return np.asarray(power[PROCESSORS] + power[MEMORY] * (memory_w / memory.SERVER_W))


def leave_out(
    servers: Servers, evidence: Evidence, labels: NDArray[Any], memory_w: float = memory.SERVER_W
) -> Errors:
    """Errors of each server predicted from those with another label; without those whose generation then has
    too few."""
    places, groups, logs = [], [], []
    for label in np.unique(labels):
        known = servers.choose(labels != label)
        powers: dict[str, ServerPower | None] = {}
        for place in np.flatnonzero(labels == label).tolist():
            generation, curve = str(servers.generation[place]), str(servers.curve[place])
            if generation not in powers:
                powers[generation] = estimate_power(known, evidence, generation, curve, memory_w)
            power = powers[generation]
            if power is not None:
                places.append(place)
                groups.append(str(label))
                logs.append(np.log(servers.power_w[place] / predict_w(servers, place, power, memory_w)))
    return Errors(np.array(places), np.array(groups), np.array(logs).reshape(len(places), len(LOADS)))
