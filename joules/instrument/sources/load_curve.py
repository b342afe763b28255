"""Power of processors and memory by the load curve of wall-metered servers, where no counter reads them.

See `joules.power`: the model with the least error at the wall, and with a tested prediction interval.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from joules.instrument.attribution import JobModel
from joules.instrument.host.load import LoadMeter
from joules.instrument.host.machine import describe
from joules.instrument.reading_arrays import LOAD_CURVE, RATED
from joules.instrument.source import Channel, Host, Notice, Source, SourceError
from joules.instrument.sources.codecarbon_model import installed_memory_gib, memory_kind, processor_tdp
from joules.power.memory import codecarbon_memory_w
from joules.power.models import load_curve, load_curve_high, load_curve_low
from joules.power.servers import choose_servers
from joules.power.use import MEMORY, PROCESSORS, Use


class LoadCurveModel(Source):
    """Modelled power of the whole machine as mean watts: 'cpu', in which all parts of those servers are, and
    'dram', which is memory beyond theirs."""

    period_s = 1.0

    def __init__(self) -> None:
        self._use = use_of_this_machine()
        self._load = LoadMeter()
        idle, full = (
            dataclasses.replace(self._use, busy_cores=busy) for busy in (0.0, float(self._use.threads))
        )
        low_w, high_w = load_curve_low(idle), load_curve_high(full)
        servers = self._use.servers
        basis = f"load curve of {servers.basis}" if servers else ""
        self.memory_w = float(load_curve(self._use)[MEMORY])
        self._cpu_channel, self._memory_channel = (
            Channel(
                domain=domain,
                source=LOAD_CURVE,
                provenance="modelled",
                form="mean_w",
                detail=basis if domain == PROCESSORS else f"{basis}: memory beyond theirs",
                range_w=(float(low_w[domain]), float(high_w[domain])),
            )
            for domain in (PROCESSORS, MEMORY)
        )

    @property
    def channels(self) -> tuple[Channel, ...]:
        return (self._cpu_channel, self._memory_channel)

    def notices(self) -> Sequence[Notice]:
        """A warning where no metered server has a processor of this generation."""
        servers = self._use.servers
        if servers is None or servers.evidence == "generation":
            return ()
        says = (
            f"no wall-metered server is known to have this processor: energy is predicted by {servers.basis}"
        )
        return (Notice("cpu", f"{says}; see its interval", "warning"),)

    def read(self) -> Mapping[Channel, float]:
        return {self._cpu_channel: self.processor_w(self._load.read()), self._memory_channel: self.memory_w}

    def processor_w(self, load: float) -> float:
        """What the model gives at `load` (0 to 1) of the whole machine."""
        use = dataclasses.replace(self._use, busy_cores=load * self._use.threads)
        return float(load_curve(use)[PROCESSORS])


def use_of_this_machine(busy_cores: float = 0.0) -> Use:
    """What this machine says to the power models with so many logical processors at work."""
    here, tdp = describe(), processor_tdp()
    rated_tdp_w = tdp.power_w if tdp.origin in RATED and not here.virtual else None
    return Use(
        busy_cores=busy_cores,
        threads=here.logical_cores,
        memory_gib=here.memory_gib,
        tdp_w=tdp.power_w,
        memory_w=codecarbon_memory_w(installed_memory_gib(), memory_kind()),
        rated_tdp_w=rated_tdp_w,
        servers=choose_servers(here.identity, rated_tdp_w, here.virtual),
        is_part=here.virtual,
    )


def open_sources(host: Host) -> Sequence[Source]:
    """The model of the whole machine and the same model at the job's own load."""
    if PROCESSORS in host.read:
        raise SourceError("processors are read by a counter or a sensor")
    model = LoadCurveModel()
    return model, JobModel(model.processor_w, model.memory_w, host.job)
