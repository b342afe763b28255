"""What was measured in a window, and how it is printed."""

from __future__ import annotations

import math
from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from joules.instrument import carbon
from joules.instrument.estimates import REACH_90, Estimate, Prediction
from joules.instrument.host.contention import Contention
from joules.instrument.host.gpus import GpuUse
from joules.instrument.reading import Reading, RecordedProvenance, Total, primary
from joules.instrument.reading_arrays import one_window
from joules.models import Closed

# Properties of a measurement that its dump contains beside its fields.
_DERIVED = (
    "energy_j",
    "uncertainty_j",
    "interval_j",
    "energy_kwh",
    "power_w",
    "provenance",
    "energy_attributed_j",
    "cpu_s",
)


class Measurement(Closed):
    """Energy of a window, with everything that was measured in it.

    `model_dump()` contains its properties too, and is accepted by `model_validate()`.

    Attributes:
        name: Name of the window.
        host: Name of the machine on its network.
        boot_id: The kernel's number of this start of the machine; empty if there is none.
        began_at: Begin of the window in UTC, ISO 8601.
        ended_at: End of the window in UTC, ISO 8601.
        meter_version: Version of the meter (`joules.METER_VERSION`).
        duration_s: Length of the window in seconds.
        readings: Readings of the whole machine (scope 'machine'), one per source and domain, and the energy
            attributed to the job (scope 'job'), one per domain.
        idle_power_w: Power of the idle machine by domain, in watts; empty if it was not measured.
        total: Energy of the whole machine; None if the energy of a domain was not read.
        contention: CPU use of the job and of other processes.
        gpu_use: Use of each GPU.
        faults: Messages of reads that failed.
        flags: Quality flags, each as `keyword: evidence`.
        models: Energy of the whole machine under each power model; empty if nothing is modelled.
        prediction: 90 % prediction interval of modelled energy by wall-metered servers; None if the energy
            does not rest on them.
    """

    name: str
    host: str
    boot_id: str
    began_at: str
    ended_at: str
    meter_version: int
    duration_s: float
    readings: list[Reading]
    idle_power_w: dict[str, float]
    total: Total | None
    contention: Contention
    gpu_use: list[GpuUse]
    faults: list[str]
    flags: list[str]
    models: list[Estimate]
    prediction: Prediction | None

    @property
    def energy_j(self) -> float | None:
        """Energy of the whole machine in joules; None if the energy of a domain was not read."""
        return self.total.energy_j if self.total else None

    @property
    def uncertainty_j(self) -> float | None:
        """Standard uncertainty of `energy_j` in joules."""
        return self.total.uncertainty_j if self.total else None

    @property
    def energy_kwh(self) -> float | None:
        """`energy_j` in kWh."""
        return None if self.energy_j is None else self.energy_j / carbon.JOULES_PER_KWH

    @property
    def power_w(self) -> float | None:
        """Mean power of the whole machine in watts; None if the energy of a domain was not read."""
        return None if self.energy_j is None else self.energy_j / self.duration_s

    def co2e_g(self, region: str = carbon.WORLD, pue: float = 1.0) -> float | None:
        """Emissions by the mean intensity of a grid.

        Args:
            region: ISO 3166 alpha-3 code of a country, or 'WOR' for the world.
            pue: Power usage effectiveness of the building.

        Returns:
            Grams of CO2 equivalent; None if the energy of a domain was not read.

        Raises:
            UserError: If there are no data of the region.
        """
        intensity_g_per_kwh = carbon.grid(region).intensity_g_per_kwh
        return None if self.energy_kwh is None else self.energy_kwh * pue * intensity_g_per_kwh

    @property
    def interval_j(self) -> tuple[float, float] | None:
        """The 90 % prediction interval of modelled energy; where it is modelled in part alone, its range over
        the power models that wall meters do not refute at its load, wider by the 90 % interval of what was
        read. None if nothing is modelled. The interval contains `energy_j`."""
        if self.prediction is not None:
            return self.prediction.low_j, self.prediction.high_j
        energies_j = [each.energy_j for each in self.models if each.takes_part and each.energy_j is not None]
        if not energies_j or self.energy_j is None:
            return None
        read = (each for each in self.domains.values() if each.provenance != "modelled")
        read_j = REACH_90 * sum(each.uncertainty_j or 0.0 for each in read)
        return max(min(*energies_j, self.energy_j) - read_j, 0.0), max(*energies_j, self.energy_j) + read_j

    @property
    def interval_factors(self) -> tuple[float, float] | None:
        """The ends of `interval_j` as multiples of `energy_j`."""
        if self.interval_j is None or not self.energy_j:
            return None
        low_j, high_j = self.interval_j
        return low_j / self.energy_j, high_j / self.energy_j

    @property
    def doubt(self) -> str:
        """The uncertainty of `energy_j` and its basis, in words."""
        if self.total is None:
            return "a domain could not be read"
        if self.prediction is not None:
            low_j, high_j = significant(self.prediction.low_j), significant(self.prediction.high_j)
            basis = f"modelled from {self.prediction.basis}"
            return f"90 % interval {low_j} to {high_j} J; {basis}"
        if self.interval_j is not None:
            low, high = (significant(end) for end in self.interval_j)
            is_read = any(each.provenance != "modelled" for each in self.domains.values())
            read = " and errors of what was read" if is_read else ""
            return f"{low} to {high} J over power models{read}; {self.total.provenance}"
        return f"± {self.total.uncertainty_j:.2g} J; {self.total.provenance}"

    @property
    def provenance(self) -> RecordedProvenance:
        """How the weakest part of `energy_j` was read, 'counter', 'sampled', 'modelled' or 'missing'."""
        return self.total.provenance if self.total else "missing"

    @property
    def domains(self) -> dict[str, Reading]:
        """Best reading of the whole machine by domain ('cpu', 'dram', 'gpu0', ...)."""
        return {reading.domain: reading for reading in primary(self.readings)}

    @property
    def attributed_domains(self) -> dict[str, Reading]:
        """Energy attributed to the job, by domain."""
        return {reading.domain: reading for reading in self.readings if reading.scope == "job"}

    @property
    def energy_attributed_j(self) -> float | None:
        """Energy attributed to the job in joules, which the machine would have used for it alone; None if the
        energy of a domain was not read."""
        energy_j = float(one_window(self.readings, self.duration_s).attributed_j[0])
        return None if math.isnan(energy_j) else energy_j

    @property
    def cpu_s(self) -> float:
        """Processor time of the job in seconds."""
        return self.contention.job_cpu_s

    def __str__(self) -> str:
        if self.total is None:
            energy = "energy missing"
        else:
            energy = f"{significant(self.total.energy_j)} J ({self.doubt})"
        attributed_j = self.energy_attributed_j
        parts = [
            energy,
            *([f"{attributed_j:.2f} J attributed to this process"] if attributed_j is not None else []),
            f"{self.duration_s:.3f} s",
            f"{self.cpu_s:.3f} s of processor time",
        ]
        flags = f" [{', '.join(flag.partition(':')[0] for flag in self.flags)}]" if self.flags else ""
        return f"{self.name}: {', '.join(parts)}{flags}"

    def __repr__(self) -> str:
        return f"<Measurement {self}>"

    def _repr_html_(self) -> str:
        """A table for notebooks: energy with its uncertainty, domains, time and flags."""
        import html

        rows = [(f"<b>{_joules(self.energy_j)}</b>", "whole machine", self.doubt)]
        rows += [
            (_joules(reading.energy_j), reading.domain, f"{reading.provenance}: {reading.detail}")
            for reading in self.domains.values()
        ]
        rows += [
            (_joules(self.energy_attributed_j), "attributed", "to this process and its descendants"),
            (f"{self.duration_s:,.3f} s", "elapsed", f"{self.cpu_s:,.3f} s of processor time"),
            *(("", "flag", flag) for flag in self.flags),
        ]
        cells = "".join(
            f"<tr><td style='text-align:right;white-space:nowrap'>{value}</td><td>{html.escape(name)}</td>"
            f"<td style='text-align:left'>{html.escape(words)}</td></tr>"
            for value, name, words in rows
        )
        return f"<table><caption>Energy of {html.escape(self.name)}</caption>{cells}</table>"

    @model_serializer(mode="wrap")
    def _add_properties(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {**handler(self), **{name: getattr(self, name) for name in _DERIVED}}

    @model_validator(mode="before")
    @classmethod
    def _leave_out_properties(cls, data: Any) -> Any:
        return {key: data[key] for key in data if key not in _DERIVED} if isinstance(data, dict) else data


def _joules(energy_j: float | None) -> str:
    return "missing" if energy_j is None else f"{significant(energy_j)} J"


def significant(energy_j: float) -> str:
    """Joules to three digits, as far as a modelled energy is known at all."""
    return (
        f"{energy_j:,.{max(0, 2 - math.floor(math.log10(energy_j)))}f}" if energy_j > 0 else f"{energy_j:g}"
    )
