"""Colours of all figures, on paper and in a browser."""

from __future__ import annotations

# Of Okabe and Ito 2008, told apart by every kind of colour vision; their yellow is too pale for a line.
HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
YELLOW = "#F0E442"
