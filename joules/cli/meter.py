"""Commands for metering anything: `meter`, `doctor`. They work in any folder."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from joules.cli.command import Command, Options
from joules.cli.failures import print_error
from joules.cli.process import block_signals
from joules.errors import UserError

if TYPE_CHECKING:
    from joules.instrument.carbon import Grid
    from joules.instrument.command import MeteredCommand


def number_from(minimum: float) -> Callable[[str], float]:
    """A parser of finite numbers that are at least `minimum`."""

    def parse_number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < minimum:
            raise argparse.ArgumentTypeError(f"invalid value '{text}': use a number of at least {minimum:g}")
        return value

    return parse_number


def _declare_meter(parser: argparse.ArgumentParser) -> None:
    parser.usage = "joules meter [options] -- COMMAND ..."
    from_zero, from_one = number_from(0.0), number_from(1.0)
    parser.add_argument(
        "--idle",
        type=from_zero,
        default=2.0,
        metavar="SECONDS",
        help="idle time measured before the command, in seconds (default: 2)",
    )
    parser.add_argument("--json", metavar="FILE", help="also write the whole measurement to a JSON file")
    parser.add_argument("--models", action="store_true", help="also show the energy under every power model")
    parser.add_argument(
        "--wait", action="store_true", help="wait for background processes that the command started"
    )
    parser.add_argument(
        "--region",
        default="WOR",
        metavar="COUNTRY",
        help="country of the electricity grid, ISO 3166 alpha-3 code (default: WOR, world average)",
    )
    parser.add_argument(
        "--pue", type=from_one, default=1.0, help="power usage effectiveness of the building (default: 1)"
    )
    parser.add_argument(
        "--intensity",
        type=from_zero,
        metavar="G_PER_KWH",
        help="carbon intensity of the electricity, in g of CO2 equivalent per kWh (default: the region's)",
    )
    parser.add_argument(
        "--sci",
        type=number_from(1e-9),
        metavar="UNITS",
        help="also show the Software Carbon Intensity (ISO/IEC 21031), for this number of functional units",
    )
    parser.add_argument(
        "--emissions", metavar="FILE", help="also append a row to a CSV file as CodeCarbon writes it"
    )
    parser.add_argument(
        "--boamps", metavar="FILE", help="also write a report as JSON in the format of BoAmps"
    )
    parser.add_argument(
        "--price", type=from_zero, metavar="USD", help="price of 1 kWh in US dollars (default: 0.151)"
    )
    parser.add_argument(
        "--floor",
        type=from_zero,
        metavar="WATTS",
        help="least power of the whole machine, in watts (default: 50 if a GPU is metered, otherwise 0)",
    )
    parser.add_argument(
        "--without-gpu",
        action="store_true",
        help="do not read GPUs, for example if one cannot be read and the command does not use it",
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")


def _meter(options: Options) -> int:
    command = options.arguments[1:] if options.arguments[:1] == ["--"] else options.arguments
    if not command:
        raise UserError("no command to meter: use 'joules meter -- COMMAND ...'")
    with block_signals():
        from joules.instrument import carbon
        from joules.instrument.command import meter_command
        from joules.instrument.command_report import report

    grid = carbon.grid(options.region)
    if options.intensity is not None:
        grid = dataclasses.replace(grid, intensity_g_per_kwh=options.intensity, source="given")
    for file in filter(None, (options.json, options.emissions, options.boamps)):
        check_writable(Path(file))
    metered = meter_command(
        command,
        grid,
        options.pue,
        carbon.PRICE_USD_PER_KWH if options.price is None else options.price,
        options.idle,
        options.floor,
        options.wait,
        without_gpu=options.without_gpu,
        functional_units=options.sci,
    )
    # From here on the exit status is the command's. Files are written before anything is printed.
    if options.json or options.emissions or options.boamps:
        _write_files(options, metered, grid)
    with contextlib.suppress(OSError):
        print(
            report(metered, grid, options.models).encode("utf-8", "backslashreplace").decode(),
            file=sys.stderr,
            flush=True,
        )
    return metered.exit_code


def _write_files(options: Options, metered: MeteredCommand, grid: Grid) -> None:
    """Writes the files that were asked for; prints an error where that fails."""
    from joules.instrument.exchange import append_emissions, describe_boamps

    writers: dict[str, Callable[[Path], object]] = {
        # Arguments of a command are bytes; JSON escapes those that are not text.
        "json": lambda path: path.write_text(
            json.dumps(metered.model_dump(), indent=2) + "\n", encoding="utf-8"
        ),
        "emissions": lambda path: append_emissions(metered, grid, path),
        "boamps": lambda path: path.write_text(describe_boamps(metered, grid), "utf-8"),
    }
    for option, write in writers.items():
        file = getattr(options, option)
        try:
            if file:
                write(Path(file))
        except OSError as fault:
            print_error(not_writable(Path(file), fault))
        except UserError as fault:
            print_error(str(fault))


def check_writable(path: Path) -> None:
    """Raises UserError if a file cannot be written, before a long command starts."""
    try:
        with path.open("a", encoding="utf-8"):
            pass
    except OSError as fault:
        raise UserError(not_writable(path, fault)) from None


def not_writable(path: Path, fault: OSError) -> str:
    return f"cannot write {path} ({fault.strerror}): choose another file"


def _declare_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", action="store_true", help="also show what every power model gives")


def _doctor(options: Options) -> None:
    from joules.instrument.doctor import diagnose

    for line in diagnose(options.models):
        print(line, flush=True)


COMMANDS = {
    "meter": Command(
        "measure the energy of a command, as 'perf stat' does", _meter, _declare_meter, needs_repository=False
    ),
    "doctor": Command(
        "list what this machine can measure, what is modelled and what is missing",
        _doctor,
        _declare_doctor,
        needs_repository=False,
    ),
}
