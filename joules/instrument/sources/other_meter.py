"""Stands for the meter of another process, so that no machine is counted twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from joules.instrument.source import MACHINE, Channel, Notice, Source, SourceError

# The source of the reading of a machine that another process meters.
OTHER_RANK = "rank 0"


class OtherRank(Source):
    """The whole machine, which rank 0 of the node reads for all ranks: its energy is missing here.

    Args:
        rank: Number of this process on its node.
        variable: The variable of the environment that says so.
    """

    period_s = 60.0

    def __init__(self, rank: int, variable: str) -> None:
        self._reason = f"{variable} is {rank}: rank 0 of this node meters the machine"
        self._channel = Channel(
            domain=MACHINE, source=OTHER_RANK, provenance="counter", form="cumulative_j", detail=self._reason
        )

    @property
    def channels(self) -> tuple[Channel, ...]:
        return (self._channel,)

    def notices(self) -> Sequence[Notice]:
        return (Notice("meter", self._reason, "flag"),)

    def read(self) -> Mapping[Channel, float]:
        raise SourceError(self._reason)


class SecondMeter(Source):
    """Nothing but the notice that another process meters this machine too.

    Args:
        other: Its process id.
    """

    period_s = 60.0

    def __init__(self, other: int) -> None:
        says = f"process {other} also meters this machine: do not add their energies"
        self._notice = Notice("meter", says, "flag")

    @property
    def channels(self) -> tuple[Channel, ...]:
        return ()

    def notices(self) -> Sequence[Notice]:
        return (self._notice,)

    def read(self) -> Mapping[Channel, float]:
        return {}
