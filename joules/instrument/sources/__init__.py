"""Every way this package can read energy, and the discovery of those this machine has."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence

from joules.instrument.host.processes import DESCENDANTS, Job
from joules.instrument.source import Host, Source, SourceError
from joules.instrument.sources import codecarbon_model, nvml, rapl

# A vendor is a file in this folder and a line here. Of sources of one provenance the first one counts.
SOURCES: Mapping[str, Callable[[Host], Sequence[Source]]] = {
    "nvml": nvml.open_sources,
    "rapl": rapl.open_sources,
    "codecarbon": codecarbon_model.open_sources,
}

GPU_SOURCES = frozenset({"nvml"})


def discover(
    job: Job = DESCENDANTS, host: Host | None = None, *, without_gpu: bool = False
) -> tuple[list[Source], dict[str, str]]:
    """Opens every source that this machine has.

    Args:
        job: The processes whose share is reported.
        host: The machine, where it is not this one; its `job` replaces `job`.
        without_gpu: Leave out sources that read GPUs.

    Returns:
        The open sources, and why each of the others does not open, by name.
    """
    host = host or Host(job=job)
    sources: list[Source] = []
    absent: dict[str, str] = {}
    with contextlib.ExitStack() as opened:
        for name, opener in SOURCES.items():
            if without_gpu and name in GPU_SOURCES:
                absent[name] = "left out on request (without GPUs)"
                continue
            try:
                for source in opener(host):
                    opened.callback(_close, source)
                    sources.append(source)
            except SourceError as reason:
                absent[name] = str(reason)
        opened.pop_all()
    return sources, absent


def _close(source: Source) -> None:
    with contextlib.suppress(SourceError):
        source.close()
