"""The instrument: what reads joules, from which source, with which uncertainty. Imports no torch."""

# Raised by one whenever a change can alter a reading. Tables refuse to mix versions, and the bench
# measures again what an older version read.
METER_VERSION = 4
