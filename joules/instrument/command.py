"""`joules meter -- COMMAND ...`: joules of any command, as `perf stat` counts its cycles."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

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

# Where a signal came from: the kernel, on behalf of a terminal (SI_KERNEL of asm-generic/siginfo.h).
_FROM_KERNEL = 0x80
# How often we look where a library's thread has taken a signal that was for us.
_LOOK_S = 0.1


class MeteredCommand(Measurement):
    """What a metered command used. `exit_code` is the command's, 128 + n where signal n ended it;
    `still_running` are processes of it that had not ended when it had: what they use later is not in this.
    """

    command: list[str]
    exit_code: int
    still_running: int
    machine: machine.Machine
    impact: carbon.Impact | None


def meter_command(
    command: Sequence[str],
    grid: carbon.Grid,
    pue: float = 1.0,
    price_usd_per_kwh: float = carbon.PRICE_USD_PER_KWH,
    idle_s: float = 0.0,
    floor_w: float | None = None,
    wait: bool = False,
    sources: Sequence[Source] | None = None,
) -> MeteredCommand:
    """Runs `command` to its end and meters it, after `idle_s` seconds of rest; with `wait`, to the end of the
    last process it has left behind.

    An interrupt reaches the command, which may end in its own way; what was read until then is
    reported. `sources` replaces what the machine has. Raises UserError where the command cannot be started.
    """
    watch_descendants()
    with (
        Meter(idle_s=idle_s, floor_w=floor_w, sources=sources, job=DESCENDANTS) as meter,
        meter.window(command[0]) as window,
    ):
        exit_code, still_running = _run(command, wait)
    measured = window.measurement
    total = measured.total
    return MeteredCommand(
        **dict(measured),
        command=list(command),
        exit_code=exit_code,
        still_running=still_running,
        machine=machine.describe(),
        impact=carbon.impact(total.energy_j, grid, pue, price_usd_per_kwh) if total else None,
    )


def report(metered: MeteredCommand, grid: carbon.Grid) -> str:
    """The readings as a table for a terminal."""
    best, job = metered.domains, metered.attributed_domains
    others = [r for r in metered.readings if r.scope == "machine" and r not in best.values()]
    use = metered.contention
    lines = [
        "",
        f" Energy of '{' '.join(metered.command)}' on a {metered.machine.words}:",
        "",
        f"{metered.duration_s:>14,.3f} s  elapsed",
        f"{use.job_cpu_s:>14,.3f} s  of processor time; other programs used {use.foreign_words}",
        *(_row(reading, metered, job.get(domain)) for domain, reading in best.items()),
        *(_row(reading, None, None, metered.duration_s) + "  (cross-check)" for reading in others),
        "",
        _total_row(metered),
        *([f"{use.job_instructions:>14,} instructions in user mode"] if use.job_instructions else []),
        *(_gpu_row(gpu) for gpu in metered.gpu_use),
        *_left_behind(metered.still_running),
        *(f"  flag: {flag}" for flag in metered.flags),
        "",
    ]
    if metered.impact and metered.total:
        whole_j, band_j = metered.total.energy_j, metered.band_j
        factors = (band_j[0] / whole_j, band_j[1] / whole_j) if band_j and whole_j else None
        lines += [f" {carbon.statement(metered.impact, grid, metered.total.provenance, factors)}", ""]
    return "\n".join(lines)


def _total_row(metered: MeteredCommand) -> str:
    total = metered.total
    if total is None:
        return "  total energy is missing: a domain could not be read"
    floored = ", raised to the floor" if total.floored else ""
    doubt = f"+- {total.uncertainty_j:.2g} J"
    if metered.band_j is not None:
        low_j, high_j = metered.band_j
        covering = sum(each.energy_j is not None for each in metered.models)
        doubt = f"{low_j:,.2f} to {high_j:,.2f} J over {covering} models of power"
    return f"{total.energy_j:>14,.2f} J  total, {doubt}, {total.provenance}{floored}"


def _left_behind(count: int) -> list[str]:
    if not count:
        return []
    who = "1 process of it still runs: its" if count == 1 else f"{count} processes of it still run: their"
    return [f"  {who} energy from now on is not in this (see --wait)"]


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


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """The command as a child. Raises UserError where it cannot be started, with the reason."""
    program = command[0]
    try:
        return subprocess.Popen(command)
    except FileNotFoundError:
        raise UserError(_not_found(program)) from None
    except PermissionError:
        raise UserError(f"'{program}' may not be executed: check its permissions") from None
    except NotADirectoryError:
        raise UserError(f"'{program}' was not found: a part of its path is a file") from None
    except OSError as fault:
        if fault.errno == errno.ENOEXEC:
            raise UserError(
                f"'{program}' is nothing the system can execute: begin a script with '#!/bin/sh' or the like"
            ) from None
        raise UserError(f"'{program}' could not be started: {fault.strerror}") from None
    except ValueError as fault:
        raise UserError(f"the command cannot be started: {fault}") from None


def _not_found(program: str) -> str:
    """Why a program was not found, which may be a script whose interpreter was not."""
    path = shutil.which(program) or program
    try:
        with Path(path).open("rb") as file:
            first = file.readline(256)
    except (OSError, ValueError):
        first = b""
    if first.startswith(b"#!"):
        interpreter = first[2:].strip(b" \n").decode(errors="replace")
        if interpreter.endswith("\r"):
            return f"'{program}' cannot be executed: its lines end as on Windows, save it with Unix line ends"
        return f"'{program}' cannot be executed: its interpreter '{interpreter.strip()}' was not found"
    return f"'{program}' was not found: check its name and the PATH"


def _run(command: Sequence[str], wait: bool) -> tuple[int, int]:
    """Runs the command to its end, or to that of its last process where we `wait`; returns its exit status
    and how many of its processes still run.

    Signals that would end us are the command's to answer, and orphans of its processes are reaped as they
    end, so that they take no room and their time is counted.
    """
    # What nohup has had ignored is ignored, by the command too.
    hangup_is_ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    passed_on = {signal.SIGINT, signal.SIGTERM, *(() if hangup_is_ignored else (signal.SIGHUP,))}
    waited_for = {signal.SIGCHLD, *passed_on}
    code = None
    with _signals_noted(passed_on) as noted:
        process = _start(command)
        signal.pthread_sigmask(signal.SIG_BLOCK, waited_for)
        while True:
            for ended in _ended_children():
                if ended == process.pid:
                    code = process.wait()
                else:
                    os.waitpid(ended, 0)
            while noted:
                _pass_on(noted.pop(0))
            if code is not None and not (wait and descendants()):
                return (code if code >= 0 else 128 - code), len(descendants())
            came = signal.sigtimedwait(waited_for, _LOOK_S)
            # What the terminal sends has reached the command's group already.
            if came is not None and came.si_signo != signal.SIGCHLD and came.si_code != _FROM_KERNEL:
                _pass_on(came.si_signo)


@contextlib.contextmanager
def _signals_noted(passed_on: set[signal.Signals]) -> Iterator[list[int]]:
    """Notes signals in the list it yields instead of being ended by them: those that come while the command
    is started, which must not inherit that we block them, and those that other threads take."""
    noted: list[int] = []
    kept = {number: signal.getsignal(number) for number in (*passed_on, signal.SIGCHLD)}
    for number in passed_on:
        signal.signal(number, lambda came, _frame: noted.append(came))
    # A launcher may have had it ignored, and then no end of a child is told.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield noted
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD, *passed_on})
        for number, handler in kept.items():
            signal.signal(number, handler)


def _pass_on(number: int) -> None:
    """Sends a signal to every process of the command that we may send one to."""
    for child in descendants():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(child, number)


def _ended_children() -> Iterator[int]:
    """Process ids of children that have ended, each to be reaped before the next is asked for."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            yield ended.si_pid
