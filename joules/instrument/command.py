"""`joules meter -- COMMAND ...`: the energy of any command."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from joules.errors import UserError
from joules.instrument import carbon
from joules.instrument.carbon_intensity import SoftwareCarbonIntensity, measure_intensity
from joules.instrument.host import machine
from joules.instrument.host.contention import watch_descendants
from joules.instrument.host.processes import DESCENDANTS, descendants
from joules.instrument.measurement import Measurement
from joules.instrument.meter import Meter
from joules.instrument.source import Source
from joules.models import printable

# Origin of a signal that the kernel sends for a terminal (SI_KERNEL of asm-generic/siginfo.h).
_FROM_KERNEL = 0x80
# A program with one of these in its name is most likely a line that a shell was to read.
_SHELL_CHARACTERS = frozenset(" |&;<>$`*?\n\t")
# How often to check for a signal that a library's thread has received.
_CHECK_S = 0.1


class MeteredCommand(Measurement):
    """Energy of a metered command.

    Attributes:
        command: The command and its arguments.
        exit_code: Its exit status; 128 + n if signal n ended it.
        still_running: Number of its processes that were still running when it ended; what they use later is
            not measured.
        machine: The machine.
        notices: What its sources say of parts of the machine that they cannot read.
        impact: Price and emissions of the energy; None if the energy was not read.
        carbon_intensity: Software Carbon Intensity; None unless asked for.
    """

    command: list[str]
    exit_code: int
    still_running: int
    machine: machine.Machine
    notices: list[str]
    impact: carbon.Impact | None
    carbon_intensity: SoftwareCarbonIntensity | None = None


def meter_command(
    command: Sequence[str],
    grid: carbon.Grid,
    pue: float = 1.0,
    price_usd_per_kwh: float = carbon.PRICE_USD_PER_KWH,
    idle_s: float = 0.0,
    floor_w: float | None = None,
    wait: bool = False,
    sources: Sequence[Source] | None = None,
    without_gpu: bool = False,
    functional_units: float | None = None,
) -> MeteredCommand:
    """Runs a command and measures its energy.

    An interrupt is passed on to the command, and what was measured until then is returned.

    Args:
        command: The command and its arguments.
        grid: Electricity grid.
        pue: Power usage effectiveness of the building.
        price_usd_per_kwh: Price of electricity in US dollars per kWh.
        idle_s: Idle time measured before the command, in seconds.
        floor_w: Minimum power of the whole machine in watts; None for the default.
        wait: Wait for background processes of the command.
        sources: Sources of energy; None for all that this machine has.
        without_gpu: Leave GPUs out.
        functional_units: Functional units of the command for its Software Carbon Intensity; None for none.

    Raises:
        UserError: If the command cannot be started, or no energy can be read.
    """
    watch_descendants()
    with (
        Meter(
            idle_s=idle_s, floor_w=floor_w, sources=sources, job=DESCENDANTS, without_gpu=without_gpu
        ) as meter,
        meter.window(command[0]) as window,
    ):
        notices = [str(notice) for notice in meter.notices() if notice.level == "warning"]
        exit_code, still_running = run_command(command, wait)
    measured, here = window.measurement, machine.describe()
    total = measured.total
    return MeteredCommand(
        **dict(measured),
        command=list(command),
        exit_code=exit_code,
        still_running=still_running,
        machine=here,
        notices=notices,
        impact=carbon.impact(total.energy_j, grid, pue, price_usd_per_kwh) if total else None,
        carbon_intensity=measure_intensity(
            total.energy_j, measured.duration_s, here, grid.intensity_g_per_kwh, pue, functional_units
        )
        if total and functional_units
        else None,
    )


def _start(command: Sequence[str], output: int | None) -> subprocess.Popen[bytes]:
    """Starts the command; raises UserError with the reason if it cannot be started."""
    program = command[0]
    try:
        return subprocess.Popen(command, stdout=output)
    except FileNotFoundError:
        raise UserError(_not_found(program)) from None
    except PermissionError:
        raise UserError(f"no permission to execute '{program}': check its permissions") from None
    except NotADirectoryError:
        raise UserError(f"'{program}' not found: part of its path is a file, not a folder") from None
    except OSError as fault:
        if fault.errno == errno.ENOEXEC:
            raise UserError(
                f"'{program}' is not executable: if it is a script, add a '#!' line such as '#!/bin/sh'"
            ) from None
        raise UserError(f"cannot start '{program}': {fault.strerror}") from None
    except ValueError as fault:
        raise UserError(f"cannot start the command: {fault}") from None


def _not_found(program: str) -> str:
    """Why a program was not found; it may be a line for a shell, or a script whose interpreter is missing."""
    if not _SHELL_CHARACTERS.isdisjoint(program) and not Path(program).exists():
        line = shlex.quote(program)
        return (
            f"'{printable(program)}' is a line for a shell: write 'joules meter -- sh -c {printable(line)}'"
        )
    path = shutil.which(program) or program
    try:
        with Path(path).open("rb") as file:
            first = file.readline(256)
    except (OSError, ValueError):
        first = b""
    if first.startswith(b"#!"):
        interpreter = first[2:].strip(b" \n").decode(errors="replace")
        if interpreter.endswith("\r"):
            return f"cannot execute '{program}': it has Windows (CRLF) line endings, use Unix ones"
        return f"cannot execute '{program}': its interpreter '{interpreter.strip()}' was not found"
    return f"'{program}' not found: check its name and the PATH"


def run_command(command: Sequence[str], wait: bool, output: int | None = None) -> tuple[int, int]:
    """Runs a command to its end, or with `wait` to the end of its last process. Returns its exit status and
    the number of its processes that still run. `output` is its standard output, as of `subprocess.Popen`.

    Signals that would end this process are passed on to the command. Orphans of the command are reaped when
    they end, so that their processor time is counted.
    """
    # Under nohup this signal is ignored, by the command too.
    hangup_is_ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    passed_on = {signal.SIGINT, signal.SIGTERM, *(() if hangup_is_ignored else (signal.SIGHUP,))}
    waited_for = {signal.SIGCHLD, *passed_on}
    code = None
    with _collect_signals(passed_on) as collected:
        process = _start(command, output)
        signal.pthread_sigmask(signal.SIG_BLOCK, waited_for)
        while True:
            for ended in _ended_children(process):
                if ended == process.pid:
                    code = process.wait()
                else:
                    os.waitpid(ended, 0)
            while collected:
                forward_signal(collected.pop(0))
            if code is not None and not (wait and descendants()):
                return (code if code >= 0 else 128 - code), len(descendants())
            came = _wait_for_signal(waited_for)
            if came is not None:
                forward_signal(came)


def _wait_for_signal(waited_for: set[signal.Signals]) -> int | None:
    """Waits a moment for one of these signals, which are blocked. Returns the one to be passed on, if any."""
    if not hasattr(signal, "sigtimedwait"):
        time.sleep(_CHECK_S)
        pending = signal.sigpending() & waited_for
        number = signal.sigwait(pending) if pending else signal.SIGCHLD
        # Macs do not say where it came from: an interrupt comes from the terminal.
        return None if number in (signal.SIGCHLD, signal.SIGINT) else number
    came = signal.sigtimedwait(waited_for, _CHECK_S)
    # A signal from the terminal has already reached the process group of the command.
    if came is None or came.si_signo == signal.SIGCHLD or came.si_code == _FROM_KERNEL:
        return None
    return came.si_signo


@contextlib.contextmanager
def _collect_signals(passed_on: set[signal.Signals]) -> Iterator[list[int]]:
    """Collects signals in the list it yields instead of being ended by them: signals during the start of the
    command, which must not inherit a blocked signal, and signals that other threads receive."""
    collected: list[int] = []
    kept = {number: signal.getsignal(number) for number in (*passed_on, signal.SIGCHLD)}
    for number in passed_on:
        signal.signal(number, lambda came, _frame: collected.append(came))
    # If a launcher has set it to be ignored, the end of a child would not be reported.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield collected
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD, *passed_on})
        for number, handler in kept.items():
            signal.signal(number, handler)


def forward_signal(number: int) -> None:
    """Sends a signal to each process of the command, if permitted."""
    for child in descendants():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(child, number)


def _ended_children(process: subprocess.Popen[bytes]) -> Iterator[int]:
    """Yields process ids of children that have ended; reap each before asking for the next."""
    if not hasattr(os, "waitid"):
        # Orphans come to us on Linux alone.
        yield from [process.pid] if process.poll() is not None else []
        return
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            yield ended.si_pid
