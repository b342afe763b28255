"""What the bench requires of an experiment's `workload.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from joules.workload.session import Session


class Workload(Protocol):
    """`experiments/<experiment>/workload.py`, which a child process imports for one run.

    It may import `joules.workload`, `joules.models` and `joules.instrument.nameplate`; code that several
    experiments share lives in `joules.workload`. It imports nothing of the bench, the study, the analysis or
    the paper.
    """

    def build(self, values: Mapping[str, Any], seed: int) -> Any:
        """Sets up and warms up one run, outside the metered window.

        Args:
            values: Parameters of the arm, already checked against `parameters.Parameters`.
            seed: Seed of the block.

        Returns:
            Whatever `run` needs.

        Raises:
            Exception: If the work would differ from what the design says.
        """
        ...

    def run(self, prepared: Any, session: Session) -> dict[str, Any]:
        """Does the metered work.

        Args:
            prepared: What `build` returned.
            session: Marks steps and phases, and pauses the run between its turns.

        Returns:
            Results by name, any JSON values. A number that is not finite makes the run a failed run.
        """
        ...


class Evaluated(Workload, Protocol):
    """A workload whose results are evaluated after the window has closed, at no cost to the run."""

    def evaluate(self, prepared: Any) -> dict[str, Any]:
        """Evaluates what `run` left in `prepared`, once, after `run` has returned.

        Args:
            prepared: What `build` returned and `run` has worked on.

        Returns:
            More results by name, any JSON values.
        """
        ...
