"""Finds the clone of the artifact that a command works on."""

from __future__ import annotations

import functools
from pathlib import Path

from joules.errors import UserError

# What a clone has at its root and few other folders do.
_MARKS = ("Snakefile", "experiments", "workflow/config.yaml")


def repository_root(start: Path | None = None) -> Path:
    """Finds the nearest folder that is a clone of the artifact.

    Args:
        start: folder to start from, upwards; the current one by default.

    Returns:
        The absolute path of the clone.

    Raises:
        UserError: neither `start` nor a folder above it is a clone.
    """
    return _find_clone((start or Path.cwd()).resolve())


@functools.cache
def _find_clone(here: Path) -> Path:
    for folder in (here, *here.parents):
        if all((folder / mark).exists() for mark in _MARKS):
            return folder
    raise UserError(
        f"{here} is not in a clone of the artifact: change to the clone's folder, or name it with --root"
    )
