"""`joules doctor`: what this machine can measure, what is modelled, what is missing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from joules.instrument import METER_VERSION
from joules.instrument.host import contention, limits, machine
from joules.instrument.host.instructions import DescendantCounter, NotCountedError
from joules.instrument.source import MACHINE, PREFERENCE, Channel
from joules.instrument.sources import discover, failing_channels
from joules.instrument.sources.codecarbon_model import memory_kind, processor_tdp
from joules.power.memory import codecarbon_memory_w
from joules.power.models import POWER_MODELS
from joules.power.servers import published_servers, recognize_servers
from joules.power.use import NotCovered, Use

_WATCH_S = 2.0
_ROLES = {MACHINE: " (the total, to which no part is added)"}


def diagnose() -> Iterator[str]:
    """The report, line by line."""
    here = machine.describe()
    yield f"machine     {here.words}, {here.system}, Python {here.python}"
    yield f"processor   {_generation(here)}"
    yield f"meter       version {METER_VERSION}"
    granted = limits.usable_cores()
    if granted < here.logical_cores:
        yield f"granted     {granted} of {here.logical_cores} processors: work runs on as many threads"
    yield ""
    sources, absent = discover()
    failing = failing_channels(sources)
    channels = [
        channel
        for source in sources
        for channel in source.channels
        if channel not in failing and channel.provenance != "missing"
    ]
    for domain in sorted({channel.domain for channel in channels}):
        yield from _domain(domain, channels)
    for channel, reason in failing.items():
        yield f"{channel.domain:12}NOT READ by {channel.source}: {reason}"
    yield ""
    for name, reason in absent.items():
        yield f"no {name:9}{reason}"
    for source in sources:
        for notice in source.notices():
            yield f"{notice.about:11} {notice.says}"
        source.close()
    yield f"instructions {_instructions()}"
    yield ""
    if any(channel.provenance == "modelled" for channel in channels):
        yield from _models(here, processor_tdp().power_w)
    yield ""
    yield from _quiet()


def _generation(here: machine.Machine) -> str:
    """What generation the processor belongs to, and from which numbers that is known."""
    if here.identity is None:
        return "reports no family and model, so its generation is unknown"
    numbers = f"{here.identity.vendor} family {here.identity.family} model {here.identity.model}"
    numbers += f" stepping {here.identity.stepping}"
    servers = recognize_servers(here.identity)
    if servers is None:
        return (
            f"{numbers}: none of the {len(published_servers())} generations with published powers of servers"
        )
    return (
        f"{numbers}: {servers.generation}; the {servers.results} published servers with it draw "
        f"{servers.idle_w:g} W a thread when idle and {servers.full_w:g} W at full load, all parts included"
    )


def _models(here: machine.Machine, tdp_w: float) -> Iterator[str]:
    """What every power model gives this machine, or why it says nothing of it."""
    states = {"idle": 0, "one core": 1, "all cores": here.logical_cores}
    yield f"W by model  {'':26}" + "".join(f"{state:>11}" for state in states)
    for model in POWER_MODELS.values():
        try:
            watts = [
                sum(
                    model.power_w(
                        Use(
                            busy_cores=busy,
                            threads=here.logical_cores,
                            memory_gib=here.memory_gib,
                            tdp_w=tdp_w,
                            memory_w=codecarbon_memory_w(here.memory_gib, memory_kind()),
                            servers=recognize_servers(here.identity),
                        )
                    ).values()
                )
                for busy in states.values()
            ]
        except NotCovered as gap:
            yield f"            {model.words:26} not covered: {gap}"
        else:
            yield f"            {model.words:26}" + "".join(f"{number:11.2f}" for number in watts)


def _domain(domain: str, channels: list[Channel]) -> Iterator[str]:
    of_domain = [c for c in channels if c.domain == domain and c.scope == "machine"]
    of_domain.sort(key=lambda channel: PREFERENCE.index(channel.provenance))
    for place, channel in enumerate(of_domain):
        role = " (a cross-check)" if place else _ROLES.get(domain, "")
        shown = {"counter": "MEASURED", "sampled": "MEASURED", "modelled": "MODELLED"}
        word = shown.get(channel.provenance, channel.provenance)
        if channel.covers and not place:
            role = f" (includes {', '.join(sorted(channel.covers))}, which are not added)"
        yield f"{domain:12}{word} by {channel.source}: {channel.detail}{role}"


def _instructions() -> str:
    """Whether hardware counts instructions here, for outcomes that need no power model."""
    try:
        DescendantCounter().close()
    except NotCountedError as reason:
        return f"not counted: {reason}"
    return "counted in user mode, in every record"


def _quiet() -> Iterator[str]:
    before = contention.snapshot()
    time.sleep(_WATCH_S)
    use = contention.between(before, contention.snapshot())
    cores = os.cpu_count() or 1
    verdict = "quiet enough to measure" if use.foreign_cores < 0.1 else "NOT quiet: close other programs"
    yield (
        f"right now   of {cores} cores other programs use {use.foreign_words} and the hypervisor takes "
        f"{use.steal_cores:.2f}: {verdict}"
    )
