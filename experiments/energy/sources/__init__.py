"""Every way this package can read energy, and the discovery of those this machine has."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from experiments.energy.attribution import JobModel
from experiments.energy.source import Source, SourceError
from experiments.energy.sources.codecarbon_model import CodeCarbonModel
from experiments.energy.sources.nvml import Nvml
from experiments.energy.sources.rapl import Rapl

Opener = Callable[[], Source]

OPENERS: dict[str, Opener] = {"nvml": Nvml, "rapl": Rapl, "codecarbon": CodeCarbonModel}


def discover() -> tuple[list[Source], dict[str, str]]:
    """(sources that open on this machine, why each of the others does not)."""
    found: list[Source] = []
    absent: dict[str, str] = {}
    for name, opener in OPENERS.items():
        try:
            found.append(opener())
        except SourceError as reason:
            absent[name] = str(reason)
        except BaseException:
            for source in found:
                with contextlib.suppress(SourceError):
                    source.close()
            raise
    for source in found:
        if isinstance(source, CodeCarbonModel):
            found.append(JobModel(source.processor_w, source.memory_w))
            break
    return found, absent
