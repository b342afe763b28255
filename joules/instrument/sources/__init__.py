"""Every way this package can read energy, and the discovery of those this machine has."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from joules.instrument.attribution import JobModel
from joules.instrument.host.processes import DESCENDANTS, Job
from joules.instrument.source import Source, SourceError
from joules.instrument.sources.codecarbon_model import CodeCarbonModel
from joules.instrument.sources.nvml import Nvml
from joules.instrument.sources.rapl import Rapl


def discover(job: Job = DESCENDANTS) -> tuple[list[Source], dict[str, str]]:
    """(sources that open on this machine, why each of the others does not). Shares are those of `job`."""
    openers: dict[str, Callable[[], Source]] = {
        "nvml": lambda: Nvml(job),
        "rapl": Rapl,
        "codecarbon": CodeCarbonModel,
    }
    sources: list[Source] = []
    absent: dict[str, str] = {}
    for name, opener in openers.items():
        try:
            sources.append(opener())
        except SourceError as reason:
            absent[name] = str(reason)
        except BaseException:
            for source in sources:
                with contextlib.suppress(SourceError):
                    source.close()
            raise
    for source in sources:
        if isinstance(source, CodeCarbonModel):
            sources.append(JobModel(source.processor_w, source.memory_w, job))
            break
    return sources, absent
