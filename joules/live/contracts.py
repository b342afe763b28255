"""What an experiment's `live.py` provides, so that its training runs can be watched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from joules.live.session import LiveSession

# Energy of the whole machine since the window opened, in joules: as read, and under each power model that
# wall meters do not refute at its load.
READ = "read"
Energies = Mapping[str, float]


@dataclass(frozen=True)
class Recorded:
    """A run of a released campaign.

    Args:
        parameters: Parameters of the arm.
        seed: Seed of the block.
        provenance: How energy was read, by domain.
        points: Each evaluation, its time in seconds of open window, and the energies until then.
    """

    parameters: dict[str, Any]
    seed: int
    provenance: Mapping[str, str]
    points: Sequence[tuple[dict[str, Any], float, Energies]]


class Watch(Protocol):
    """Analyses a training run while it is watched, in the process of the server."""

    def observe(self, point: Mapping[str, Any], energies_j: Energies) -> dict[str, Any]:
        """Adds an evaluation to what is known of the run.

        Args:
            point: Results of the evaluation by name.
            energies_j: Energies until then.

        Returns:
            What the page shows in addition to the point: where rules stop, what is predicted, what is wasted.
        """
        ...


class Live(Protocol):
    """`experiments/<experiment>/live.py`. `build` and `run` run in the child, the rest in the server.

    `Choices` holds what a user may choose, including `seed`; `Question` is what the network can be asked:
    without fields, it chooses one itself.
    `RULES` describes the rules of `Watch` by name.
    """

    Choices: type[BaseModel]
    Question: type[BaseModel]
    RULES: Mapping[str, str]

    def build(self, values: Mapping[str, Any], seed: int) -> Any:
        """Sets up a run, as `joules.workload.contracts.Workload.build`."""
        ...

    def run(self, prepared: Any, session: LiveSession) -> dict[str, Any]:
        """Does the metered work; reports points and pauses about once a second."""
        ...

    def make_parameters(self, choices: Any) -> dict[str, Any]:
        """Parameters of the workload for a user's `Choices`."""
        ...

    def start_watch(self, parameters: Mapping[str, Any]) -> Watch:
        """A watch for one run with these parameters."""
        ...

    def list_replays(self) -> Sequence[str]:
        """Names of recorded runs that can be replayed."""
        ...

    def load_replay(self, name: str) -> Recorded:
        """A recorded run.

        Raises:
            UserError: If there is none of this name.
        """
        ...
