"""`joules doctor`: what this machine can measure, what is modelled, what is missing."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator

from joules.instrument import METER_VERSION
from joules.instrument.host import contention, limits, machine
from joules.instrument.host.instructions import DescendantCounter, NotCountedError
from joules.instrument.source import MACHINE, PREFERENCE, Channel
from joules.instrument.sources import discover, failing_channels
from joules.instrument.sources.load_curve import use_of_this_machine
from joules.power.models import POWER_MODELS, load_curve, load_curve_high, load_curve_low, takes_part
from joules.power.servers import choose_servers, server_powers
from joules.power.use import NotCovered, Use

_WATCH_S = 2.0
_ROLES = {MACHINE: " (the total, to which no part is added)"}


def diagnose(with_models: bool = False) -> Iterator[str]:
    """The report, line by line; `with_models`, with what every power model gives this machine."""
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
        yield f"{channel.domain:11} NOT READ by {channel.source}: {reason}"
    yield ""
    for name, reason in absent.items():
        yield f"no {name:8} {reason}"
    for source in sources:
        for notice in source.notices():
            yield f"{notice.about:11} {notice.says}"
        source.close()
    yield f"instructions {_instructions()}"
    yield ""
    if any(channel.provenance == "modelled" for channel in channels):
        use = use_of_this_machine()
        yield from _power(use)
        if with_models:
            yield ""
            yield from _models(use)
    yield ""
    yield from _quiet()


def _generation(here: machine.Machine) -> str:
    """What generation the processor belongs to, and from which numbers that is known."""
    known = sum(each.evidence == "generation" for each in server_powers().values())
    if here.identity is None:
        return "reports no family and model, so its generation is unknown"
    numbers = f"{here.identity.vendor} family {here.identity.family} model {here.identity.model}"
    numbers += f" stepping {here.identity.stepping}"
    servers = choose_servers(here.identity)
    if servers.evidence != "generation":
        return f"{numbers}: none of the {known} generations with wall-metered servers"
    return (
        f"{numbers}: {servers.name}; the {servers.count} wall-metered servers with it draw "
        f"{servers.idle_w:g} W per thread when idle and {servers.full_w:g} W at full load, all parts included"
    )


def _power(use: Use) -> Iterator[str]:
    """What the default model gives this machine, with its interval."""
    states = _states(use)
    yield f"W modelled  {'':26}" + "".join(f"{name:>20}" for name in states)
    models = (load_curve, load_curve_low, load_curve_high)
    cells = []
    for busy_cores in states.values():
        point, low, high = (
            float(sum(model(dataclasses.replace(use, busy_cores=busy_cores)).values())) for model in models
        )
        cells.append(f"{point:.3g} ({low:.3g} to {high:.3g})")
    yield f"            {'90 % prediction interval':26}" + "".join(f"{cell:>20}" for cell in cells)
    if use.servers is not None:
        yield f"            by {use.servers.basis}"


def _models(use: Use) -> Iterator[str]:
    """What every power model gives this machine, or why it says nothing of it; and at which of these loads
    wall meters refute it."""
    states = _states(use)
    yield f"W by model  {'':26}" + "".join(f"{name:>11}" for name in states)
    loads = [busy_cores / use.threads for busy_cores in states.values()]
    for name, model in POWER_MODELS.items():
        try:
            watts = [
                float(sum(model.power_w(dataclasses.replace(use, busy_cores=busy_cores)).values()))
                for busy_cores in states.values()
            ]
        except NotCovered as gap:
            yield f"            {model.words:26} not covered: {gap}"
        else:
            marks = (" " if is_kept else "*" for is_kept in takes_part(name, loads))
            cells = (f"{number:10.2f}{mark}" for number, mark in zip(watts, marks, strict=True))
            yield f"            {model.words:26}" + "".join(cells)
    yield "            * wall-metered servers refute the model at this load"


def _states(use: Use) -> dict[str, float]:
    return {"idle": 0.0, "one core": 1.0, "all cores": float(use.threads)}


def _domain(domain: str, channels: list[Channel]) -> Iterator[str]:
    of_domain = [c for c in channels if c.domain == domain and c.scope == "machine"]
    of_domain.sort(key=lambda channel: PREFERENCE.index(channel.provenance))
    for place, channel in enumerate(of_domain):
        role = " (a cross-check)" if place else _ROLES.get(domain, "")
        shown = {"counter": "MEASURED", "sampled": "MEASURED", "modelled": "MODELLED"}
        word = shown.get(channel.provenance, channel.provenance)
        if channel.covers and not place:
            role = f" (includes {', '.join(sorted(channel.covers))}, which are not added)"
        yield f"{domain:11} {word} by {channel.source}: {channel.detail}{role}"


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
