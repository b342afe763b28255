"""Virtual environments that modules of this folder make for one use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def make_environment(folder: Path, *arguments: str) -> Path:
    """Makes a virtual environment by uv, which comes with the packages of `envs/`.

    Args:
        folder: Where to make it.
        *arguments: What to install, as arguments of `uv pip install`.

    Returns:
        Its interpreter.
    """
    python = folder / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    install = [*uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python)]
    subprocess.run([*install, *arguments], check=True)
    return python
