"""NVIDIA GPUs through the simulated driver."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pynvml

from joules.instrument.sources.nvml import Nvml
from validation.laboratory.curve import constant, square, steps
from validation.laboratory.machine import KnownProcessor, Machine
from validation.laboratory.nvidia import NvidiaGpu
from validation.laboratory.situation import Reported, Situation, energies_j

_PROCESSOR_W = constant(20.0)
_START_S, _END_S = 2.0, 7.0
_OUR_PID, _OTHER_PID = 4_100_001, 4_100_002
_LOST, _RESET = pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED
_FOREVER_S = 1e9


def _measured(
    machine: Machine,
    gpus: Sequence[NvidiaGpu],
    start_s: float = _START_S,
    end_s: float = _END_S,
    job_truth_j: float | None = None,
    same_process_ids: bool = True,
    covered: Sequence[str] = (),
) -> Reported:
    nvml = Nvml(machine.host, same_process_ids=lambda: same_process_ids)
    sources = [nvml] if covered else [nvml, KnownProcessor(machine.clock, _PROCESSOR_W)]
    measured = machine.measure(sources, start_s, end_s)
    curves = {f"gpu{place}": gpu.curve for place, gpu in enumerate(gpus)}
    if not covered:
        curves["cpu"] = _PROCESSOR_W
    return Reported(measured, energies_j(curves, start_s, end_s), job_truth_j)


def _with(
    *gpus: NvidiaGpu, start_s: float = _START_S, end_s: float = _END_S
) -> Callable[[Machine], Reported]:
    """A situation in which the driver shows these GPUs."""

    def run(machine: Machine) -> Reported:
        machine.add_gpus(*gpus)
        return _measured(machine, gpus, start_s, end_s)

    return run


def _failing_driver(
    init_code: int = 0, count_code: int = 0, gpus: Sequence[NvidiaGpu] = ()
) -> Callable[[Machine], Reported]:
    """A situation in which the system shows a GPU and the driver fails."""
    shown = NvidiaGpu(constant(100.0))

    def run(machine: Machine) -> Reported:
        machine.add_files({"dev/nvidia0": "", "dev/nvidiactl": ""})
        machine.add_gpus(*gpus, init_code=init_code, count_code=count_code)
        return _measured(machine, [shown])

    return run


def _shared(
    gpus: Sequence[NvidiaGpu],
    job_truth_j: float,
    pids: Sequence[int] = (_OUR_PID,),
    environment: dict[str, str] | None = None,
    same_process_ids: bool = True,
) -> Callable[[Machine], Reported]:
    """A situation in which a job has processes on GPUs and its share is read."""

    def run(machine: Machine) -> Reported:
        machine.add_gpus(*gpus)
        machine.job.pids = set(pids)
        machine.busy_cores = machine.job_cores = 1.0
        with _environment(environment or {}):
            return _measured(machine, gpus, job_truth_j=job_truth_j, same_process_ids=same_process_ids)

    return run


@contextmanager
def _environment(added: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        os.environ.pop(name, None)
    os.environ.update(added)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _uses(*shares: tuple[int, int], every_s: float = 0.25) -> list[tuple[float, int, int]]:
    """Samples of use as (process, per cent), at equal intervals."""
    count = int(_END_S / every_s) + 4
    return [(every_s * i, pid, percent) for i in range(count) for pid, percent in shares]


def short_windows(machine: Machine, every_s: float) -> Reported:
    """The last of several windows of one second by one meter."""
    gpu = NvidiaGpu(constant(250.0), counter_every_s=every_s, sensor_every_s=None, average_s=None)
    machine.add_gpus(gpu)
    return _measured(machine, [gpu], 5.37, 6.37)


_GPU = NvidiaGpu(constant(250.0))
_NO_SENSOR = dataclasses.replace(_GPU, sensor_every_s=None, average_s=None)
_NO_COUNTER = dataclasses.replace(_GPU, counter_every_s=None)
_STEP = steps((0.0, 80.0), (3.1, 400.0))
_CPU_J = 20.0 * (_END_S - _START_S)


def _gpu_j(*gpus: NvidiaGpu) -> float:
    return sum(gpu.curve.energy_j(_START_S, _END_S) for gpu in gpus)


def _eight() -> list[NvidiaGpu]:
    return [
        NvidiaGpu(constant(60.0 + 10.0 * place), uuid=f"GPU-{place:08d}-1111-2222-3333-444444444444")
        for place in range(8)
    ]


_READ = (
    Situation("one GPU", "square wave 80/400 W", _with(NvidiaGpu(square(80.0, 400.0, 0.87, 20.0))), "within"),
    Situation("eight GPUs", "60 to 130 W", _with(*_eight()), "within"),
    Situation("short window, counter of 100 ms", "1 s at 250 W", lambda m: short_windows(m, 0.1), "within"),
    Situation("short window, counter of 1 s", "1 s at 250 W", lambda m: short_windows(m, 1.0), "within"),
    Situation(
        "no counter",
        "instant power, step 80 to 400 W",
        _with(dataclasses.replace(_NO_COUNTER, curve=_STEP)),
        "within",
    ),
    Situation(
        "plain power, a mean over 1 s",
        "step 80 to 400 W in the window",
        _with(dataclasses.replace(_NO_COUNTER, curve=_STEP, sensor_every_s=None)),
        "within",
    ),
    Situation(
        "plain power, step at the end of the window",
        "80 W, from second 7 on 400 W",
        _with(dataclasses.replace(_NO_COUNTER, curve=steps((0.0, 80.0), (7.0, 400.0)), sensor_every_s=None)),
        "within",
    ),
    Situation(
        "plain power of an A100",
        "no mean, step 80 to 400 W",
        _with(
            dataclasses.replace(
                _NO_COUNTER,
                name="NVIDIA A100-SXM4-80GB",
                architecture=pynvml.NVML_DEVICE_ARCH_AMPERE,
                curve=_STEP,
                sensor_every_s=None,
                average_s=0.02,
            )
        ),
        "within",
    ),
)

_FAILING = (
    Situation(
        "counter stands still",
        "from the start",
        _with(dataclasses.replace(_GPU, frozen_from_s=0.0)),
        "flagged",
        "stood still",
    ),
    Situation(
        "counter stops in the window",
        "at second 4",
        _with(dataclasses.replace(_GPU, frozen_from_s=4.0)),
        "flagged",
        "stood still",
    ),
    Situation(
        "counter stands still, no sensor",
        "from the start",
        _with(dataclasses.replace(_NO_SENSOR, frozen_from_s=0.0)),
        "missing",
        "stood still",
    ),
    Situation(
        "counter begins anew",
        "at second 4",
        _with(dataclasses.replace(_GPU, counter_reset_s=4.0)),
        "flagged",
        "went backwards",
    ),
    Situation(
        "counter jumps ahead",
        "50 kJ at second 4",
        _with(
            dataclasses.replace(
                _GPU,
                extra={"energy": [(0.1 * i, 0, int(25e3 * i) + 50_000_000 * (i > 40)) for i in range(200)]},
            )
        ),
        "flagged",
        "jumped",
    ),
    Situation(
        "sensor fails half-way",
        "from second 4",
        _with(dataclasses.replace(_GPU, sensor_outages=[(4.0, _FOREVER_S, 999)])),
        "flagged",
        "could not be read",
    ),
    Situation(
        "counter fails half-way",
        "from second 4",
        _with(dataclasses.replace(_GPU, counter_outages=[(4.0, _FOREVER_S, 999)])),
        "flagged",
        "could not be read",
    ),
    Situation(
        "counter fails for 2 s",
        "from second 4",
        _with(dataclasses.replace(_NO_SENSOR, counter_outages=[(4.0, 6.0, 999)])),
        "flagged",
        "could not be read",
    ),
    Situation(
        "sensor shows spikes",
        "5 kW for .3 s",
        _with(dataclasses.replace(_NO_COUNTER, spikes=[(4.0, 4.3, 5000.0)])),
        "flagged",
        "more power than it can draw",
    ),
    Situation(
        "sensor shows nothing",
        "0 W for 2 s",
        _with(dataclasses.replace(_NO_COUNTER, spikes=[(4.0, 6.0, 0.0)])),
        "flagged",
        "reported 0 W",
    ),
    Situation(
        "GPU lost in the window",
        "one of two, from second 4",
        _with(_GPU, dataclasses.replace(_GPU, outages=[(4.0, _FOREVER_S, _LOST)])),
        "missing",
        "GPU is lost",
    ),
    Situation(
        "GPU lost for a second",
        "one of two, seconds 4 to 5",
        _with(_GPU, dataclasses.replace(_GPU, outages=[(4.0, 5.0, _LOST)])),
        "flagged",
        "GPU is lost",
    ),
    Situation(
        "GPU lost at the start",
        "one of two",
        _with(_GPU, dataclasses.replace(_GPU, outages=[(0.0, _FOREVER_S, _LOST)])),
        "missing",
        "GPU is lost",
    ),
    Situation(
        "GPU needs a reset",
        "one of two",
        _with(dataclasses.replace(_GPU, outages=[(0.0, _FOREVER_S, _RESET)]), _GPU),
        "missing",
        "nvidia-smi --gpu-reset",
    ),
    Situation(
        "GPUs cannot be counted",
        "device node is there",
        _failing_driver(count_code=999),
        "missing",
        "Unknown Error",
    ),
    Situation(
        "driver and library differ",
        "device node is there",
        _failing_driver(init_code=pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH),
        "missing",
        "version mismatch",
    ),
    Situation(
        "driver not loaded",
        "device node is there",
        _failing_driver(init_code=pynvml.NVML_ERROR_DRIVER_NOT_LOADED),
        "missing",
        "modprobe nvidia",
    ),
    Situation(
        "no right to open a GPU",
        "device node is there",
        _failing_driver(
            gpus=[dataclasses.replace(_GPU, extra={"handle": [(0.0, pynvml.NVML_ERROR_NO_PERMISSION, 0)]})]
        ),
        "missing",
        "Insufficient Permissions",
    ),
    Situation(
        "virtual GPU",
        "neither counter nor sensor",
        _with(dataclasses.replace(_NO_SENSOR, counter_every_s=None)),
        "missing",
        "virtual GPU",
    ),
    Situation(
        "driver before R510",
        "lists processes by the older call",
        _shared(
            [dataclasses.replace(_GPU, processes=[(0.0, _FOREVER_S, _OUR_PID)], uses=_uses((_OUR_PID, 60)))],
            _CPU_J + _gpu_j(_GPU),
        ),
        "within",
        driver="before R510",
    ),
)

_BOTH = [(0.0, _FOREVER_S, _OUR_PID), (0.0, _FOREVER_S, _OTHER_PID)]
_ALONE = [(0.0, _FOREVER_S, _OUR_PID)]
_BRIEF = [(0.35 * i, 0.35 * i + 0.3, _OUR_PID + 10 + i) for i in range(24)]
_MIG = ["MIG-11111111-2222-3333-4444-555555555555"]

_WHOSE = (
    Situation(
        "a job that uses 75 %",
        "next to another process",
        _shared(
            [dataclasses.replace(_GPU, processes=_BOTH, uses=_uses((_OUR_PID, 75), (_OTHER_PID, 25)))],
            _CPU_J + 0.75 * _gpu_j(_GPU),
        ),
        "flagged",
        "foreign-gpu",
    ),
    Situation(
        "a job that uses 25 %, at first",
        "another process uses all later",
        _shared(
            [
                dataclasses.replace(
                    _GPU,
                    processes=_BOTH,
                    uses=[
                        (at_s, pid, percent)
                        for at_s, pid, percent in _uses((_OUR_PID, 100), (_OTHER_PID, 100))
                        if (pid == _OUR_PID) == (at_s < 3.25)
                    ],
                )
            ],
            _CPU_J + 0.25 * _gpu_j(_GPU),
        ),
        "flagged",
        "foreign-gpu",
    ),
    Situation(
        "use that cannot be",
        "samples over 100 % and of unknown processes",
        _shared(
            [
                dataclasses.replace(
                    _GPU,
                    processes=_BOTH,
                    uses=_uses((_OUR_PID, 50), (_OTHER_PID, 50), (4_199_999, 90), (4_199_998, 3000)),
                )
            ],
            _CPU_J + 0.5 * _gpu_j(_GPU),
        ),
        "flagged",
        "left out of shares",
    ),
    Situation(
        "processes of .3 s, alone on the GPU",
        "each is listed for .3 s",
        _shared(
            [
                dataclasses.replace(
                    _GPU, processes=_BRIEF, uses=[(from_s + 0.2, pid, 80) for from_s, _, pid in _BRIEF]
                )
            ],
            _CPU_J + _gpu_j(_GPU),
            pids=[pid for _, _, pid in _BRIEF],
        ),
        "within",
    ),
    Situation(
        "own process ids, listed by them",
        "container; use is sampled by the host's",
        _shared(
            [dataclasses.replace(_GPU, processes=[(0.0, _FOREVER_S, 17)], uses=_uses((_OUR_PID, 60)))],
            _CPU_J + _gpu_j(_GPU),
            pids=[17],
            same_process_ids=False,
        ),
        "within",
    ),
    Situation(
        "own process ids, listed by the host's",
        "container",
        _shared(
            [dataclasses.replace(_GPU, processes=_BOTH, uses=_uses((_OUR_PID, 60), (_OTHER_PID, 40)))],
            _CPU_J + _gpu_j(_GPU),
            pids=[17],
            same_process_ids=False,
        ),
        "flagged",
        "host's process numbers",
    ),
    *(
        Situation(
            f"eight GPUs, the job sees {words}",
            " ".join(f"{name}={value}" for name, value in environment.items()),
            _shared(
                _eight(), _CPU_J + _gpu_j(*(_eight()[place] for place in places)), environment=environment
            ),
            "within",
        )
        for words, environment, places in (
            ("the third", {"CUDA_VISIBLE_DEVICES": "2"}, [2]),
            ("two by their UUIDs", {"CUDA_VISIBLE_DEVICES": "GPU-00000005,GPU-00000001-1111"}, [5, 1]),
            ("none", {"CUDA_VISIBLE_DEVICES": ""}, []),
        )
    ),
    Situation(
        "unlike GPUs, listed by index",
        "CUDA numbers the fastest first",
        _shared(
            [_GPU, dataclasses.replace(_GPU, name="NVIDIA T400")],
            _CPU_J + 2 * _gpu_j(_GPU),
            environment={"CUDA_VISIBLE_DEVICES": "1"},
        ),
        "flagged",
        "CUDA_DEVICE_ORDER",
    ),
    Situation(
        "one of four GPUs split by MIG, seen by the job",
        "all visible",
        _shared([_GPU, dataclasses.replace(_GPU, mig=_MIG), _GPU, _GPU], _CPU_J + 4 * _gpu_j(_GPU)),
        "flagged",
        "split by MIG",
    ),
    Situation(
        "one of four GPUs split by MIG, not seen",
        "CUDA_VISIBLE_DEVICES=0",
        _shared(
            [_GPU, dataclasses.replace(_GPU, mig=_MIG), _GPU, _GPU],
            _CPU_J + _gpu_j(_GPU),
            environment={"CUDA_VISIBLE_DEVICES": "0"},
        ),
        "within",
    ),
    Situation(
        "an instance of MIG",
        "CUDA_VISIBLE_DEVICES=MIG-1111…",
        _shared(
            [_GPU, dataclasses.replace(_GPU, mig=_MIG)],
            _CPU_J + _gpu_j(_GPU),
            environment={"CUDA_VISIBLE_DEVICES": _MIG[0][:12]},
        ),
        "flagged",
        "split by MIG",
    ),
)


def grace_hopper(machine: Machine) -> Reported:
    module = constant(400.0)
    gpu = NvidiaGpu(module, name="NVIDIA GH200 480GB", module=module)
    # The sensor covers only the GPU, the counter the whole module, so the sensor shows less.
    gpu = dataclasses.replace(gpu, extra={"instant": [(0.0, 0, 250_000)]})
    machine.add_gpus(gpu)
    nvml = Nvml(machine.host)
    measured = machine.measure([nvml, KnownProcessor(machine.clock, constant(100.0))], _START_S, _END_S)
    return Reported(measured, energies_j({"gpu0": module}, _START_S, _END_S))


SITUATIONS: tuple[Situation, ...] = (
    *_READ,
    Situation("Grace Hopper", "the counter is that of the module", grace_hopper, "within"),
    *_FAILING,
    *_WHOSE,
)
