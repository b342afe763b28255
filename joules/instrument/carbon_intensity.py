"""Software Carbon Intensity (ISO/IEC 21031): operational and embodied carbon for a functional unit.

Embodied carbon of the machine, spread evenly over its lifetime:

- Server: Boavizta's bottom-up method, `data/factors.yml` of BoaviztAPI, in kg of CO2 equivalent: 6.68
  assembly, 150 case, 66.1 motherboard, 24.3 for a kg of two power supplies of 2.99 kg, 9.14 for a processor
  with 1.97 for each cm2 of its die at 0.245 cm2 a core, 5.22 for a memory module with 2.2 for each cm2 of its
  dies at 1.79 GB a cm2. Disks, transport and end of life are not included.
- GPU: 150 kg, Cloud Carbon Footprint, `cloud-carbon-coefficients`.
- Lifetime: 4 years, Cloud Carbon Footprint's for a rack server.
"""

from __future__ import annotations

import math

from joules.instrument.carbon import JOULES_PER_KWH, format_si
from joules.instrument.host.machine import Machine
from joules.models import Closed

LIFETIME_S = 4 * 365.25 * 24 * 3600.0
_FRAME_KG = 6.68 + 150.0 + 66.1 + 24.3 * 2 * 2.99
_PROCESSOR_KG, _DIE_KG_PER_CM2, _CORE_CM2 = 9.14, 1.97, 0.245
_MODULE_KG, _MEMORY_KG_PER_CM2, _MEMORY_GB_PER_CM2, _MODULE_GB = 5.22, 2.2, 1.79, 32
_GPU_KG = 150.0


class SoftwareCarbonIntensity(Closed):
    """Carbon of a measurement for a functional unit, in grams of CO2 equivalent.

    Attributes:
        operational_g: Energy times power usage effectiveness times intensity of the grid.
        embodied_g: The machine's embodied carbon times the share of its lifetime that was measured.
        machine_kg: Embodied carbon of the whole machine, in kilograms.
        units: Functional units of the measured work, such as inferences.
        intensity_g_per_kwh: Intensity of the grid.
    """

    operational_g: float
    embodied_g: float
    machine_kg: float
    units: float
    intensity_g_per_kwh: float

    @property
    def per_unit_g(self) -> float:
        """Carbon of one functional unit in grams."""
        return (self.operational_g + self.embodied_g) / self.units

    def __str__(self) -> str:
        return (
            f"Software Carbon Intensity (ISO/IEC 21031): {format_si(self.per_unit_g, 'g')} of CO2 equivalent "
            f"per functional unit (units: {self.units:g}; in total "
            f"{format_si(self.operational_g, 'g')} operational at {self.intensity_g_per_kwh:g} g/kWh and "
            f"{format_si(self.embodied_g, 'g')} embodied, of "
            f"{self.machine_kg:.0f} kg for the machine over 4 years; Boavizta's factors, without disks)"
        )


def embodied_kg(machine: Machine) -> float:
    """Embodied carbon of a machine in kilograms of CO2 equivalent; a virtual machine counts as a server of
    its own size."""
    # Two logical processors are a core.
    cores = max(machine.logical_cores / 2, 1.0)
    modules = math.ceil(max(machine.memory_gib, 1) / _MODULE_GB)
    return (
        _FRAME_KG
        + _PROCESSOR_KG
        + _DIE_KG_PER_CM2 * _CORE_CM2 * cores
        + _MODULE_KG * modules
        + _MEMORY_KG_PER_CM2 * machine.memory_gib / _MEMORY_GB_PER_CM2
        + _GPU_KG * len(machine.gpus)
    )


def measure_intensity(
    energy_j: float, duration_s: float, machine: Machine, intensity_g_per_kwh: float, pue: float, units: float
) -> SoftwareCarbonIntensity:
    """SCI = (E x I + M) per R, with M = TE x TS: total embodied carbon times the share of the lifetime.

    Args:
        energy_j: Energy of the whole machine in joules.
        duration_s: Time in which the machine was reserved for the work, in seconds.
        machine: The machine.
        intensity_g_per_kwh: Carbon intensity of its electricity.
        pue: Power usage effectiveness of the building.
        units: Functional units of the work.
    """
    machine_kg = embodied_kg(machine)
    return SoftwareCarbonIntensity(
        operational_g=energy_j / JOULES_PER_KWH * pue * intensity_g_per_kwh,
        embodied_g=1000 * machine_kg * duration_s / LIFETIME_S,
        machine_kg=machine_kg,
        units=units,
        intensity_g_per_kwh=intensity_g_per_kwh,
    )
