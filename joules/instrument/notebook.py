"""`%%joules` for notebooks: the energy of a cell."""

from __future__ import annotations

from typing import Any

from joules.instrument.meter import Meter
from joules.instrument.window import Window


def register_magic(ipython: Any) -> None:
    """Registers `%%joules [NAME]`, which runs a cell and shows its energy, and `%joules EXPRESSION`.

    Args:
        ipython: The shell.
    """

    def joules(line: str, cell: str | None = None) -> Window:
        name, code = (line or "cell", cell) if cell is not None else ("line", line)
        with Meter() as meter, meter.window(name) as window:
            result = ipython.run_cell(code)
        result.raise_error()
        return window

    ipython.register_magic_function(joules, "line_cell")
