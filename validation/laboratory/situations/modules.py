"""Hardware that is read through its vendor's Python module, here simulated with the same functions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

from joules.instrument.sources import amdsmi, apple
from validation.laboratory.clock import Clock
from validation.laboratory.curve import Curve, constant, square, total
from validation.laboratory.machine import KnownModel, KnownProcessor, Machine
from validation.laboratory.situation import Reported, Situation, energies_j

_START_S, _END_S = 2.0, 8.0
_PROCESSOR_W = constant(60.0)
_CARD_W = square(90.0, 250.0, 1.7, 20.0)


class AmdSmiException(Exception):
    """Error of the simulated module."""


@dataclass(frozen=True)
class AmdCard:
    """An AMD GPU; with `curve` None it reports nothing, like the second die of an MI250."""

    name: str
    curve: Curve | None
    counter_stops_s: float = float("inf")


def amdsmi_module(clock: Clock, cards: Sequence[AmdCard]) -> ModuleType:
    """Simulated `amdsmi` with the functions that the meter calls; handles are indices into `cards`."""
    resolution_uj = 15.3

    def energy(handle: int) -> dict[str, Any]:
        curve = cards[handle].curve or constant(0.0)
        at_s = min(int(clock() * 1000 + 1e-6) / 1000, cards[handle].counter_stops_s)
        counts = int(float(curve.counted_j(at_s)) / (resolution_uj * 1e-6))
        return {"energy_accumulator": counts, "counter_resolution": resolution_uj, "timestamp": 0}

    def power(handle: int) -> dict[str, Any]:
        curve = cards[handle].curve
        watts = int(curve.power_w(clock())) if curve else "N/A"
        return {"current_socket_power": watts, "average_socket_power": "N/A"}

    module = ModuleType("amdsmi")
    functions = {
        "AmdSmiException": AmdSmiException,
        "amdsmi_init": lambda: None,
        "amdsmi_shut_down": lambda: None,
        "amdsmi_get_processor_handles": lambda: list(range(len(cards))),
        "amdsmi_get_gpu_device_bdf": lambda handle: f"0000:{handle:02x}:00.0",
        "amdsmi_get_gpu_asic_info": lambda handle: {"market_name": cards[handle].name},
        "amdsmi_get_energy_count": energy,
        "amdsmi_get_power_info": power,
        "amdsmi_get_gpu_activity": lambda _: {"gfx_activity": 75},
        "amdsmi_get_gpu_process_list": lambda _: [],
    }
    module.__dict__.update(functions)
    return module


def apple_module(clock: Clock, parts_w: dict[str, Curve | None]) -> ModuleType:
    """Simulated monitor of `zeus_apple_silicon`, with power by name of a metric."""

    def metrics() -> SimpleNamespace:
        counted = {
            name: curve and round(float(curve.counted_j(clock())) * 1000) for name, curve in parts_w.items()
        }
        return SimpleNamespace(**counted)

    module = ModuleType("zeus_apple_silicon")
    module.__dict__["AppleEnergyMonitor"] = lambda: SimpleNamespace(get_cumulative_energy=metrics)
    return module


def _amd(machine: Machine, *cards: AmdCard) -> Reported:
    sys.modules["amdsmi"] = amdsmi_module(machine.clock, cards)
    try:
        sources = [*amdsmi.open_sources(machine.host), KnownProcessor(machine.clock, _PROCESSOR_W)]
        measured = machine.measure(sources, _START_S, _END_S)
    finally:
        del sys.modules["amdsmi"]
    curves = {f"gpu-amd{place}": card.curve for place, card in enumerate(cards) if card.curve}
    return Reported(measured, energies_j({"cpu": _PROCESSOR_W, **curves}, _START_S, _END_S))


def two_cards(machine: Machine) -> Reported:
    return _amd(
        machine, AmdCard("AMD Instinct MI300X", _CARD_W), AmdCard("AMD Instinct MI300X", constant(140.0))
    )


def mi250(machine: Machine) -> Reported:
    """The first die reports for both."""
    both = total([_CARD_W, constant(120.0)])
    return _amd(machine, AmdCard("AMD INSTINCT MI250", both), AmdCard("AMD INSTINCT MI250", None))


def counter_stops(machine: Machine) -> Reported:
    return _amd(machine, AmdCard("AMD Instinct MI210", _CARD_W, counter_stops_s=4.0))


def apple_processor(machine: Machine) -> Reported:
    """The neural engine is off during the whole measurement."""
    parts = {
        "cpu_total_mj": square(2.0, 20.0, 1.3, 20.0),
        "dram_mj": constant(1.5),
        "gpu_mj": constant(11.0),
        "gpu_sram_mj": None,
        "ane_mj": constant(0.0),
    }
    sys.modules["zeus_apple_silicon"] = apple_module(machine.clock, parts)
    try:
        sources = [*apple.open_sources(machine.host), KnownModel(machine.clock, {"cpu": 70.0, "dram": 9.0})]
        measured = machine.measure(sources, _START_S, _END_S)
    finally:
        del sys.modules["zeus_apple_silicon"]
    truth = {
        "cpu": parts["cpu_total_mj"],
        "dram": parts["dram_mj"],
        "gpu-apple0": parts["gpu_mj"],
        "neural-engine": parts["ane_mj"],
    }
    return Reported(
        measured, energies_j({name: curve for name, curve in truth.items() if curve}, _START_S, _END_S)
    )


_row = partial(Situation, driver="none")
SITUATIONS: tuple[Situation, ...] = (
    _row("2 cards by amdsmi", "square wave 90/250 W, 140 W", two_cards, "within"),
    _row("MI250", "the first die reports for both", mi250, "within"),
    _row("card of AMD, counter stops", "at 4 s; its power goes on", counter_stops, "flagged", "stands still"),
    _row("processor of Apple", "processor, memory, GPU, idle neural engine", apple_processor, "within"),
)
