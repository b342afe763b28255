"""The command line and the environment that modules of this folder share."""

from __future__ import annotations

import argparse
import os
import sys


def parse_numbers(description: str | None, **defaults: float) -> argparse.Namespace:
    """Parses positional numbers of the command line.

    Args:
        description: Docstring of the module, printed by `--help`.
        **defaults: Default by name, in order; the number has the type of its default.

    Returns:
        The numbers by name.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in defaults.items():
        parser.add_argument(
            name, type=type(default), nargs="?", default=default, help=f"default: {default:g}"
        )
    return parser.parse_args()


def use_environment_of_a_run(module: str) -> None:
    """Restarts this command with the environment of a run of the bench, unless it has it.

    Args:
        module: Name of the module that the command runs.
    """
    import torch

    from joules.bench.environment import measured_environment

    wanted = measured_environment(torch.get_num_threads())
    if wanted != dict(os.environ):
        os.execve(sys.executable, [sys.executable, "-W", "ignore", "-m", module, *sys.argv[1:]], wanted)
