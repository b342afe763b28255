"""Adds measurements of several machines, and refuses to count a machine twice."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from joules.errors import UserError
from joules.instrument.carbon import JOULES_PER_KWH
from joules.instrument.measurement import Measurement, significant
from joules.instrument.source import PREFERENCE
from joules.instrument.sources.other_meter import OTHER_RANK
from joules.models import read_json, validate


def read_measurement(path: Path) -> Measurement:
    """Reads what `joules meter --json` or `Measurement.model_dump` wrote.

    Raises:
        UserError: If it cannot be read.
    """
    remedy = "make it with 'joules meter --json FILE'"
    body = read_json(path, remedy, remedy, ("boot_id", "began_at", "ended_at"))
    known = {name: body[name] for name in Measurement.model_fields if name in body}
    return validate(Measurement, known, str(path))


def add_measurements(measured: Mapping[str, Measurement]) -> list[str]:
    """The sum of energies, in lines for a terminal.

    Errors are added: those of models have the same cause on all machines. Measurements of processes that left
    the machine to rank 0 of their node are named and not added.

    Args:
        measured: Measurements by the name of their file.

    Raises:
        UserError: If two of them count the same machine at the same time, or an energy is missing.
    """
    left_out = {file for file, each in measured.items() if _is_left_to_another(each)}
    counted = {file: each for file, each in measured.items() if file not in left_out}
    if not counted:
        raise UserError("no file has an energy: add the file of rank 0 of each node")
    for file, each in counted.items():
        if each.total is None:
            raise UserError(f"{file}: the energy of a domain is missing: see 'joules doctor' on {each.host}")
    for (file, one), (other_file, other) in itertools.combinations(counted.items(), 2):
        if _machine(one) == _machine(other) and max(one.began_at, other.began_at) < min(
            one.ended_at, other.ended_at
        ):
            raise UserError(
                f"{file} and {other_file} both count {one.host} (start {one.boot_id or 'unknown'}) at "
                f"{max(one.began_at, other.began_at)}: give one of them"
            )
    low_j, high_j = (significant(sum(ends)) for ends in zip(*map(_ends_j, counted.values()), strict=True))
    weakest = max((each.provenance for each in counted.values()), key=PREFERENCE.index)
    machines = len({_machine(each) for each in counted.values()})
    total_j = sum(each.energy_j or 0.0 for each in counted.values())
    return [
        *(
            f"{significant(each.energy_j or 0.0):>14} J  {file}: {each.host}, {each.provenance}"
            for file, each in counted.items()
        ),
        *(
            f"{'not added':>14}    {file}: rank 0 of its node meters {measured[file].host}"
            for file in sorted(left_out)
        ),
        f"{significant(total_j):>14} J  total of {machines} machine{'s'[: machines != 1]} "
        f"({low_j} to {high_j} J; {weakest}), {total_j / JOULES_PER_KWH:.3g} kWh",
    ]


def _ends_j(measured: Measurement) -> tuple[float, float]:
    """The interval of modelled energy, otherwise two standard uncertainties about the energy."""
    energy_j, uncertainty_j = measured.energy_j or 0.0, measured.uncertainty_j or 0.0
    return measured.interval_j or (energy_j - 2 * uncertainty_j, energy_j + 2 * uncertainty_j)


def _machine(measured: Measurement) -> str:
    """What containers of one machine share."""
    return measured.boot_id or measured.host


def _is_left_to_another(measured: Measurement) -> bool:
    return any(reading.source == OTHER_RANK for reading in measured.readings)
