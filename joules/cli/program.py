"""The program `joules`: parses the command line, prepares the process, runs one command."""

from __future__ import annotations

import argparse
import atexit
import gc
import sys
import textwrap
import warnings
from collections.abc import Sequence

from joules.cli import bench, extend, meter, release, steps, views
from joules.cli.command import Command, Options
from joules.cli.failures import report_failure
from joules.cli.forks import run_in_fork
from joules.cli.process import enter_repository, fix_arithmetic, prepare_streams

GROUPS: dict[str, dict[str, Command]] = {
    "meter anything": meter.COMMANDS | bench.COMMANDS,
    "the paper, step by step (snakemake runs them all)": steps.COMMANDS,
    "look at it": views.COMMANDS,
    "verify and release": release.COMMANDS,
    "extend": extend.COMMANDS,
}
COMMANDS = {name: command for commands in GROUPS.values() for name, command in commands.items()}

# Commands keep what they read until they end: with Python's own threshold, a tenth of their time is spent on
# garbage collection.
_OBJECTS_BETWEEN_COLLECTIONS = 1_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: The command line without the program's name; None for that of this process.

    Returns:
        The exit status: 0, the status of a metered command, 1 if the condition of `--fail-if` is met, 2 after
        an error message, 130 after an interrupt.
    """
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    prepare_streams()
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parse_arguments(given)
    command = COMMANDS[options.command]
    try:
        status = run_in_fork(given) if command.is_exact else None
        if status is not None:
            return status
        _prepare_process(command, options, given)
        status = command.run(options)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as failure:
        return report_failure(failure, options.command)
    return status or 0


def parse_arguments(given: Sequence[str]) -> Options:
    """Parses a command line without the program's name. Exits with status 2 if it is not one."""
    parser = build_parser()
    options, rest = parser.parse_known_args(given)
    if rest and options.command == "bench" and not any(word.startswith("-") for word in rest):
        # argparse takes the commands in front of an option, and leaves those behind it.
        options.commands += rest
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if options.command is None:
        parser.error("no command is given: run 'joules --help' for a list")
    return options


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="joules",
        description="Measure the energy of any command, and run each step of the paper.",
        usage="joules COMMAND ...",
        epilog=_overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=_version())
    parsers = parser.add_subparsers(dest="command", metavar="COMMAND", help=argparse.SUPPRESS, prog="joules")
    for name, command in COMMANDS.items():
        added = parsers.add_parser(name, description=command.summary)
        command.declare(added)
        if command.needs_repository:
            added.add_argument(
                "--root", metavar="FOLDER", help="root of the repository (default: the current one)"
            )
    return parser


def _prepare_process(command: Command, options: Options, given: Sequence[str]) -> None:
    if not command.needs_repository:
        if "torch" not in sys.modules:
            # No garbage is searched for at the end; bindings of PyTorch would report it.
            atexit.register(gc.freeze)
        # Of the meter's own warnings, without the line of code.
        warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
    if command.needs_repository:
        enter_repository(options.root, given)
    if command.is_exact:
        fix_arithmetic()


def _overview() -> str:
    """The commands by group."""
    lines = []
    for title, commands in GROUPS.items():
        lines.append(f"{title}:")
        for name, command in commands.items():
            text = textwrap.wrap(command.summary, 62)
            lines += [f"  {name if not i else '':15}{part}" for i, part in enumerate(text)]
        lines.append("")
    return "\n".join([*lines, "Run 'joules COMMAND --help' for the options of a command."])


def _version() -> str:
    from joules import METER_VERSION
    from joules.version import VERSION

    return f"joules {VERSION} (meter version {METER_VERSION})"
