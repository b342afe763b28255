"""What the bench asks of a question: its `workload.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from joules.workload.session import Session


class Workload(Protocol):
    """`experiments/<question>/workload.py`, which a child process imports for one run.

    It may import `joules.workload`, `joules.models`, `joules.instrument.nameplate` and what its question
    shares with others in `joules.workload`; nothing of the bench, the study, the analysis or the paper.
    """

    def build(self, values: Mapping[str, Any], seed: int) -> Any:
        """Sets up and warms up one run, outside the metered window; what it returns goes to `run`.

        `values` are the parameters of an arm (checked against `parameters.Parameters` beforehand), `seed` the
        number of the block. Raises where the work would not be what the design says.
        """
        ...

    def run(self, prepared: Any, session: Session) -> dict[str, Any]:
        """The metered work; returns its results, any JSON values.

        `session` marks steps and phases, and rests between turns. A result that is not a finite number makes
        the run a failed run.
        """
        ...


class Evaluated(Workload, Protocol):
    """A workload whose results are judged after the window has closed, so that no run is charged for it."""

    def evaluate(self, prepared: Any) -> dict[str, Any]:
        """More results, of what `run` left in `prepared`. Called once, when `run` has ended."""
        ...
