"""Sensors of cards, sockets, boards and whole machines that kernel drivers show as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from joules.instrument.source import Host, Source
from joules.instrument.sources import battery, cray, hwmon
from validation.laboratory.curve import Curve, constant, square, steps, total
from validation.laboratory.machine import KnownModel, KnownProcessor, Machine
from validation.laboratory.situation import Reported, Situation, energies_j
from validation.laboratory.tree import Content, Files

_HWMON = "sys/class/hwmon"
_START_S, _END_S = 2.0, 8.0
_PROCESSOR_W = constant(60.0)
_CARD_W = square(90.0, 250.0, 1.7, 20.0)
_BOARD_W = steps((0.0, 8.0), (5.0, 20.0))
_SERVER_W = steps((0.0, 150.0), (5.0, 260.0))


def _measured(
    machine: Machine,
    truth: Mapping[str, Curve],
    files: Sequence[Files],
    opener: Callable[[Host], Sequence[Source]] = hwmon.open_sources,
    other_sources: Sequence[str] = (),
) -> Reported:
    """Measure with the source that these files provide; `other_sources` names other sources to open."""
    for each in files:
        machine.add_files(each)
    others: dict[str, Source] = {
        "processor": KnownProcessor(machine.clock, _PROCESSOR_W),
        "models": KnownModel(machine.clock, {"cpu": 70.0, "dram": 9.0}),
    }
    sources = [*opener(machine.host), *(others[name] for name in other_sources)]
    measured = machine.measure(sources, _START_S, _END_S)
    return Reported(measured, energies_j(truth, _START_S, _END_S))


def _watts(curve: Curve, averaged_s: float = 0.0) -> Content:
    """Microwatts now, or a mean over the time before."""

    def text(at_s: float) -> str:
        if not averaged_s:
            return f"{float(curve.power_w(at_s)) * 1e6:.0f}\n"
        return f"{curve.energy_j(max(at_s - averaged_s, 0.0), at_s) / min(averaged_s, at_s or 1) * 1e6:.0f}\n"

    return text


def _microjoules(curve: Curve) -> Content:
    return lambda at_s: f"{float(curve.counted_j(int(at_s * 1000 + 1e-6) / 1000)) * 1e6 + 7e9:.0f}\n"


def _card(number: int, name: str, address: str, sensors: Files, device: str = "1002:744c") -> Files:
    folder = f"{_HWMON}/hwmon{number}"
    return {
        f"{folder}/name": f"{name}\n",
        f"{folder}/device/uevent": f"PCI_ID={device}\nPCI_SLOT_NAME={address}\n",
        **{f"{folder}/{file}": content for file, content in sensors.items()},
    }


def amd_card(machine: Machine) -> Reported:
    sensors: Files = {
        "power1_average": _watts(_CARD_W),
        "power1_cap": "300000000",
        "device/gpu_busy_percent": "80\n",
    }
    truth = {"cpu": _PROCESSOR_W, "gpu-amd0": _CARD_W}
    return _measured(
        machine, truth, [_card(3, "amdgpu", "0000:03:00.0", sensors)], other_sources=["processor"]
    )


def sleeping_amd_card(machine: Machine) -> Reported:
    """Switched off until 5 s; its sensor would show the power before."""
    curve = steps((0.0, 0.0), (5.0, 120.0))
    sensors: Files = {
        "power1_average": "120000000\n",
        "power1_cap": "300000000\n",
        "device/power/runtime_status": lambda t: "suspended\n" if t < 5 else "active\n",
    }
    truth = {"cpu": _PROCESSOR_W, "gpu-amd0": curve}
    return _measured(
        machine, truth, [_card(3, "amdgpu", "0000:03:00.0", sensors)], other_sources=["processor"]
    )


def amd_processor_with_gpu(machine: Machine) -> Reported:
    """The power is that of the whole package."""
    files = [_card(2, "amdgpu", "0000:e5:00.0", {"power1_input": _watts(_CARD_W)})]
    return _measured(machine, {"cpu": _CARD_W, "dram": constant(9.0)}, files, other_sources=["models"])


def mi300a(machine: Machine) -> Reported:
    """A package of processor, GPU and memory with a power limit; models are not added."""
    sensors: Files = {"power1_input": _watts(_CARD_W), "power1_cap": "550000000\n"}
    files = [_card(0, "amdgpu", "0000:01:00.0", sensors, device="1002:74A0")]
    return _measured(machine, {"gpu-amd0": _CARD_W}, files, other_sources=["models"])


def intel_cards(machine: Machine) -> Reported:
    """Two cards with counters; one also counts its package."""
    one: Files = {
        "energy1_input": _microjoules(_CARD_W),
        "energy1_label": "card\n",
        "energy2_input": _microjoules(constant(70.0)),
        "energy2_label": "pkg\n",
    }
    other: Files = {"energy1_input": _microjoules(constant(35.0))}
    files = [_card(1, "xe", "0000:03:00.0", one), _card(2, "i915", "0000:83:00.0", other)]
    truth = {"cpu": _PROCESSOR_W, "gpu-intel0": _CARD_W, "gpu-intel1": constant(35.0)}
    return _measured(machine, truth, files, other_sources=["processor"])


def amd_energy(machine: Machine) -> Reported:
    """Sockets, and their cores as parts."""
    sensors: dict[str, str | Content] = {"name": "amd_energy\n"}
    for core in range(4):
        sensors[f"energy{core + 1}_input"] = _microjoules(constant(10.0))
        sensors[f"energy{core + 1}_label"] = f"Ecore{core:03}\n"
    for socket in range(2):
        sensors[f"energy{socket + 5}_input"] = _microjoules(_CARD_W)
        sensors[f"energy{socket + 5}_label"] = f"Esocket{socket}\n"
    files = [{f"{_HWMON}/hwmon4/{file}": content for file, content in sensors.items()}]
    truth = {"cpu": total([_CARD_W, _CARD_W]), "dram": constant(9.0)}
    return _measured(machine, truth, files, other_sources=["models"])


def _power_meter(number: int, curve: Curve, label: str = "", averaged_s: float = 1.0) -> Files:
    folder = f"{_HWMON}/hwmon{number}"
    return {
        f"{folder}/name": "power_meter\n",
        f"{folder}/device/power1_average": _watts(curve, averaged_s),
        f"{folder}/device/power1_average_interval": f"{averaged_s * 1000:.0f}\n",
        f"{folder}/device/power1_oem_info": f"{label}\n",
    }


def acpi_power_meter(machine: Machine) -> Reported:
    """The whole machine; the processor, which is also read, is a part."""
    return _measured(
        machine, {"machine": _SERVER_W}, [_power_meter(0, _SERVER_W)], other_sources=["processor", "models"]
    )


def acpi_power_meter_below_parts(machine: Machine) -> Reported:
    """A meter labelled as the whole machine that reads less than its processor."""
    files = [_power_meter(0, constant(25.0))]
    return _measured(machine, {"machine": _SERVER_W}, files, other_sources=["processor", "models"])


def grace(machine: Machine) -> Reported:
    """Two sockets with memory, and the parts of each socket."""
    files = []
    for socket in range(2):
        for place, (label, watts) in enumerate((("Grace", 150.0), ("CPU", 110.0), ("SysIO", 20.0))):
            number = 3 * socket + place
            files.append(_power_meter(number, constant(watts), f"{label} Power Socket {socket}", 0.05))
    return _measured(machine, {"cpu": constant(300.0)}, files, other_sources=["models"])


def _rails(number: int, rails: Mapping[str, Curve]) -> Files:
    folder = f"{_HWMON}/hwmon{number}"
    files: dict[str, str | Content] = {f"{folder}/name": "ina3221\n"}
    for place, (label, curve) in enumerate(rails.items(), start=1):
        files[f"{folder}/in{place}_label"] = f"{label}\n"
        files[f"{folder}/in{place}_input"] = "5000\n"
        files[f"{folder}/curr{place}_input"] = _milliamperes(curve)
    return files


def _milliamperes(curve: Curve) -> Content:
    """At 5 V."""
    return lambda at_s: f"{float(curve.power_w(at_s)) / 5 * 1000:.0f}\n"


def jetson_with_input_rail(machine: Machine) -> Reported:
    rails = {"VDD_IN": _BOARD_W, "VDD_CPU_GPU_CV": constant(4.0), "VDD_SOC": constant(2.0)}
    return _measured(machine, {"machine": _BOARD_W}, [_rails(1, rails)], other_sources=["models"])


def jetson_without_input_rail(machine: Machine) -> Reported:
    rails = {"VDD_GPU_SOC": constant(9.0), "VDD_CPU_CV": constant(5.0), "VIN_SYS_5V0": constant(4.0)}
    return _measured(machine, {"machine": constant(18.0)}, [_rails(1, rails)], other_sources=["models"])


def _battery(plugged_in_at_s: float) -> Callable[[Machine], Reported]:
    def run(machine: Machine) -> Reported:
        folder = "sys/class/power_supply/BAT0"
        files: Files = {
            f"{folder}/type": "Battery\n",
            f"{folder}/status": lambda t: "Charging\n" if t >= plugged_in_at_s else "Discharging\n",
            f"{folder}/power_now": _watts(constant(15.0)),
            "sys/class/power_supply/AC/type": "Mains\n",
        }
        truth = {"machine": constant(15.0)}
        return _measured(machine, truth, [files], battery.open_sources, other_sources=["models"])

    return run


def cray_node(machine: Machine) -> Reported:
    """A node of 600 W with processor, memory and two accelerators, measured ten times a second."""
    parts = {
        "energy": constant(600.0),
        "cpu_energy": constant(90.0),
        "memory_energy": constant(30.0),
        "accel0_energy": constant(200.0),
        "accel1_energy": constant(210.0),
    }

    def counted(curve: Curve) -> Content:
        return lambda t: f"{float(curve.counted_j(int(t * 10 + 1e-6) / 10)) + 5000:.0f} J {int(t * 1e6)} us\n"

    files = [{f"sys/cray/pm_counters/{name}": counted(curve) for name, curve in parts.items()}]
    return _measured(
        machine, {"machine": parts["energy"]}, files, cray.open_sources, other_sources=["models"]
    )


_row = partial(Situation, driver="none")
SITUATIONS: tuple[Situation, ...] = (
    _row("card of AMD", "square wave 90/250 W by amdgpu", amd_card, "within"),
    _row("card of AMD that sleeps", "switched off until 5 s", sleeping_amd_card, "within"),
    _row("processor of AMD with a GPU", "amdgpu without a power limit", amd_processor_with_gpu, "within"),
    _row("MI300A", "amdgpu, processor and memory in the package", mi300a, "within"),
    _row("cards of Intel", "counters of xe and i915", intel_cards, "within"),
    _row("sockets of AMD", "amd_energy, 2 sockets with cores", amd_energy, "within"),
    _row("power meter of ACPI", "whole machine, mean over 1 s, 150 to 260 W", acpi_power_meter, "within"),
    _row(
        "power meter below its parts",
        "25 W, of which the processor 60 W",
        acpi_power_meter_below_parts,
        "flagged, off",
        "machine-below-parts",
    ),
    _row("Grace", "2 sockets, labelled power meters", grace, "within"),
    _row("Jetson", "input rail and its parts", jetson_with_input_rail, "within"),
    _row("Jetson without input rail", "3 rails", jetson_without_input_rail, "within"),
    _row("battery", "laptop that is not plugged in", _battery(99.0), "within"),
    _row("battery, then plugged in", "plugged in at 5 s", _battery(5.0), "flagged, off", "plugged in"),
    _row("node of HPE Cray", "node, processor, memory, 2 accelerators", cray_node, "within"),
)
