"""`joules meter -- COMMAND ...`: joules of any command, as `perf stat` counts its cycles."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence

from joules.errors import UserError
from joules.instrument import carbon
from joules.instrument.host import machine
from joules.instrument.host.contention import watch_descendants
from joules.instrument.host.gpus import GpuUse
from joules.instrument.host.processes import DESCENDANTS, descendants
from joules.instrument.measurement import Measurement
from joules.instrument.meter import Meter
from joules.instrument.reading import Reading
from joules.instrument.source import Source


class MeteredCommand(Measurement):
    """What a metered command used. `exit_code` is the command's, 128 + n where signal n ended it."""

    command: list[str]
    exit_code: int
    machine: machine.Machine
    impact: carbon.Impact | None


def meter_command(
    command: Sequence[str],
    grid: carbon.Grid,
    pue: float = 1.0,
    price_usd_per_kwh: float = carbon.PRICE_USD_PER_KWH,
    idle_s: float = 0.0,
    floor_w: float | None = None,
    sources: Sequence[Source] | None = None,
) -> MeteredCommand:
    """Runs `command` to its end and meters it, after `idle_s` seconds of rest.

    An interrupt reaches the command, which may end in its own way; what was read until then is
    reported. `sources` replaces what the machine has. Raises UserError where the command cannot be started.
    """
    watch_descendants()
    with (
        Meter(idle_s=idle_s, floor_w=floor_w, sources=sources, job=DESCENDANTS) as meter,
        meter.window(command[0]) as window,
    ):
        exit_code = _run(command)
    measured = window.measurement
    total = measured.total
    return MeteredCommand(
        **dict(measured),
        command=list(command),
        exit_code=exit_code,
        machine=machine.describe(),
        impact=carbon.impact(total.energy_j, grid, pue, price_usd_per_kwh) if total else None,
    )


def report(metered: MeteredCommand, grid: carbon.Grid) -> str:
    """The readings as a table for a terminal."""
    best, job = metered.domains, metered.job_domains
    others = [r for r in metered.readings if r.scope == "machine" and r not in best.values()]
    use = metered.contention
    lines = [
        "",
        f" Energy of '{' '.join(metered.command)}' on a {metered.machine.words}:",
        "",
        *(_row(reading, metered, job.get(domain)) for domain, reading in best.items()),
        *(_row(reading, None, None, metered.duration_s) + "  (cross-check)" for reading in others),
        "",
        _total_row(metered),
        f"{metered.duration_s:>14,.3f} s  elapsed",
        f"{use.job_cpu_s:>14,.3f} s  of processor time; other programs used {use.foreign_words}",
        *([f"{use.job_instructions:>14,} instructions in user mode"] if use.job_instructions else []),
        *(_gpu_row(gpu) for gpu in metered.gpu_use),
        *(f"  flag: {flag}" for flag in metered.flags),
        "",
    ]
    if metered.impact and metered.total:
        lines += [f" {carbon.statement(metered.impact, grid, metered.total.provenance)}", ""]
    return "\n".join(lines)


def _total_row(metered: MeteredCommand) -> str:
    total = metered.total
    if total is None:
        return "  total energy is missing: a domain could not be read"
    floored = ", raised to the floor" if total.floored else ""
    return f"{total.energy_j:>14,.2f} J  total, +- {total.uncertainty_j:.2g} J, {total.provenance}{floored}"


def _row(
    reading: Reading, metered: MeteredCommand | None, job: Reading | None, duration_s: float | None = None
) -> str:
    if reading.energy_j is None:
        return f"{'missing':>14} J  {reading.domain}: {reading.detail}"
    seconds = metered.duration_s if metered else duration_s or 0.0
    net = ""
    if metered and reading.domain in metered.idle_power_w:
        net = f", {reading.energy_j - metered.idle_power_w[reading.domain] * seconds:,.2f} J above idle"
    own = f", {job.energy_j:,.2f} J its own" if job and job.energy_j is not None else ""
    return (
        f"{reading.energy_j:>14,.2f} J  {reading.domain} ({reading.energy_j / seconds:.2f} W{net}{own}), "
        f"{reading.provenance}: {reading.detail}"
    )


def _gpu_row(gpu: GpuUse) -> str:
    load = "?" if gpu.load is None else f"{gpu.load:.0%}"
    own = "the driver does not say whose" if gpu.job_share is None else f"{gpu.job_share:.0%} of it its own"
    return f"{load:>14}    of the time {gpu.domain} worked, {own}"


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
        for child in descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)

    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, pass_on)
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
