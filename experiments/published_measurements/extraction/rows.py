"""What an extraction gives beside its rows."""

from __future__ import annotations

from typing import NamedTuple


class LeftOut(NamedTuple):
    """A file of which no row is made, and why."""

    path: str
    reason: str
