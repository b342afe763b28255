"""Every situation of the laboratory, a file for each kind of hardware."""

from validation.laboratory.situation import Situation
from validation.laboratory.situations import gpus, processors

SITUATIONS: tuple[Situation, ...] = (*processors.SITUATIONS, *gpus.SITUATIONS)
