"""Computes the fields of a record from a closed window. Reads no clock, no source and no file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from joules.bench.record import Part, Phase, Spent, Step
from joules.bench.window import Window
from joules.instrument.measurement import Measurement
from joules.instrument.reading import PowerCourse

# Whole-machine energy in joules between two instants of the monotonic clock; None where it was not read.
EnergyBetween = Callable[[float, float], float | None]


def make_window_fields(
    window: Window, measurement: Measurement | None, energy_j: EnergyBetween, power: list[PowerCourse]
) -> dict[str, Any]:
    """The fields of a run that follow from its window.

    Args:
        window: The window, from the marks of the child.
        measurement: Its measurement; None if the window never closed, which gives empty fields.
        energy_j: Energy of the whole machine between two instants.
        power: Power over time, to be kept in the record.

    Returns:
        Fields of `joules.bench.record.Run` by name.
    """
    if measurement is None:
        return {
            "duration_s": None,
            "readings": [],
            "gpu_use": [],
            "total": None,
            "phases": [],
            "steps": [],
            "contention": None,
            "flags": [],
        }
    opened_s, closed_s = window.segments[0].start_s, window.segments[-1].end_s
    return {
        "duration_s": measurement.duration_s,
        "readings": measurement.readings,
        "gpu_use": measurement.gpu_use,
        "total": measurement.total,
        "parts": [
            Part(
                start_s=start_s - opened_s,
                duration_s=end_s - start_s,
                energy_j=energy_j(start_s, end_s),
            )
            for start_s, end_s in window.segments_between(opened_s, closed_s)
        ],
        "phases": [
            Phase(
                name=name,
                start_s=window.worked_s(from_s),
                end_s=window.worked_s(to_s),
                energy_j=sum_energy_j(window.segments_between(from_s, to_s), energy_j),
            )
            for name, from_s, to_s in window.phases
        ],
        "steps": [
            Step(
                index=index,
                time_s=window.worked_s(at_s),
                energy_j=sum_energy_j(window.segments_between(opened_s, at_s), energy_j),
            )
            for index, at_s in window.steps
        ],
        "power": power,
        "contention": measurement.contention,
        "flags": [],
    }


def sum_energy_j(segments_s: Sequence[tuple[float, float]], energy_j: EnergyBetween) -> float | None:
    """Energy over several segments in joules; None if that of one was not read."""
    parts_j = [energy_j(start_s, end_s) for start_s, end_s in segments_s]
    return None if None in parts_j else sum(part_j or 0.0 for part_j in parts_j)


def concat_power(window: Window, courses: Sequence[Sequence[PowerCourse]]) -> list[PowerCourse]:
    """Joins power over time of the segments of a window.

    Args:
        window: The window.
        courses: Power over time of each channel, for each segment of the window.

    Returns:
        Power over time of each channel, in seconds of open window.
    """
    begins_s = [window.worked_s(start_s) for start_s, _ in window.segments_s]
    return [
        channel[0].model_copy(
            update={
                "from_s": [
                    begin_s + at_s
                    for begin_s, course in zip(begins_s, channel, strict=True)
                    for at_s in course.from_s
                ],
                "power_w": [power_w for course in channel for power_w in course.power_w],
            }
        )
        for channel in zip(*courses, strict=True)
    ]


def sum_spent(turns: Sequence[Spent]) -> Spent:
    """Time and energy of all turns of a run."""
    energies_j = [turn.energy_j for turn in turns]
    return Spent(
        duration_s=sum(turn.duration_s for turn in turns),
        energy_j=None if None in energies_j else sum(energy_j or 0.0 for energy_j in energies_j),
    )
