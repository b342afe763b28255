"""The energy of machine learning: a meter for any code, and the machinery of the paper built on it."""

from joules.instrument import METER_VERSION
from joules.instrument.measurement import Measurement
from joules.instrument.meter import Meter

__all__ = ["METER_VERSION", "Measurement", "Meter"]
