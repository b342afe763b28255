"""All situations of the laboratory, one file per kind of hardware."""

from validation.laboratory.situation import Situation
from validation.laboratory.situations import gpus, modules, processors, sensors

SITUATIONS: tuple[Situation, ...] = (
    *processors.SITUATIONS,
    *sensors.SITUATIONS,
    *modules.SITUATIONS,
    *gpus.SITUATIONS,
)
