"""How the energy of a campaign was read, in words: from its table `instruments`."""

from __future__ import annotations

import pandas as pd

# The word for a number of each provenance, as a caption and the abstract print it.
WORDS = {
    "counter": "measured by hardware counters",
    "sampled": "measured by sampled power",
    "modelled": "modelled, not measured",
    "missing": "missing",
}
DOMAINS = {"cpu": "processor", "dram": "memory", "machine": "whole machine"}


def is_modelled(instruments: pd.DataFrame) -> bool:
    """Whether the energy of any part of the machine is modelled."""
    return bool((instruments["provenance"] == "modelled").any())


def domain_name(domain: str) -> str:
    """A domain as the paper prints it: 'processor', 'memory', 'GPU0'."""
    return DOMAINS.get(domain, domain.upper())


def provenance_words(instruments: pd.DataFrame) -> str:
    """How the energy was read, as a clause."""
    kinds = set(instruments["provenance"])
    if len(kinds) == 1:
        return WORDS[kinds.pop()]
    parts = [f"{domain_name(row.domain)} {WORDS[row.provenance]}" for row in instruments.itertuples()]
    return ", ".join(parts)
