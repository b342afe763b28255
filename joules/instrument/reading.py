"""Energy of a window, by domain and in total, as it is recorded."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Sequence
from typing import Literal, Protocol, TypeVar

from joules.instrument.source import MACHINE, PREFERENCE
from joules.models import Closed
from joules.power.models import SERVER_FLOOR_W
from joules.power.use import PROCESSORS

# How CodeCarbon's source words the thermal design power, and the power of memory.
_TDP = re.compile(r"a TDP of ([\d.e+-]+) W(?: \(([a-z ]+)\))?")
_MEMORY = re.compile(r"constant ([\d.e+-]+) W")

RecordedProvenance = Literal["counter", "sampled", "modelled", "missing"]


_INTEGRATED_GPUS = frozenset({"gpu-apple0"})


class Reading(Closed):
    """Energy of one domain over one window from one source.

    Attributes:
        scope: 'machine' for the whole machine, 'job' for the energy attributed to the job.
        domain: 'cpu', 'dram', 'gpu0' or another part of the machine.
        source: Name of the source.
        provenance: How the energy was read: 'counter', 'sampled', 'modelled' or 'missing'.
        energy_j: Energy in joules; None if missing.
        uncertainty_j: Standard uncertainty of the energy in joules; None if missing.
        samples: Number of samples it was computed from.
        detail: What the number is based on, in words.
        calibration_j: Part of the uncertainty from the scale of the instrument, which is the same in every
            window, in joules.
        covers: Domains whose energy is included in this one.
        tdp_w: Thermal design power in watts that a model took the processor to have; None for all other
            readings, and in records from before this field (see `read_tdp_w`).
        tdp_origin: How that was found.
    """

    scope: Literal["machine", "job"] = "machine"
    domain: str
    source: str
    provenance: RecordedProvenance
    energy_j: float | None
    uncertainty_j: float | None
    samples: int
    detail: str
    calibration_j: float = 0.0
    covers: tuple[str, ...] = ()
    tdp_w: float | None = None
    tdp_origin: str | None = None

    @property
    def random_j(self) -> float:
        """Standard uncertainty without the part of calibration, in joules."""
        return math.sqrt(max((self.uncertainty_j or 0.0) ** 2 - self.calibration_j**2, 0.0))


class PowerCourse(Closed):
    """Power of one domain from one source over a window, as steps: `power_w[i]` holds from `from_s[i]`,
    in seconds since the window opened, to the next step. `form` is that of the source's samples."""

    domain: str
    source: str
    form: str
    from_s: list[float]
    power_w: list[float]


class Total(Closed):
    """Energy of the whole machine over one window, `max(sum of domains, floor_power_w x duration_s)`.

    Attributes:
        energy_j: Energy in joules.
        uncertainty_j: Standard uncertainty of the energy in joules.
        provenance: How its weakest part was read.
        floored: The energy is that of the minimum power, which the sum of the domains does not reach.
    """

    energy_j: float
    uncertainty_j: float
    provenance: RecordedProvenance
    floored: bool


class Ranked(Protocol):
    """A reading, or what is known of one without its energy."""

    @property
    def scope(self) -> str: ...

    @property
    def domain(self) -> str: ...

    @property
    def provenance(self) -> str: ...

    @property
    def covers(self) -> Sequence[str]: ...


OfDomain = TypeVar("OfDomain", bound=Ranked)


def primary(readings: Sequence[OfDomain]) -> list[OfDomain]:
    """The machine's best reading of each domain: counter, else sampled, else modelled, else missing.

    Domains that another of these readings covers are left out, so that none is counted twice: where the whole
    machine was read that is its only one.
    """
    best: dict[str, OfDomain] = {}
    for reading in readings:
        if reading.scope != "machine":
            continue
        held = best.get(reading.domain)
        if held is None or rank(reading) < rank(held):
            best[reading.domain] = reading
    read = [reading for reading in best.values() if reading.provenance != "missing"]
    if any(reading.domain == MACHINE for reading in read):
        return [best[MACHINE]]
    covered = {domain for reading in read for domain in reading.covers}
    # A machine that could not be read is the sum of its parts, where it has any.
    covered |= {MACHINE} if len(best) > 1 else set()
    return [best[domain] for domain in sorted(best) if domain not in covered]


def read_tdp_w(reading: Reading) -> float | None:
    """The thermal design power in watts that a model of the processor took; None for other readings.

    Records from before the field `tdp_w` have it only in the sentence `detail`.
    """
    if reading.tdp_w is not None or reading.provenance != "modelled" or reading.domain != PROCESSORS:
        return reading.tdp_w
    return _parse_tdp(reading.detail)[0]


def read_tdp_origin(reading: Reading) -> str | None:
    """How the thermal design power of a reading was found, by the same rules."""
    if reading.tdp_w is not None or reading.provenance != "modelled" or reading.domain != PROCESSORS:
        return reading.tdp_origin
    return _parse_tdp(reading.detail)[1]


@functools.cache
def _parse_tdp(detail: str) -> tuple[float | None, str | None]:
    found = _TDP.search(detail)
    return (float(found[1]), found[2]) if found else (None, None)


@functools.cache
def parse_memory_w(detail: str) -> float | None:
    """The power of memory in watts in the detail of CodeCarbon's reading of it; None where it names none."""
    found = _MEMORY.search(detail)
    return float(found[1]) if found else None


def rank(reading: Ranked) -> int:
    """The place of a reading's provenance, the best first."""
    return PREFERENCE.index(reading.provenance)


def summed(parts: Sequence[Sequence[Reading]]) -> list[Reading]:
    """Readings of one window that was open in several parts, each with the same channels in the same order.

    Errors of counters and sensors are independent between parts and add in quadrature. Errors of calibration
    and of models have the same cause in all parts and add linearly. A channel that is missing from one part
    is missing.
    """
    return [_summed(channel) for channel in zip(*parts, strict=True)]


def _summed(parts: Sequence[Reading]) -> Reading:
    for part in parts:
        if part.energy_j is None:
            return part
    first = parts[0]
    errors_j = [part.uncertainty_j or 0.0 for part in parts]
    calibration_j = sum(part.calibration_j for part in parts)
    random_j = [part.random_j for part in parts]
    uncertainty_j = sum(errors_j) if first.provenance == "modelled" else math.hypot(calibration_j, *random_j)
    return first.model_copy(
        update={
            "energy_j": sum(part.energy_j or 0.0 for part in parts),
            "uncertainty_j": uncertainty_j,
            "calibration_j": calibration_j,
            "samples": sum(part.samples for part in parts),
        }
    )


def floor_power_w(domains: Iterable[str], chosen_w: float | None = None) -> float:
    """Least whole-machine power in watts on a machine whose sources cover `domains`: `chosen_w`, else that of
    a server where a GPU of its own is metered and 0 elsewhere, as where the whole machine is read."""
    if chosen_w is not None:
        return chosen_w
    known = set(domains)
    is_server = any(domain.startswith("gpu") and domain not in _INTEGRATED_GPUS for domain in known)
    return SERVER_FLOOR_W if is_server and MACHINE not in known else 0.0
