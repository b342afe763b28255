"""The command line of `joules`: one file per group of commands, run by `main`."""

from joules.cli.program import COMMANDS, GROUPS, build_parser, main, parse_arguments

__all__ = ["COMMANDS", "GROUPS", "build_parser", "main", "parse_arguments"]
