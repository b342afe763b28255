"""Measurements of commands in the formats of other tools: CodeCarbon's `emissions.csv`, BoAmps' JSON."""

from __future__ import annotations

import csv
import json
import uuid
from pathlib import Path
from typing import Any

from joules.errors import UserError
from joules.instrument.carbon import JOULES_PER_KWH, Grid
from joules.instrument.command import MeteredCommand
from joules.version import VERSION

# Fields of CodeCarbon's EmissionsData, version 3.3.
_EMISSIONS = (
    *("timestamp", "project_name", "run_id", "experiment_id", "duration", "emissions", "emissions_rate"),
    *("cpu_power", "gpu_power", "ram_power", "cpu_energy", "gpu_energy", "ram_energy", "energy_consumed"),
    *("water_consumed", "country_name", "country_iso_code", "region", "cloud_provider", "cloud_region"),
    *("os", "python_version", "codecarbon_version", "cpu_count", "cpu_model", "gpu_count", "gpu_model"),
    *("longitude", "latitude", "ram_total_size", "tracking_mode", "cpu_utilization_percent"),
    *("gpu_utilization_percent", "ram_utilization_percent", "ram_used_gb", "on_cloud", "pue", "wue"),
)
# Errors that BoAmps' words for quality stand for.
_QUALITY = ((0.10, "high"), (0.25, "medium"), (0.50, "low"))


def append_emissions(metered: MeteredCommand, grid: Grid, path: Path) -> None:
    """Appends a row to an `emissions.csv`, as CodeCarbon writes it. What is not known is empty.

    `codecarbon_version` names this meter, and `tracking_mode` how the energy was read.

    Raises:
        UserError: If there is no energy, or the file has other columns.
        OSError: If it cannot be written.
    """
    row = _emissions(metered, grid)
    is_new = not path.exists() or not path.stat().st_size
    if not is_new:
        with path.open(encoding="utf-8", newline="") as file:
            if tuple(next(csv.reader(file), ())) != _EMISSIONS:
                raise UserError(f"{path} has other columns than CodeCarbon 3.3 writes: choose another file")
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _EMISSIONS, restval="")
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def _emissions(metered: MeteredCommand, grid: Grid) -> dict[str, Any]:
    if metered.impact is None or metered.energy_j is None:
        raise UserError("the energy of a domain is missing: see 'joules doctor'")
    energy_j = {"gpu": 0.0, "ram": 0.0, "cpu": 0.0}
    for domain, reading in metered.domains.items():
        part = "gpu" if domain.startswith("gpu") else "ram" if domain == "dram" else "cpu"
        energy_j[part] += reading.energy_j or 0.0
    machine, emissions_kg = metered.machine, metered.impact.emissions_g / 1000
    return {
        "timestamp": metered.ended_at.partition(".")[0],
        "project_name": metered.name,
        "run_id": str(uuid.uuid4()),
        "duration": metered.duration_s,
        "emissions": emissions_kg,
        "emissions_rate": emissions_kg / metered.duration_s,
        **{f"{part}_power": part_j / metered.duration_s for part, part_j in energy_j.items()},
        **{f"{part}_energy": part_j / JOULES_PER_KWH for part, part_j in energy_j.items()},
        "energy_consumed": metered.energy_kwh,
        "country_name": grid.name,
        "country_iso_code": grid.region,
        "os": machine.system,
        "python_version": machine.python,
        "codecarbon_version": f"joules {VERSION}",
        "cpu_count": machine.logical_cores,
        "cpu_model": machine.processor,
        "gpu_count": len(machine.gpus),
        "gpu_model": ", ".join(gpu.name for gpu in machine.gpus),
        "ram_total_size": machine.memory_gib,
        "tracking_mode": f"machine, {metered.provenance}",
        "cpu_utilization_percent": 100 * _load(metered),
        "on_cloud": "N",
        "pue": metered.impact.pue,
    }


def describe_boamps(metered: MeteredCommand, grid: Grid) -> str:
    """A report in BoAmps' format (Boavizta, `model/report_schema.json`), as JSON.

    The task is what its author knows: stage, family, algorithm and data are to be completed.

    Raises:
        UserError: If there is no energy.
    """
    if metered.energy_kwh is None:
        raise UserError("the energy of a domain is missing: see 'joules doctor'")
    machine = metered.machine
    sources = sorted({(domain[:3] == "gpu", each.source) for domain, each in metered.domains.items()})
    of_gpus = ", ".join(source for is_gpu, source in sources if is_gpu)
    measure: dict[str, Any] = {
        "measurementMethod": f"joules ({metered.provenance})",
        "version": VERSION,
        "cpuTrackingMode": ", ".join(source for is_gpu, source in sources if not is_gpu),
        "averageUtilizationCpu": _load(metered),
        "powerConsumption": metered.energy_kwh,
        "measurementDuration": metered.duration_s,
        "measurementDateTime": _date(metered.began_at),
    }
    if of_gpus:
        measure["gpuTrackingMode"] = of_gpus
    components: list[dict[str, Any]] = [
        {"componentName": machine.processor, "componentType": "cpu", "nbComponent": 1},
        {"componentType": "ram", "nbComponent": 1, "memorySize": machine.memory_gib},
        *(
            {"componentName": gpu.name, "componentType": "gpu", "nbComponent": 1}
            | ({"memorySize": gpu.memory_gib} if gpu.memory_gib else {})
            for gpu in machine.gpus
        ),
    ]
    report: dict[str, Any] = {
        "header": {
            "reportId": str(uuid.uuid4()),
            "reportDatetime": _date(metered.ended_at),
            "reportStatus": "draft",
        },
        "task": {
            "taskStage": "unknown",
            "taskFamily": "unknown",
            "algorithms": [{}],
            "dataset": [{"dataUsage": "input", "dataType": "other"}],
            "taskDescription": " ".join(metered.command),
        },
        "measures": [measure],
        "system": {"os": machine.system},
        "software": {"language": "unknown"},
        "infrastructure": {"infraType": "other", "components": components},
        "environment": {"country": grid.name, "powerSourceCarbonIntensity": grid.intensity_g_per_kwh},
    }
    quality = _quality(metered)
    return json.dumps(report | ({"quality": quality} if quality else {}), indent=2) + "\n"


def _quality(metered: MeteredCommand) -> str | None:
    """BoAmps' word for the error of the energy; None if it is larger than all of them."""
    energy_j = metered.energy_j or 0.0
    factors = metered.interval_factors
    if factors is not None:
        error = max(1 - factors[0], factors[1] - 1)
    else:
        error = 2 * (metered.uncertainty_j or 0.0) / energy_j if energy_j else 1.0
    return next((word for limit, word in _QUALITY if error <= limit), None)


def _load(metered: MeteredCommand) -> float:
    """Share of the processors that worked, 0 to 1."""
    return min(metered.contention.busy_cores / metered.machine.logical_cores, 1.0)


def _date(utc: str) -> str:
    return utc.partition(".")[0].replace("T", " ")
