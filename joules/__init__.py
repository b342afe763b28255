"""The energy of machine learning: a meter for any code, and the machinery of the paper built on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joules.instrument import METER_VERSION

if TYPE_CHECKING:
    from joules.instrument.measurement import Measurement
    from joules.instrument.meter import Meter

__all__ = ["METER_VERSION", "Measurement", "Meter"]


def __getattr__(name: str) -> Any:
    """Imports the meter where it is asked for: the command line starts in no time, and a command is metered
    from a process in which no library has started threads yet."""
    if name == "Meter":
        from joules.instrument.meter import Meter

        return Meter
    if name == "Measurement":
        from joules.instrument.measurement import Measurement

        return Measurement
    raise AttributeError(f"module 'joules' has no attribute '{name}'")
