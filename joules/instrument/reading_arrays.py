"""Readings of many windows at once, as arrays: totals, the job's share, and both under another power model.

One window is n = 1. A model's energy is its mean power over the window times the duration, for those parts of
the machine whose energy is modelled; what counters and sensors read stays.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from joules.instrument.host.contention import Contention
from joules.instrument.host.machine import Machine
from joules.instrument.reading import (
    Reading,
    RecordedProvenance,
    Total,
    parse_memory_w,
    primary,
    rank,
    read_tdp_origin,
    read_tdp_w,
)
from joules.power.models import DEFAULT_MODEL, POWER_MODELS, PowerModel, power_w, relative_uncertainty
from joules.power.servers import ProcessorIdentity, choose_servers
from joules.power.use import DOMAINS, MEMORY, PROCESSORS, Quantity, Use

Floats = NDArray[np.float64]

# The source of readings that the load curve of wall-metered servers gave.
LOAD_CURVE = "load-curve"
# Origins of a thermal design power that is that of the processor's entry in a table.
RATED = frozenset({"exact", "fuzzy"})


class ReadingKind(NamedTuple):
    """A reading without its numbers, at `place` among those of its window.

    `detail` is kept of readings of the machine: that of a job's differs from window to window.
    """

    place: int
    scope: str
    domain: str
    source: str
    provenance: RecordedProvenance
    detail: str
    covers: tuple[str, ...]
    tdp_w: float | None
    tdp_origin: str | None

    @property
    def is_read(self) -> bool:
        """Whether there is an energy."""
        return self.provenance != "missing"


class WatchedMachine(NamedTuple):
    """What power models need to know of a machine."""

    threads: int
    memory_gib: float
    identity: ProcessorIdentity | None
    virtual: bool


class Layout(NamedTuple):
    """What windows have in common whose numbers fit into one array.

    `machine` is None where its use was not watched to the end of the window.
    """

    kinds: tuple[ReadingKind, ...]
    machine: WatchedMachine | None
    floor_power_w: float

    @classmethod
    def from_window(
        cls, readings: Iterable[Reading], machine: Machine | None, floor_power_w: float
    ) -> Layout:
        """The layout of a window with these readings, watched where `machine` is given."""
        # A list in between takes half the time of a generator.
        kinds = [_reading_kind(place, reading) for place, reading in enumerate(readings)]
        watched = None
        if machine is not None:
            watched = WatchedMachine(
                machine.logical_cores, machine.memory_gib, machine.identity, machine.virtual
            )
        return cls(tuple(kinds), watched, floor_power_w)


def _reading_kind(place: int, reading: Reading) -> ReadingKind:
    is_machine = reading.scope == "machine"
    return ReadingKind(
        place,
        reading.scope,
        reading.domain,
        reading.source,
        "missing" if reading.energy_j is None else reading.provenance,
        reading.detail if is_machine else "",
        reading.covers,
        read_tdp_w(reading) if is_machine else None,
        read_tdp_origin(reading) if is_machine else None,
    )


@dataclass(frozen=True)
class PowerChange:
    """Mean power in watts, by domain, of what is modelled in n windows: as recorded and as `model` gives it.

    `job_w` is what the model gives for the job alone, `uncertainty` the relative standard uncertainty by its
    prediction interval, zero of a model without. `replaced` are the kinds of readings in whose place the
    model is; `is_whole` where nothing but modelled parts was read.
    """

    model: PowerModel
    recorded_w: Mapping[str, Any]
    model_w: Mapping[str, Any]
    job_w: Mapping[str, Any]
    uncertainty: Any
    replaced: frozenset[ReadingKind]
    is_whole: bool

    def select_window(self, place: int) -> PowerChange:
        """The change of one of the windows, in numbers instead of arrays [n]."""
        recorded_w, model_w, job_w = (
            {domain: float(watts[place]) for domain, watts in power.items()}
            for power in (self.recorded_w, self.model_w, self.job_w)
        )
        uncertainty = float(self.uncertainty[place])
        return replace(self, recorded_w=recorded_w, model_w=model_w, job_w=job_w, uncertainty=uncertainty)

    def energy_j(self, energy_j: Quantity, duration_s: Quantity) -> Any:
        """Energy under the model of segments of the windows, where `energy_j` was recorded; NaN stays.

        What is read keeps its course; of what is modelled no course is known, so its energy is proportional
        to the duration.
        """
        recorded_w, model_w = self._sums_w
        read_j = energy_j * 0.0 if self.is_whole else energy_j - recorded_w * duration_s
        return read_j + model_w * duration_s

    @functools.cached_property
    def _sums_w(self) -> tuple[Any, Any]:
        return sum(self.recorded_w.values()), sum(self.model_w.values())

    def applies_to(self, kind: ReadingKind) -> bool:
        """Whether readings of this kind are what the model replaces."""
        return kind in self.replaced


@dataclass(frozen=True)
class ReadingArrays:
    """Readings of n windows of one layout with k kinds of readings.

    Attributes:
        duration_s, busy_cores, job_cpu_s: arrays [n]: the windows' length, the logical processors that worked
            on average, and the job's processor seconds.
        energy_j, uncertainty_j: arrays [n, k], NaN where a number is missing.
    """

    layout: Layout
    duration_s: Floats
    busy_cores: Floats
    job_cpu_s: Floats
    energy_j: Floats
    uncertainty_j: Floats

    @functools.cached_property
    def primary(self) -> list[ReadingKind]:
        """The machine's best reading of each domain."""
        return primary(self.layout.kinds)

    @functools.cached_property
    def provenance(self) -> RecordedProvenance:
        """That of the total: the weakest among the domains, since a sum is only as good as its worst part."""
        return max(self.primary, key=rank).provenance if self.primary else "missing"

    @functools.cached_property
    def _domains_j(self) -> Floats:
        """The sum of the machine's domains [n]; NaN where one is missing."""
        return _sum(self.energy_j, self.primary)

    @functools.cached_property
    def total_j(self) -> Floats:
        """Energy of the whole machine [n]: the sum of its domains, not less than the floor; NaN where one is
        missing."""
        return np.maximum(self._domains_j, self.layout.floor_power_w * self.duration_s)

    @functools.cached_property
    def total_uncertainty_j(self) -> Floats:
        """Of `total_j`, NaN where that is. Errors of models may share their cause, so they add linearly."""
        summed_j = _sum(np.nan_to_num(self.uncertainty_j), self.primary)
        return np.where(np.isnan(self.total_j), np.nan, summed_j)

    @functools.cached_property
    def read_uncertainty_j(self) -> Floats:
        """Standard uncertainty of what the total has from counters and sensors [n]."""
        read = [kind for kind in self.primary if kind.provenance != "modelled"]
        return _sum(np.nan_to_num(self.uncertainty_j), read) if read else np.zeros_like(self.duration_s)

    @property
    def attributed_j(self) -> Floats:
        """Energy attributed to the job [n] (see `attribution`); NaN where a domain has no share."""
        shares = {kind.domain: kind for kind in self.layout.kinds if kind.scope == "job"}
        known = [shares[kind.domain] for kind in self.primary if kind.domain in shares]
        return _sum(self.energy_j, known if len(known) == len(self.primary) else [])

    def total(self, place: int) -> Total | None:
        """The total of one window; None where a domain is missing."""
        energy_j = float(self.total_j[place])
        if math.isnan(energy_j):
            return None
        return Total(
            energy_j=energy_j,
            uncertainty_j=float(self.total_uncertainty_j[place]),
            provenance=self.provenance,
            floored=energy_j > float(self._domains_j[place]),
        )

    @functools.cached_property
    def modelled(self) -> frozenset[str]:
        """Domains of the machine whose energy is modelled."""
        return DOMAINS & {kind.domain for kind in self.primary if kind.provenance == "modelled"}

    @property
    def is_modelled(self) -> bool:
        """Whether another power model could replace a part."""
        return bool(self.modelled) and self.layout.machine is not None

    @functools.cached_property
    def use(self) -> Use | None:
        """What is known of the windows and their machine for power models; None where they were not
        watched."""
        machine = self.layout.machine
        if machine is None:
            return None
        modelled = {
            kind.domain: kind
            for kind in self.layout.kinds
            if (kind.scope, kind.provenance) == ("machine", "modelled") and kind.source != LOAD_CURVE
        }
        processors, memory = modelled.get(PROCESSORS), modelled.get(MEMORY)
        tdp_w = processors.tdp_w if processors else None
        is_rated = processors is not None and processors.tdp_origin in RATED and not machine.virtual
        rated_tdp_w = tdp_w if is_rated else None
        return Use(
            busy_cores=self.busy_cores,
            threads=machine.threads,
            memory_gib=machine.memory_gib,
            tdp_w=tdp_w,
            memory_w=parse_memory_w(memory.detail) if memory else None,
            rated_tdp_w=rated_tdp_w,
            servers=choose_servers(machine.identity, rated_tdp_w, machine.virtual),
            is_part=machine.virtual,
        )

    def change_power(self, model: PowerModel) -> PowerChange:
        """What `model` gives in place of the parts that are modelled.

        Raises:
            NotCovered: where the model says nothing of the machine.
        """
        if self.use is None:
            raise ValueError("windows whose machine was not watched cannot be recomputed")
        job = replace(self.use, busy_cores=self.job_cpu_s / self.duration_s)
        model_w, job_w = (
            {
                domain: np.broadcast_to(watts, self.duration_s.shape)
                for domain, watts in power_w(model, use, self.modelled).items()
            }
            for use in (self.use, job)
        )
        recorded_w = {
            kind.domain: self.energy_j[:, kind.place] / self.duration_s
            for kind in self.primary
            if kind.domain in self.modelled
        }
        replaced = frozenset(
            kind
            for kind in self.layout.kinds
            if kind.provenance == "modelled"
            and kind.domain in model_w
            # Readings that are kept only as a cross-check do not change.
            and (kind.scope == "job" or kind in self.primary)
        )
        spread = relative_uncertainty(self.use) if model is POWER_MODELS[DEFAULT_MODEL] else 0.0
        uncertainty = np.broadcast_to(spread, self.duration_s.shape)
        is_whole = len(recorded_w) == len(self.primary)
        return PowerChange(model, recorded_w, model_w, job_w, uncertainty, replaced, is_whole)

    def apply(self, change: PowerChange) -> Self:
        """The readings under a change of power.

        The uncertainty of what it replaces is that of the model's prediction interval. Of a model without it
        is zero: the range over models stands for it.
        """
        energy_j, uncertainty_j = self.energy_j.copy(), self.uncertainty_j.copy()
        for kind in filter(change.applies_to, self.layout.kinds):
            of_kind = change.model_w if kind.scope == "machine" else change.job_w
            energy_j[:, kind.place] = of_kind[kind.domain] * self.duration_s
            if kind.scope == "job" and kind.domain == MEMORY:
                # A job has the share of the memory that it had.
                whole_j = change.recorded_w[MEMORY] * self.duration_s
                share = np.divide(
                    self.energy_j[:, kind.place], whole_j, out=np.zeros_like(whole_j), where=whole_j != 0
                )
                energy_j[:, kind.place] = share * change.model_w[MEMORY] * self.duration_s
            uncertainty_j[:, kind.place] = change.uncertainty * energy_j[:, kind.place]
        return replace(self, energy_j=energy_j, uncertainty_j=uncertainty_j)


def one_window(
    readings: Sequence[Reading],
    duration_s: float,
    floor_power_w: float = 0.0,
    machine: Machine | None = None,
    contention: Contention | None = None,
) -> ReadingArrays:
    """The readings of a single window as arrays with n = 1."""
    return ReadingArrays(
        layout=Layout.from_window(readings, machine, floor_power_w),
        duration_s=np.array([duration_s]),
        busy_cores=np.array([contention.busy_cores if contention else np.nan]),
        job_cpu_s=np.array([contention.job_cpu_s if contention else np.nan]),
        energy_j=np.array([[reading.energy_j for reading in readings]], dtype=np.float64),
        uncertainty_j=np.array([[reading.uncertainty_j for reading in readings]], dtype=np.float64),
    )


def _sum(numbers: Floats, kinds: Sequence[ReadingKind]) -> Floats:
    """Columns of `numbers` [n, k] added in turn, as single numbers are; NaN where there are none."""
    if not kinds:
        return np.full(len(numbers), np.nan)
    return functools.reduce(np.add, [numbers[:, kind.place] for kind in kinds])
