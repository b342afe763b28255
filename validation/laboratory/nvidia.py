"""NVIDIA GPUs with known power: compiles the simulated driver and writes its answers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pynvml

from validation.laboratory.clock import EPOCH_S
from validation.laboratory.curve import Curve

LIBRARY = "libnvidia-ml.so.1"
_SOURCE = Path(__file__).parent / "driver.c"
_UNTIL_S = 30.0

# (from second, to second, return code of NVML)
Outage = tuple[float, float, int]


class NoCompiler(Exception):
    """No C compiler, so the simulated driver cannot be compiled."""


def compile_driver(folder: Path, before_r510: bool = False) -> Path:
    """Compile the driver into `folder`, which LD_LIBRARY_PATH must name.

    Returns:
        The folder.

    Raises:
        NoCompiler: If there is no `cc`.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise NoCompiler("no C compiler: install cc")
    folder.mkdir(parents=True, exist_ok=True)
    defines = ["-DBEFORE_R510"] if before_r510 else []
    options = ["-shared", "-fPIC", "-O1", *defines, "-o", str(folder / LIBRARY)]
    subprocess.run([compiler, *options, str(_SOURCE)], check=True)
    return folder


@dataclass(frozen=True)
class NvidiaGpu:
    """A GPU that draws `curve`.

    `counter_every_s` and `sensor_every_s` are the update periods of the energy counter and of the sensor
    (None: not supported). `average_s` is the averaging time of the plain power query. `module` is the power
    of the module that contains the GPU. The counter stops at `frozen_from_s` and restarts at zero at
    `counter_reset_s`. `outages` are (from, to, code) during which every query fails; `counter_outages` and
    `sensor_outages` affect one query. `spikes` are (from, to, watts) that the sensor shows instead of the
    true power. `processes` are (from, to, pid); `uses` are (at, pid, per cent) as the driver samples them;
    `loads` are (at, per cent); `extra` replaces the steps (at, code, value) of any answer.
    """

    curve: Curve
    name: str = "NVIDIA H100 80GB HBM3"
    uuid: str = "GPU-00000000-0000-0000-0000-000000000000"
    architecture: int = pynvml.NVML_DEVICE_ARCH_HOPPER
    limit_w: float | None = 700.0
    counter_every_s: float | None = 0.1
    counter_phase_s: float = 0.03
    sensor_every_s: float | None = 0.02
    average_s: float | None = 1.0
    module: Curve | None = None
    frozen_from_s: float | None = None
    counter_reset_s: float | None = None
    outages: Sequence[Outage] = ()
    counter_outages: Sequence[Outage] = ()
    sensor_outages: Sequence[Outage] = ()
    spikes: Sequence[tuple[float, float, float]] = ()
    mig: Sequence[str] = ()
    processes: Sequence[tuple[float, float, int]] = ()
    uses: Sequence[tuple[float, int, int]] = ()
    loads: Sequence[tuple[float, int]] = ()
    extra: dict[str, list[tuple[float, int, int]]] = field(default_factory=dict)


def write_scenario(
    file: Path,
    gpus: Sequence[NvidiaGpu],
    version: str = "580.95.05",
    init_code: int = 0,
    count_code: int = 0,
    until_s: float = _UNTIL_S,
    start_s: float = 0.0,
    epoch_s: float = EPOCH_S,
) -> None:
    """Write the answers of the driver to `file`, for seconds `start_s` to `until_s` of its clock.

    Curves and instants of `gpus` count from `start_s`.
    """
    lines = [f"epoch {epoch_s!r}", f"version {version}"]
    lines += _series("init", [(0.0, init_code, 0)], 0.0) + _series("count", [(0.0, count_code, 0)], 0.0)
    for gpu in gpus:
        lines += [f"gpu {gpu.uuid} {gpu.name}", *(f"mig {uuid}" for uuid in gpu.mig)]
        for name, steps in _answers(gpu, until_s).items():
            lines += _series(name, _with_outages(steps, gpu.outages), start_s)
        lines.append(f"processes {len(gpu.processes)}")
        lines += [f"{from_s + start_s:.6f} {to_s + start_s:.6f} {pid}" for from_s, to_s, pid in gpu.processes]
        lines.append(f"uses {len(gpu.uses)}")
        lines += [f"{at_s + start_s:.6f} {pid} {percent}" for at_s, pid, percent in sorted(gpu.uses)]
        lines.append(f"loads {len(gpu.loads)}")
        lines += [f"{at_s + start_s:.6f} 0 {percent}" for at_s, percent in gpu.loads]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


Steps = list[tuple[float, int, int]]


def _series(name: str, steps: Steps, start_s: float) -> list[str]:
    return [
        f"series {name} {len(steps)}",
        *(f"{at_s + start_s:.6f} {code} {value}" for at_s, code, value in steps),
    ]


def _answers(gpu: NvidiaGpu, until_s: float) -> dict[str, Steps]:
    missing: Steps = [(0.0, pynvml.NVML_ERROR_NOT_SUPPORTED, 0)]
    sensed = _sensed(gpu, until_s)
    return {
        "handle": [(0.0, 0, 0)],
        "name": [(0.0, 0, 0)],
        "energy": missing if gpu.counter_every_s is None else _counted(gpu, gpu.counter_every_s, until_s),
        "instant": sensed or missing,
        "usage": missing if gpu.average_s is None else _averaged(gpu, gpu.average_s, until_s),
        "module": missing if gpu.module is None else _watts(gpu.module, until_s),
        "limit": missing if gpu.limit_w is None else [(0.0, 0, round(gpu.limit_w * 1e3))],
        "default_limit": missing if gpu.limit_w is None else [(0.0, 0, round(gpu.limit_w * 1e3))],
        "architecture": [(0.0, 0, gpu.architecture)],
        "mig": [(0.0, 0, int(bool(gpu.mig)))],
        "mode": [(0.0, 0, pynvml.NVML_COMPUTEMODE_DEFAULT)],
        "reasons": [(0.0, 0, 0)],
        "memory": [(0.0, 0, 80 * 1024**3)],
        "fields": [(0.0, 0, 0)],
        "list": [(0.0, 0, 0)],
        "utilization": [(0.0, 0, 0)],
        "temperature": [(0.0, 0, 50)],
        "rates": [(0.0, 0, 80)],
        **gpu.extra,
    }


def _counted(gpu: NvidiaGpu, every_s: float, until_s: float) -> Steps:
    instants = np.arange(gpu.counter_phase_s - every_s, until_s, every_s)
    shown_s = np.clip(instants, 0.0, gpu.frozen_from_s if gpu.frozen_from_s is not None else until_s)
    joules = gpu.curve.counted_j(shown_s) + 1e6
    if gpu.counter_reset_s is not None:
        joules -= (instants >= gpu.counter_reset_s) * (gpu.curve.counted_j(gpu.counter_reset_s) + 1e6)
    steps = [(at_s, 0, int(value * 1e3)) for at_s, value in zip(instants.tolist(), joules, strict=True)]
    return _with_outages(steps, gpu.counter_outages)


def _sensed(gpu: NvidiaGpu, until_s: float) -> Steps:
    if gpu.sensor_every_s is None:
        return []
    instants = np.arange(0.0, until_s, gpu.sensor_every_s)
    watts = gpu.curve.power_w(instants)
    for from_s, to_s, shown_w in gpu.spikes:
        watts = np.where((instants >= from_s) & (instants < to_s), shown_w, watts)
    steps = [(at_s, 0, round(value * 1e3)) for at_s, value in zip(instants.tolist(), watts, strict=True)]
    return _with_outages(steps, gpu.sensor_outages)


def _averaged(gpu: NvidiaGpu, span_s: float, until_s: float) -> Steps:
    """Mean power over the preceding span, with a new value every tenth of a second."""
    instants = np.arange(0.0, until_s, 0.1)
    # Before its first step a curve has the power of the first step.
    began_j = gpu.curve.counted_j(np.maximum(instants - span_s, 0.0))
    began_j = began_j + np.minimum(instants - span_s, 0.0) * gpu.curve.watts[0]
    watts = (gpu.curve.counted_j(instants) - began_j) / span_s
    steps = [(at_s, 0, round(value * 1e3)) for at_s, value in zip(instants.tolist(), watts, strict=True)]
    return _with_outages(steps, gpu.sensor_outages)


def _watts(curve: Curve, until_s: float) -> Steps:
    instants = np.arange(0.0, until_s, 0.02)
    return [
        (at_s, 0, round(w * 1e3)) for at_s, w in zip(instants.tolist(), curve.power_w(instants), strict=True)
    ]


def _with_outages(steps: Steps, outages: Sequence[Outage]) -> Steps:
    """Insert failures into steps; after a failure the answer is that of the current time."""
    for from_s, to_s, code in outages:
        before = [step for step in steps if step[0] < from_s]
        later = [step for step in steps if step[0] > to_s]
        last = [step for step in steps if step[0] <= to_s][-1:]
        resumed = [(to_s, last[0][1], last[0][2])] if last and np.isfinite(to_s) else []
        steps = [*before, (from_s, code, 0), *resumed, *later]
    return steps
