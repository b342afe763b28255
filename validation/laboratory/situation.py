"""A situation of the laboratory, the meter's result for it, and whether that result is acceptable."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import joules.instrument
from joules.errors import UserError
from joules.instrument.measurement import Measurement
from joules.instrument.source import SourceError
from validation.laboratory.curve import Curve
from validation.laboratory.machine import Machine

Verdict = Literal["within", "flagged", "flagged, off", "missing", "refused", "WRONG", "TRACEBACK"]

# The README of the instrument, which holds the table.
README = Path(joules.instrument.__file__).parent / "README.md"
HEADER = "| situation | arrangement | truth, J | read, J | ± 95 %, J | verdict | what is said |"
# Half width of a 95 % interval in standard deviations.
COVERAGE = 1.96


@dataclass(frozen=True)
class Reported:
    """A measurement, and the true joules by domain of the machine and of the job (None: not tested)."""

    measurement: Measurement
    truth_j: Mapping[str, float]
    job_truth_j: float | None = None


@dataclass(frozen=True)
class Situation:
    """A behaviour of hardware.

    `run` measures on a machine. `expects` is the verdict; `says` must be part of a flag or reason. `driver`
    is the simulated NVIDIA driver that it needs, if any.
    """

    name: str
    arrangement: str
    run: Callable[[Machine], Reported]
    expects: Verdict
    says: str = ""
    driver: Literal["none", "current", "before R510"] = "current"


@dataclass(frozen=True)
class Outcome:
    """A row of the table. `uncertainty_j` is half of the 95 % interval; None if nothing is read."""

    name: str
    arrangement: str
    truth_j: float | None
    read_j: float | None
    uncertainty_j: float | None
    verdict: Verdict
    expects: Verdict
    says: str
    sentences: list[str] = field(default_factory=list)

    @property
    def as_expected(self) -> bool:
        return self.verdict == self.expects and any(
            self.says in sentence for sentence in [*self.sentences, ""]
        )


def try_situation(situation: Situation, folder: Path) -> Outcome:
    """Run a situation in an empty folder. Never raises."""
    truth_j = read_j = uncertainty_j = None
    verdict: Verdict
    try:
        reported = situation.run(Machine(folder))
        verdict, sentences = judge(reported)
    except (UserError, SourceError) as fault:
        verdict, sentences = "refused", [str(fault)]
    except Exception:
        verdict, sentences = "TRACEBACK", traceback.format_exc().splitlines()[-3:]
    else:
        if reported.job_truth_j is None:
            truth_j = sum(reported.truth_j.values())
            if reported.measurement.total is not None:
                read_j = reported.measurement.total.energy_j
                uncertainty_j = COVERAGE * reported.measurement.total.uncertainty_j
        else:
            truth_j, read_j = reported.job_truth_j, reported.measurement.energy_attributed_j
            own = reported.measurement.attributed_domains.values()
            uncertainty_j = COVERAGE * sum(reading.uncertainty_j or 0.0 for reading in own)
    return Outcome(
        situation.name,
        situation.arrangement,
        truth_j,
        read_j,
        uncertainty_j,
        verdict,
        situation.expects,
        situation.says,
        sentences,
    )


def judge(reported: Reported) -> tuple[Verdict, list[str]]:
    """Check that every energy is right within its interval, flagged or missing.

    Returns:
        The verdict, and the flags and reasons.
    """
    measured = reported.measurement
    flags = [flag for flag in measured.flags if not flag.startswith("short-window")]
    missing = [
        f"{reading.domain}: {reading.detail}"
        for reading in measured.domains.values()
        if reading.energy_j is None
    ]
    sentences = [*flags, *missing]
    wrong = [*_errors(measured, reported.truth_j), *_job_error(measured, reported.job_truth_j)]
    if measured.total is None:
        return ("missing" if sentences else "WRONG"), sentences
    if flags:
        return ("flagged, off" if wrong else "flagged"), [*sentences, *wrong]
    return ("WRONG" if wrong else "within"), [*sentences, *wrong]


def _errors(measured: Measurement, truth_j: Mapping[str, float]) -> Iterator[str]:
    yield from (f"{domain} is not read" for domain in truth_j.keys() - measured.domains.keys())
    for domain, reading in measured.domains.items():
        if reading.energy_j is None:
            continue
        # Simulated hardware has no calibration error, so the uncertainty of calibration is left out.
        off_j = reading.energy_j - truth_j.get(domain, 0.0)
        if abs(off_j) > COVERAGE * reading.random_j + 1e-9:
            yield f"{domain} is off by {off_j:+.2f} J, stated {COVERAGE * reading.random_j:.2f} J"


def _job_error(measured: Measurement, truth_j: float | None) -> Iterator[str]:
    if truth_j is None or measured.energy_attributed_j is None:
        return
    stated_j = COVERAGE * math.fsum(reading.random_j for reading in measured.attributed_domains.values())
    off_j = measured.energy_attributed_j - truth_j
    # The driver samples shares of use in whole per cent.
    if abs(off_j) > stated_j + 0.01 * truth_j:
        yield f"the job is off by {off_j:+.2f} J, stated {stated_j:.2f} J"


def energies_j(curves: Mapping[str, Curve], start_s: float, end_s: float) -> dict[str, float]:
    """True energy by domain between two instants, in joules."""
    return {domain: curve.energy_j(start_s, end_s) for domain, curve in curves.items()}


def table(outcomes: Sequence[Outcome]) -> str:
    """Rows of the table, in a format for terminals and Markdown."""
    lines = [
        HEADER,
        "|---|---|---:|---:|---:|---|---|",
    ]
    for row in outcomes:
        cells = [_number(row.truth_j), _number(row.read_j), _number(row.uncertainty_j), row.verdict]
        lines.append(f"| {row.name} | {row.arrangement} | {' | '.join(cells)} | {_said(row)} |")
    return "\n".join(lines)


def _number(joules: float | None) -> str:
    return "" if joules is None else f"{joules:,.1f}"


def _said(row: Outcome) -> str:
    """The expected sentence; otherwise the first one."""
    telling = [sentence for sentence in row.sentences if row.says and row.says in sentence]
    return (telling or row.sentences or [""])[0].replace("|", "/")
