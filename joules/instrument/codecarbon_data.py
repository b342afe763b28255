"""Data files of CodeCarbon, read without importing it, which takes a second and needs pandas."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

PACKAGE = "codecarbon"


def read_bytes(name: str) -> bytes | None:
    """The content of a file of the package; None if CodeCarbon is not installed or has no such file."""
    specification = importlib.util.find_spec(PACKAGE)
    for folder in (specification.submodule_search_locations if specification else None) or ():
        path = Path(folder, name)
        if path.is_file():
            return path.read_bytes()
    return None


@functools.cache
def version() -> str | None:
    """The installed version; None if it is not installed."""
    import importlib.metadata

    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None
