"""A meter for the energy of any code, and the steps of a paper about the energy of machine learning."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from joules.errors import UserError
from joules.instrument import METER_VERSION
from joules.version import VERSION

__all__ = [
    "METER_VERSION",
    "Measurement",
    "Meter",
    "Reading",
    "Repeat",
    "Repeats",
    "Total",
    "UserError",
    "Window",
    "Windows",
    "__version__",
    "load_ipython_extension",
]

__version__ = VERSION

if TYPE_CHECKING:
    from joules.instrument.measurement import Measurement
    from joules.instrument.meter import Meter
    from joules.instrument.reading import Reading, Total
    from joules.instrument.repeats import Repeat, Repeats
    from joules.instrument.window import Window, Windows
else:
    _MODULES = {
        "Measurement": "joules.instrument.measurement",
        "Meter": "joules.instrument.meter",
        "Reading": "joules.instrument.reading",
        "Total": "joules.instrument.reading",
        "Repeat": "joules.instrument.repeats",
        "Repeats": "joules.instrument.repeats",
        "Window": "joules.instrument.window",
        "Windows": "joules.instrument.window",
    }

    def __getattr__(name: str) -> Any:
        """Imports the meter on first use: the command line starts quickly, and `joules meter` starts its
        command before any library has started threads."""
        if name in _MODULES:
            return getattr(import_module(_MODULES[name]), name)
        raise AttributeError(f"module 'joules' has no attribute '{name}'")


def load_ipython_extension(ipython: Any) -> None:
    """Registers `%%joules` in a notebook: `%load_ext joules`."""
    import_module("joules.instrument.notebook").register_magic(ipython)
