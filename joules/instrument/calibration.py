"""How far the scale of an instrument may be wrong, in every window alike.

The samples of an instrument do not show it, so it comes from published recordings against a meter, or is
assumed, which the words say.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

_REFERENCE = Path(__file__).parent / "reference"


@dataclass(frozen=True)
class Calibration:
    """Standard uncertainty of an instrument's scale as a share of the energy, and its source."""

    share: float
    source: str

    @property
    def words(self) -> str:
        """For the detail of a reading."""
        return f"scale certain to {self.share:.0%} ({self.source})"


def from_recordings(file: str, instrument: str, source: str) -> Calibration:
    """The root of the mean square error of published recordings against an external meter.

    Args:
        file: Table of this package's `reference/` with the column `external_meter_j`.
        instrument: The column of the energy that the instrument read, in joules.
        source: Who published the recordings.
    """
    with (_REFERENCE / file).open(encoding="utf-8", newline="") as table:
        errors = [
            float(row[instrument]) / float(row["external_meter_j"]) - 1 for row in csv.DictReader(table)
        ]
    share = math.sqrt(sum(error**2 for error in errors) / len(errors))
    return Calibration(share, f"{len(errors)} recordings of {source}")


# No recording of a package alone against a meter is published. Against the plug, RAPL of Haswell and later
# was found consistent (doi:10.1145/3177754).
RAPL_PACKAGE = Calibration(0.05, "assumed; consistent with the plug, Khan et al. 2018")
RAPL_MEMORY = from_recordings(
    "rapl_memory_against_external_meter.csv", "rapl_j", "Desrochers et al. 2016 and Alt et al. 2024"
)
RAPL_PLATFORM = Calibration(0.1, "assumed; makers wire and scale it differently")
# Its energy counter adds up what the sensor of an NVIDIA GPU shows.
NVIDIA_SENSOR = from_recordings(
    "gpu_sensor_against_external_meter.csv", "sensor_instant_j", "Yang et al. 2024"
)
# Sensors of boards and power supplies: resistor, amplifier and converter, each certain to about a per cent.
BOARD_SENSOR = Calibration(0.05, "assumed for shunt and converter")
# Makers of batteries, firmware and management controllers state no bound.
UNSTATED = Calibration(0.1, "assumed; the maker states none")
