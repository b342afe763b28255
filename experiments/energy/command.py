"""`python -m experiments meter -- COMMAND ...`: joules of any command, as `perf stat` counts its cycles."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence

from experiments.energy import METER_VERSION, attribution, carbon, contention, machine
from experiments.energy.meter import Meter
from experiments.energy.reading import Reading, Total, primary, total
from experiments.energy.source import Source
from experiments.energy.sources.nvml import GpuUse, job_shares, use_of_gpus
from experiments.errors import UserError
from experiments.schema import Closed


class Metered(Closed):
    """What a metered command used. `exit_code` is the command's, 128 + n where signal n ended it."""

    command: list[str]
    exit_code: int
    duration_s: float
    meter_version: int
    machine: machine.Machine
    readings: list[Reading]
    idle_power_w: dict[str, float]
    total: Total | None
    contention: contention.Contention
    gpu_use: list[GpuUse]
    faults: list[str]
    impact: carbon.Impact | None


def meter_command(
    command: Sequence[str],
    sources: list[Source],
    idle_s: float,
    floor_power_w: float,
    grid: carbon.Grid,
    pue: float,
    price_usd_per_kwh: float,
) -> Metered:
    """Runs `command` to its end and meters it, after `idle_s` seconds of rest.

    An interrupt reaches the command, which may end in its own way; what was read until then is
    reported. Raises UserError where the command cannot be started.
    """
    contention.watch_descendants()
    with Meter(sources) as meter:
        idle_power_w = _idle(meter, idle_s)
        meter.sample()
        opened, start_s = contention.snapshot(), meter.now()
        exit_code = _run(command)
        meter.sample()
        end_s, closed = meter.now(), contention.snapshot()
        gpu_use = use_of_gpus(sources, opened.wall_s)
        meter.settle()
        readings = meter.readings(start_s, end_s)
        faults = meter.faults(start_s, end_s)
    use = contention.between(opened, closed)
    duration_s = end_s - start_s
    share = min(use.job_cpu_s / (use.busy_cores * duration_s or 1.0), 1.0)
    job = attribution.job_readings(readings, idle_power_w, duration_s, share, job_shares(gpu_use))
    whole = total(readings, duration_s, floor_power_w)
    return Metered(
        command=list(command),
        exit_code=exit_code,
        duration_s=duration_s,
        meter_version=METER_VERSION,
        machine=machine.describe(),
        readings=[*(reading for reading in readings if reading.scope == "machine"), *job],
        idle_power_w=idle_power_w,
        total=whole,
        contention=use,
        gpu_use=gpu_use,
        faults=faults,
        impact=carbon.impact(whole.energy_j, grid, pue, price_usd_per_kwh) if whole else None,
    )


def report(found: Metered, grid: carbon.Grid) -> str:
    """The readings as a table for a terminal."""
    lines = [
        "",
        f" Energy of '{' '.join(found.command)}' on a {found.machine.words}:",
        "",
    ]
    job = {reading.domain: reading for reading in found.readings if reading.scope == "job"}
    best = primary(found.readings)
    for reading in best:
        lines.append(_row(reading, found.duration_s, found.idle_power_w, job.get(reading.domain)))
    others = [r for r in found.readings if r.scope == "machine" and r not in best]
    lines += [_row(reading, found.duration_s, {}, None) + "  (cross-check)" for reading in others]
    lines.append("")
    if found.total is None:
        lines.append("  total energy is missing: a domain could not be read")
    else:
        floored = ", raised to the floor" if found.total.floored else ""
        lines.append(
            f"{found.total.energy_j:>14,.2f} J  total, +- {found.total.uncertainty_j:.2g} J, "
            f"{found.total.provenance}{floored}"
        )
    use = found.contention
    lines += [
        f"{found.duration_s:>14,.3f} s  elapsed",
        f"{use.job_cpu_s:>14,.3f} s  of processor time; other programs used {use.foreign()}",
        *([f"{use.job_instructions:>14,} instructions in user mode"] if use.job_instructions else []),
        *(_gpu_row(gpu) for gpu in found.gpu_use),
        *(f"  fault: {fault}" for fault in found.faults),
        "",
    ]
    if found.impact and found.total:
        lines += [f" {carbon.statement(found.impact, grid, found.total.provenance)}", ""]
    return "\n".join(lines)


def _row(reading: Reading, duration_s: float, idle_power_w: Mapping[str, float], job: Reading | None) -> str:
    if reading.energy_j is None:
        return f"{'missing':>14} J  {reading.domain}: {reading.detail}"
    net = ""
    if reading.domain in idle_power_w:
        net = f", {reading.energy_j - idle_power_w[reading.domain] * duration_s:,.2f} J above idle"
    own = f", {job.energy_j:,.2f} J its own" if job and job.energy_j is not None else ""
    return (
        f"{reading.energy_j:>14,.2f} J  {reading.domain} ({reading.energy_j / duration_s:.2f} W{net}{own}), "
        f"{reading.provenance}: {reading.detail}"
    )


def _gpu_row(gpu: GpuUse) -> str:
    load = "?" if gpu.load is None else f"{gpu.load:.0%}"
    own = "the driver does not say whose" if gpu.job_share is None else f"{gpu.job_share:.0%} of it its own"
    said = [f"{load:>14}    of the time {gpu.domain} worked, {own}"]
    if gpu.foreign_processes:
        said.append(f"processes {', '.join(map(str, gpu.foreign_processes))} used it too")
    if gpu.throttling:
        said.append(f"slowed by {', '.join(gpu.throttling)}")
    return "; ".join(said)


def _idle(meter: Meter, idle_s: float) -> dict[str, float]:
    """Power at rest by domain, in watts; empty where no rest was asked for."""
    if idle_s <= 0:
        return {}
    start_s = meter.now()
    time.sleep(idle_s)
    end_s = meter.now()
    meter.settle()
    return {
        reading.domain: reading.energy_j / (end_s - start_s)
        for reading in primary(meter.readings(start_s, end_s))
        if reading.energy_j is not None
    }


def _run(command: Sequence[str]) -> int:
    try:
        # Before the command starts: an interrupt in between must not lose the reading.
        with _interrupts_left_to_the_command():
            code = subprocess.Popen(command).wait()
    except FileNotFoundError:
        raise UserError(f"'{command[0]}' was not found: check its name and the PATH") from None
    except PermissionError:
        raise UserError(f"'{command[0]}' may not be executed: check its permissions") from None
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _interrupts_left_to_the_command() -> Iterator[None]:
    """Ctrl-C goes to the whole group of the terminal: the command decides, we report when it ends.

    A termination sent to us alone is passed on.
    """
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def pass_on(number: int, _frame: object) -> None:
        for child in contention.descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)

    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, pass_on)
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
