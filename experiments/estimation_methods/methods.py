"""Estimates of a run's energy in kilowatt-hours, each a pure function of known facts about the run.

`METHODS` lists them. A function raises Unavailable if the run lacks an input; no default replaces it.
Sources:

- Henderson et al. 2020, "Towards the Systematic Reporting of the Energy and Carbon Footprints of Machine
  Learning", section 4 and the scripts published with it.
- Strubell et al. 2019, "Energy and Policy Considerations for Deep Learning in NLP".
- Lannelongue et al. 2021, "Green Algorithms: Quantifying the Carbon Footprint of Computation".
- Lacoste et al. 2019, "Quantifying the Carbon Emissions of Machine Learning".
- Amodei and Hernandez 2018, "AI and Compute".
- Williams, Waterman and Patterson 2009, "Roofline: An Insightful Visual Performance Model for Multicore
  Architectures".
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from joules.instrument.carbon import JOULES_PER_KWH
from joules.power.memory import GREEN_ALGORITHMS_W
from joules.power.models import SERVER_FLOOR_W, UNKNOWN_PROCESSOR_W_PER_THREAD

# Mean power usage effectiveness of data centres: Uptime Institute 2018 (used by Strubell et al. and by
# Henderson et al.), and the value of the Green Algorithms calculator.
PUE_2018 = 1.58
PUE_GREEN_ALGORITHMS = 1.67
_A_THIRD = 0.33


class Unavailable(Exception):
    """An input of the estimate is unknown for this run; the message names it."""


@dataclass(frozen=True)
class Known:
    """Inputs of estimates for a run. None: unknown, or the machine has no such part.

    Energies are in joules over the run's window, including idle; `idle_power_w` is the power of the whole
    machine when idle. `cpu_load` is the mean load of all cores together (0 to 1), `job_cpu_s` the processor
    time of the job, `gpu_load` the mean share of the window in which the GPUs worked. `power_w` is the whole
    machine's power as steps of (start in seconds, watts). `flops` are the operations of the whole run,
    `roofline_s` the time that a roofline by operator with launches predicts for it.
    """

    duration_s: float
    whole_j: float | None = None
    attributed_j: float | None = None
    idle_power_w: float | None = None
    domains_j: Mapping[str, float] = field(default_factory=dict)
    job_memory_j: float | None = None
    modelled_j: float | None = None
    power_w: tuple[tuple[float, float], ...] = ()
    cpu_tdp_w: float | None = None
    gpu_tdp_w: float | None = None
    cores: int | None = None
    memory_gib: float | None = None
    cpu_load: float | None = None
    job_cpu_s: float | None = None
    gpu_load: float | None = None
    flops: float | None = None
    published_flops: float | None = None
    peak_flops_per_s: float | None = None
    roofline_s: float | None = None


T = TypeVar("T")


def _need(value: T | None, words: str) -> T:
    if value is None:
        raise Unavailable(words)
    return value


def _kwh(energy_j: float) -> float:
    return energy_j / JOULES_PER_KWH


def whole_machine(run: Known) -> float:
    """Sum over the metered domains. All other estimates are compared with it."""
    return _kwh(_need(run.whole_j, "the machine's energy was not read"))


def net_of_idle(run: Known) -> float:
    """`E - P_idle t`, with the idle power of the machine just before and after its block."""
    return whole_machine(run) - _kwh(_need(run.idle_power_w, "idle power was not read") * run.duration_s)


def attributed(run: Known) -> float:
    """`PUE sum(share x e)` over processes and domains (Henderson et al. 2020, equation 1)."""
    return PUE_2018 * _kwh(_need(run.attributed_j, "a domain has no share for the job"))


def gpu_only(run: Known) -> float:
    """Energy of the GPUs alone, as read."""
    gpus_j = [energy for domain, energy in run.domains_j.items() if domain.startswith("gpu")]
    if not gpus_j:
        raise Unavailable("no GPU")
    return _kwh(sum(gpus_j))


def cpu_only(run: Known) -> float:
    """Energy of the processor alone, as read."""
    return _kwh(_need(run.domains_j.get("cpu"), "the processor was not read"))


def sampled(run: Known, period_s: float) -> float:
    """Power read every `period_s` from the window's start, each value held until the next read."""
    if not run.power_w:
        raise Unavailable("power was not recorded")
    begins, watts = zip(*run.power_w, strict=True)
    energy_j = 0.0
    for number in range(math.ceil(run.duration_s / period_s)):
        at_s = number * period_s
        current = max(bisect.bisect_right(begins, at_s) - 1, 0)
        energy_j += watts[current] * min(period_s, run.duration_s - at_s)
    return _kwh(energy_j)


def _every(period_s: float) -> Callable[[Known], float]:
    return lambda run: sampled(run, period_s)


def tdp_time(run: Known) -> float:
    """`t TDP` of the computing device: the GPUs, or the processor without GPUs (Henderson et al. 2020)."""
    return _kwh(run.duration_s * _device_tdp_w(run))


def third_tdp_time(run: Known) -> float:
    """`.33 t TDP`: the same at an assumed utilisation of a third (Amodei and Hernandez 2018)."""
    return _A_THIRD * tdp_time(run)


def device_hours_tdp(run: Known) -> float:
    """`h TDP`, with h the time for which the device worked for the job (Henderson et al. 2020)."""
    if run.gpu_tdp_w is not None:
        busy_s = _need(run.gpu_load, "the GPU's utilisation was not read") * run.duration_s
    else:
        cores = _need(run.cores, "the number of cores is not known")
        busy_s = _need(run.job_cpu_s, "processor time was not read") / cores
    return _kwh(busy_s * _device_tdp_w(run))


def load_tdp(run: Known) -> float:
    """`t sum(load x TDP)` over processor and GPUs; the load includes other processes."""
    tdp_w = _need(run.cpu_tdp_w, "the processor's TDP is not known")
    power_w = _need(run.cpu_load, "the load was not read") * tdp_w
    if run.gpu_tdp_w is not None:
        power_w += _need(run.gpu_load, "the GPU's utilisation was not read") * run.gpu_tdp_w
    return _kwh(power_w * run.duration_s)


def counted_flops(run: Known) -> float:
    """`FLOPs / (peak FLOPS / TDP)`, operations counted (Amodei and Hernandez 2018; Henderson et al. 2020)."""
    return _flops_over_flops_per_watt(run, _need(run.flops, "operations were not counted"))


def published_flops(run: Known) -> float:
    """`FLOPs / (peak FLOPS / TDP)` with a published count of the network's operations."""
    return _flops_over_flops_per_watt(run, _need(run.published_flops, "no published count of operations"))


def roofline(run: Known) -> float:
    """`t TDP` with the time that a roofline predicts (Williams et al. 2009).

    Needs no clock, only the machine's limits and a list of operators.
    """
    predicted_s = _need(run.roofline_s, "no list of operators, or the machine's limits were not measured")
    return _kwh(predicted_s * _device_tdp_w(run))


def green_algorithms(run: Known) -> float:
    """`t (n_c P_c u_c + n_mem P_mem) PUE` at full use, P_mem .3725 W/GB, PUE 1.67 (Lannelongue et al. 2021).

    `n_c P_c` is the TDP of all cores and GPUs; memory is all installed memory. The size in GB that a memory
    module is sold as is its capacity in GiB.
    """
    memory_gb = _need(run.memory_gib, "installed memory is not known")
    processors_w = _need(run.cpu_tdp_w, "the processor's TDP is not known") + (run.gpu_tdp_w or 0.0)
    power_w = processors_w + GREEN_ALGORITHMS_W * memory_gb
    return PUE_GREEN_ALGORITHMS * _kwh(power_w * run.duration_s)


def ml_co2_impact(run: Known) -> float:
    """`t TDP` of the device, without overhead (Lacoste et al. 2019)."""
    return tdp_time(run)


def strubell(run: Known) -> float:
    """`PUE t (p_c + p_r + g p_g)`, mean powers of processor, memory and GPUs (Strubell et al. 2019)."""
    if not run.domains_j:
        raise Unavailable("no power was read")
    return PUE_2018 * _kwh(sum(run.domains_j.values()))


def codecarbon_machine(run: Known) -> float:
    """CodeCarbon's model of processor and memory, `t (TDP (.1 + .9 load^3) + P_ram)`, and metered GPUs."""
    modelled_j = _need(run.modelled_j, "CodeCarbon did not run")
    return _kwh(modelled_j + sum(e for domain, e in run.domains_j.items() if domain.startswith("gpu")))


def codecarbon_process(run: Known) -> float:
    """CodeCarbon's process mode: `TDP x job's processor time / cores`, memory share, metered GPUs.

    This is linear in the load; the machine mode is cubic. Memory is divided by the job's share.
    """
    cores = _need(run.cores, "the number of cores is not known")
    busy_s = _need(run.job_cpu_s, "processor time was not read") / cores
    processor_j = _need(run.cpu_tdp_w, "the processor's TDP is not known") * busy_s
    memory_j = _need(run.job_memory_j, "the job's memory was not read")
    return _kwh(processor_j + memory_j) + _gpu_kwh(run)


def active_share(run: Known) -> float:
    """Kepler's division: the job's share, by processor time, of the processor's energy times its load.

    Idle energy is attributed to no process. The energy of GPUs is added whole.
    """
    load = _need(run.cpu_load, "the load was not read")
    cores = _need(run.cores, "the number of cores is not known")
    busy_s = load * cores * run.duration_s
    share = min(_need(run.job_cpu_s, "processor time was not read") / busy_s, 1.0) if busy_s > 0 else 0.0
    return cpu_only(run) * load * share + _gpu_kwh(run)


def per_thread(run: Known) -> float:
    """`t x 4 W x threads`: CodeCarbon's fallback for an unknown processor, at full load."""
    return _kwh(
        run.duration_s * UNKNOWN_PROCESSOR_W_PER_THREAD * _need(run.cores, "the number of cores is not known")
    )


def floored(run: Known) -> float:
    """`max(gpu + cpu, 50 W t)`: the rule of the leaderboard cybertronai/wikitext."""
    if "cpu" not in run.domains_j:
        raise Unavailable("the processor was not read")
    return max(cpu_only(run) + _gpu_kwh(run), _kwh(SERVER_FLOOR_W * run.duration_s))


def _gpu_kwh(run: Known) -> float:
    return _kwh(sum(energy for domain, energy in run.domains_j.items() if domain.startswith("gpu")))


def _device_tdp_w(run: Known) -> float:
    if run.gpu_tdp_w is not None:
        return run.gpu_tdp_w
    return _need(run.cpu_tdp_w, "the processor's TDP is not known")


def _flops_over_flops_per_watt(run: Known, flops: float) -> float:
    peak = _need(run.peak_flops_per_s, "the device's peak is not known")
    return _kwh(flops / (peak / _device_tdp_w(run)))


Equipment = Literal["clock", "load", "operations", "power", "meter"]

EQUIPMENT: dict[Equipment, str] = {
    "clock": "a clock and a data sheet",
    "load": "also the load or the processor time",
    "operations": "also a count of operations",
    "power": "power read now and then",
    "meter": "an energy meter or model",
}


@dataclass(frozen=True)
class Method:
    """An estimate: its function, its name in figures and the equipment that it needs."""

    estimate: Callable[[Known], float]
    words: str
    needs: Equipment


REFERENCE = "whole_machine"
METHODS: dict[str, Method] = {
    REFERENCE: Method(whole_machine, "whole machine (reference)", "meter"),
    "tdp_time": Method(tdp_time, "TDP x time", "clock"),
    "third_tdp_time": Method(third_tdp_time, ".33 x TDP x time", "clock"),
    "per_thread": Method(per_thread, "4 W a thread x time", "clock"),
    "green_algorithms": Method(green_algorithms, "Green Algorithms", "clock"),
    "ml_co2_impact": Method(ml_co2_impact, "ML CO2 Impact", "clock"),
    "load_tdp": Method(load_tdp, "load x TDP x time", "load"),
    "device_hours_tdp": Method(device_hours_tdp, "device-hours x TDP", "load"),
    "codecarbon_process": Method(codecarbon_process, "CodeCarbon, process", "load"),
    "counted_flops": Method(counted_flops, "counted FLOPs / (FLOPS/W)", "operations"),
    "published_flops": Method(published_flops, "published FLOPs / (FLOPS/W)", "operations"),
    "roofline": Method(roofline, "roofline x TDP", "operations"),
    "strubell": Method(strubell, "Strubell et al.", "power"),
    "sampled_0.1s": Method(_every(0.1), "power every 0.1 s", "power"),
    "sampled_1s": Method(_every(1.0), "power every 1 s", "power"),
    "sampled_10s": Method(_every(10.0), "power every 10 s", "power"),
    "sampled_15s": Method(_every(15.0), "power every 15 s", "power"),
    "net_of_idle": Method(net_of_idle, "net of idle", "meter"),
    "attributed": Method(attributed, "attributed x PUE", "meter"),
    "gpu_only": Method(gpu_only, "GPU only", "meter"),
    "cpu_only": Method(cpu_only, "processor only", "meter"),
    "codecarbon_machine": Method(codecarbon_machine, "CodeCarbon, machine", "meter"),
    "active_share": Method(active_share, "active share (Kepler)", "meter"),
    "floored": Method(floored, "max(GPU + CPU, 50 W t)", "meter"),
}
