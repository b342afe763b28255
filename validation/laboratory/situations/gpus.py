"""NVIDIA GPUs through the simulated driver."""

from __future__ import annotations

from joules.instrument.sources import nvml
from validation.laboratory.curve import constant, square
from validation.laboratory.machine import KnownProcessor, Machine
from validation.laboratory.nvidia import NvidiaGpu
from validation.laboratory.situation import Reported, Situation, energies_j

_PROCESSOR_W = constant(20.0)
_START_S, _END_S = 2.0, 7.0


def _measured(
    machine: Machine, *gpus: NvidiaGpu, start_s: float = _START_S, end_s: float = _END_S
) -> Reported:
    machine.add_gpus(*gpus)
    sources = [*nvml.open_sources(machine.host), KnownProcessor(machine.clock, _PROCESSOR_W)]
    measured = machine.measure(sources, start_s, end_s)
    curves = {"cpu": _PROCESSOR_W, **{f"gpu{place}": gpu.curve for place, gpu in enumerate(gpus)}}
    return Reported(measured, energies_j(curves, start_s, end_s))


def one_gpu(machine: Machine) -> Reported:
    return _measured(machine, NvidiaGpu(square(80.0, 400.0, 0.87, 20.0)))


def eight_gpus(machine: Machine) -> Reported:
    return _measured(machine, *(NvidiaGpu(constant(100.0 + 10.0 * place)) for place in range(8)))


SITUATIONS: tuple[Situation, ...] = (
    Situation("one GPU", "square wave 80/400 W, counter every 100 ms", one_gpu, "within"),
    Situation("eight GPUs", "100 to 170 W, counters every 100 ms", eight_gpus, "within"),
)
