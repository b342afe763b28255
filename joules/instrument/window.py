"""A window of a meter, and its row in a table."""

from __future__ import annotations

import csv
import functools
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from joules.errors import UserError
from joules.instrument.calls import Function
from joules.instrument.measurement import Measurement
from joules.instrument.reading import RecordedProvenance
from joules.instrument.segments import Observation, Opening

if TYPE_CHECKING:
    import pandas as pd


class OpensWindows(Protocol):
    """What a window needs of its meter."""

    def open_window(self, window: Window) -> None: ...

    def close_window(self, window: Window) -> Window: ...

    def measure(self, name: str) -> Callable[[Function], Function]: ...


class Window:
    """A window of a `Meter`, which makes it (`Meter.window`). It can be read after its end.

    It is open in the body of a `with` or `async with` statement, and around each call of a function that it
    decorates.

    Args:
        meter: The meter.
        name: Name of the window.

    Raises:
        UserError: From every property except `name` before the end of the window.
    """

    def __init__(self, meter: OpensWindows, name: str) -> None:
        self.name = name
        self._meter = meter
        self._opening: Opening | None = None
        self._observation: Observation | None = None

    def __enter__(self) -> Window:
        self._meter.open_window(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._meter.close_window(self)

    async def __aenter__(self) -> Window:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import asyncio

        # Counters are waited for; other tasks go on meanwhile.
        await asyncio.to_thread(self._meter.close_window, self)

    def __call__(self, function: Function) -> Function:
        """Measures every call of a function, as `Meter.measure` does."""
        return self._meter.measure(self.name)(function)

    @functools.cached_property
    def measurement(self) -> Measurement:
        """Everything that was measured in the window, computed at the first access."""
        if self._observation is None:
            state = "is still open" if self._opening else "was never opened"
            raise UserError(f"window '{self.name}' {state}: read it after its end")
        return self._observation.measure()

    @property
    def energy_j(self) -> float | None:
        """Energy of the whole machine in joules; None if the energy of a domain was not read."""
        return self.measurement.energy_j

    @property
    def uncertainty_j(self) -> float | None:
        """Standard uncertainty of `energy_j` in joules."""
        return self.measurement.uncertainty_j

    @property
    def energy_attributed_j(self) -> float | None:
        """Energy attributed to this process and its descendants, in joules; None if it is not known."""
        return self.measurement.energy_attributed_j

    @property
    def provenance(self) -> RecordedProvenance:
        """How `energy_j` was read, 'counter', 'sampled', 'modelled' or 'missing'."""
        return self.measurement.provenance

    @property
    def duration_s(self) -> float:
        """Length of the window in seconds."""
        return self.measurement.duration_s

    @property
    def cpu_s(self) -> float:
        """Processor time of this process and its descendants, in seconds."""
        return self.measurement.cpu_s

    @property
    def flags(self) -> list[str]:
        """Quality flags, each a keyword with its evidence."""
        return self.measurement.flags

    def __str__(self) -> str:
        return f"{self.name}: not ended" if self._observation is None else str(self.measurement)

    def __repr__(self) -> str:
        return f"<Window {self}>"

    def _repr_html_(self) -> str:
        import html

        return html.escape(str(self)) if self._observation is None else self.measurement._repr_html_()


_COLUMNS = (
    "name",
    "began_at",
    "duration_s",
    "energy_j",
    "uncertainty_j",
    "low_j",
    "high_j",
    "provenance",
    "power_w",
    "energy_attributed_j",
    "cpu_s",
    "flags",
)


class Windows(list[Window]):
    """Windows that have ended, as a list and as a table.

    The columns of the table are the name of the window, its begin in UTC, quantities with their units in
    their names, how the energy was read, and quality flags; `low_j` and `high_j` are the ends of
    `interval_j`.
    """

    def to_rows(self) -> list[dict[str, object]]:
        """A dictionary for each window, by column."""
        return [_to_row(window.measurement) for window in self]

    def to_frame(self) -> pd.DataFrame:
        """The table as a data frame.

        Raises:
            ModuleNotFoundError: If pandas is not installed.
        """
        import pandas as pd

        return pd.DataFrame(self.to_rows(), columns=_COLUMNS)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes the table to a CSV file.

        Args:
            path: The file.

        Raises:
            OSError: If it cannot be written.
        """
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, _COLUMNS)
            writer.writeheader()
            writer.writerows(self.to_rows())


def _to_row(measured: Measurement) -> dict[str, object]:
    low_j, high_j = measured.interval_j or (None, None)
    special = {"low_j": low_j, "high_j": high_j, "flags": "; ".join(measured.flags)}
    return {name: special[name] if name in special else getattr(measured, name) for name in _COLUMNS}
