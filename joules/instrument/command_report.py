"""What `joules meter` prints."""

from __future__ import annotations

from joules.instrument import carbon
from joules.instrument.command import MeteredCommand
from joules.instrument.estimates import Estimate
from joules.instrument.host.gpus import GpuUse
from joules.instrument.measurement import significant
from joules.instrument.reading import Reading
from joules.models import printable


def report(metered: MeteredCommand, grid: carbon.Grid, with_models: bool = False) -> str:
    """A table of the readings for a terminal; `with_models`, with the energy under every power model."""
    best, job = metered.domains, metered.attributed_domains
    others = [
        reading
        for reading in metered.readings
        if reading.scope == "machine"
        and reading not in best.values()
        and (with_models or reading.provenance != "modelled" or best[reading.domain].provenance != "modelled")
    ]
    use = metered.contention
    lines = [
        "",
        f" Energy of '{printable(' '.join(metered.command))}' on a {metered.machine.words}:",
        "",
        f"{metered.duration_s:>14,.3f} s  elapsed",
        f"{use.job_cpu_s:>14,.3f} s  of processor time; other programs used {use.foreign_words}",
        *(_row(reading, metered, job.get(domain)) for domain, reading in best.items()),
        *(
            f"{_row(reading, None, None, metered.duration_s)}  "
            f"({'cross-check' if reading.domain in best else 'included'})"
            for reading in others
        ),
        "",
        _total_row(metered),
        *(_model_row(each) for each in metered.models if with_models),
        *([f"{use.job_instructions:>14,} instructions in user mode"] if use.job_instructions else []),
        *(_gpu_row(gpu) for gpu in metered.gpu_use),
        *_left_behind(metered.still_running),
        *(f"  flag: {flag}" for flag in metered.flags),
        *(f"  note: {notice}" for notice in metered.notices),
        "",
    ]
    if metered.impact and metered.total:
        provenance, factors = metered.total.provenance, metered.interval_factors
        lines += [f" {carbon.statement(metered.impact, grid, provenance, factors)}"]
        lines += [f" {metered.carbon_intensity}"] if metered.carbon_intensity else []
        lines.append("")
    return "\n".join(lines)


def _total_row(metered: MeteredCommand) -> str:
    total = metered.total
    if total is None:
        return "  total energy is missing: the energy of a domain was not read"
    floored = ", raised to the floor" if total.floored else ""
    return f"{significant(total.energy_j):>14} J  total ({metered.doubt}){floored}"


def _model_row(estimate: Estimate) -> str:
    if estimate.energy_j is None:
        return f"{'':14}    {estimate.words}: {estimate.gap}"
    doubt = "" if estimate.takes_part else " (wall meters refute it at this load)"
    return f"{significant(estimate.energy_j):>14} J  by {estimate.words}{doubt}"


def _left_behind(count: int) -> list[str]:
    if not count:
        return []
    who = "1 background process is" if count == 1 else f"{count} background processes are"
    return [f"  {who} still running: later energy is not included (use --wait)"]


def _row(
    reading: Reading, metered: MeteredCommand | None, job: Reading | None, duration_s: float | None = None
) -> str:
    if reading.energy_j is None:
        return f"{'missing':>14} J  {reading.domain}: {reading.detail}"
    seconds = metered.duration_s if metered else duration_s or 0.0
    net = ""
    if metered and reading.domain in metered.idle_power_w:
        net = f", {reading.energy_j - metered.idle_power_w[reading.domain] * seconds:,.2f} J above idle"
    attributed = f", {job.energy_j:,.2f} J attributed" if job and job.energy_j is not None else ""
    power_w = reading.energy_j / seconds
    return (
        f"{reading.energy_j:>14,.2f} J  {reading.domain} ({power_w:.2f} W{net}{attributed}), "
        f"{reading.provenance}: {reading.detail}"
    )


def _gpu_row(gpu: GpuUse) -> str:
    load = "?" if gpu.load is None else f"{gpu.load:.0%}"
    share = (
        "share of this command unknown" if gpu.job_share is None else f"{gpu.job_share:.0%} by this command"
    )
    return f"{load:>14}    of the time {gpu.domain} was busy, {share}"
