"""The whole machine's energy over a window under every power model."""

from __future__ import annotations

from collections.abc import Sequence

from joules.instrument.host.contention import Contention
from joules.instrument.host.machine import Machine
from joules.instrument.reading import Reading, primary
from joules.models import Closed
from joules.power.models import POWER_MODELS, power_w
from joules.power.servers import recognize_servers
from joules.power.use import DOMAINS, MEMORY, PROCESSORS, NotCovered, Use, parse_tdp_w


class Estimate(Closed):
    """Joules of the whole machine under a model, or why it says nothing of it."""

    model: str
    words: str
    energy_j: float | None
    gap: str | None


def modelled_domains(readings: Sequence[Reading]) -> frozenset[str]:
    """Parts of the machine whose energy is modelled in these readings."""
    return DOMAINS & {reading.domain for reading in primary(readings) if reading.provenance == "modelled"}


def use_of_window(
    readings: Sequence[Reading], contention: Contention, machine: Machine, duration_s: float
) -> Use:
    """What a window's readings and its machine say to the models."""
    modelled = {r.domain: r for r in readings if r.scope == "machine" and r.provenance == "modelled"}
    processors, memory = modelled.get(PROCESSORS), modelled.get(MEMORY)
    memory_j = memory.energy_j if memory else None
    return Use(
        busy_cores=contention.busy_cores,
        threads=machine.logical_cores,
        memory_gib=machine.memory_gib,
        tdp_w=parse_tdp_w(processors.detail) if processors else None,
        memory_w=None if memory_j is None else memory_j / duration_s,
        servers=recognize_servers(machine.identity),
    )


def estimate_energies(
    readings: Sequence[Reading],
    contention: Contention,
    machine: Machine,
    duration_s: float,
    floor_power_w: float,
) -> list[Estimate]:
    """The whole machine's energy over a window under every model; none where nothing of it is modelled, or
    where a part could not be read."""
    domains, parts = modelled_domains(readings), primary(readings)
    if not domains or any(part.energy_j is None for part in parts):
        return []
    read_j = sum(part.energy_j or 0.0 for part in parts if part.domain not in domains)
    known = use_of_window(readings, contention, machine, duration_s)
    made = []
    for name, model in POWER_MODELS.items():
        try:
            watts = sum(power_w(model, known, domains).values())
        except NotCovered as gap:
            made.append(Estimate(model=name, words=model.words, energy_j=None, gap=str(gap)))
        else:
            energy_j = max(read_j + float(watts) * duration_s, floor_power_w * duration_s)
            made.append(Estimate(model=name, words=model.words, energy_j=energy_j, gap=None))
    return made
