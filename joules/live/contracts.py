"""What a question offers whose trainings can be watched: its `live.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from joules.live.session import LiveSession

# Joules of the whole machine since the window opened: as they were read, and under every model of power.
READ = "read"
Energies = Mapping[str, float]


@dataclass(frozen=True)
class Recorded:
    """A training of a released campaign: what its child saw and when, with the joules until then."""

    parameters: dict[str, Any]
    seed: int
    provenance: Mapping[str, str]
    points: Sequence[tuple[dict[str, Any], float, Energies]]


class Watch(Protocol):
    """What is made of a training while it is watched, in the page's process."""

    def see(self, point: Mapping[str, Any], energies_j: Energies) -> dict[str, Any]:
        """What the page is told beside the point itself: where rules stop, what is predicted, what is
        wasted."""
        ...


class Live(Protocol):
    """`experiments/<question>/live.py`. The first two run in the child, the others in the page's process.

    `Choices` is what a reader may choose, `seed` among it; `Question` what the network may be asked. `RULES`
    are the rules of `Watch` by name, in words.
    """

    Choices: type[BaseModel]
    Question: type[BaseModel]
    RULES: Mapping[str, str]

    def build(self, values: Mapping[str, Any], seed: int) -> Any:
        """As a workload's."""
        ...

    def run(self, prepared: Any, session: LiveSession) -> dict[str, Any]:
        """As a workload's, telling the session what it sees and resting about once a second."""
        ...

    def parameters(self, choices: Any) -> dict[str, Any]:
        """The parameters of the workload that a reader has chosen."""
        ...

    def watch(self, parameters: Mapping[str, Any]) -> Watch:
        """A watch on one training."""
        ...

    def replays(self) -> Sequence[str]:
        """Names of recorded trainings that can be played again."""
        ...

    def recorded(self, name: str) -> Recorded:
        """One of them. Raises UserError where there is none of the name."""
        ...
