"""The command line that the modules of this folder share."""

from __future__ import annotations

import argparse


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
