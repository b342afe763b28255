"""The message at the end of a build: results, verdicts, cost and what to do next, or what failed."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

from joules.study.campaign import CAMPAIGN, Campaign


def summarize_campaign(campaign: Campaign) -> str:
    """A few lines on a campaign that was built; empty if a table that they need is missing."""
    files = [
        campaign.claims,
        campaign.tables(CAMPAIGN) / "energy.csv",
        campaign.tables(CAMPAIGN) / "instruments.csv",
    ]
    if not all(path.is_file() for path in files):
        return ""
    claims, spent, instruments = map(_rows, files)
    verdicts = Counter(claim["verdict"] for claim in claims)
    how = "/".join(dict.fromkeys(row["provenance"] for row in instruments))
    low, high = _total(spent, "energy_kwh_band_low"), _total(spent, "energy_kwh_band_high")
    band = f", {low:.2g} to {high:.2g} over power models" if high > low else ""
    took = (
        f"{_total(spent, 'spent_s') / 3600:.2g} h, {_total(spent, 'energy_kwh'):.2g} kWh ({how}{band}), "
        f"{_total(spent, 'runs'):.0f} runs, {_total(spent, 'flagged'):.0f} with a flag, "
        f"{_total(spent, 'failed'):.0f} failed"
    )
    proof = "joules trace --verify" + ("" if campaign.is_local else f" --campaign {campaign.name}")
    lines = {
        "paper": f"{campaign.relative(campaign.build / 'paper.html')}, and as .pdf",
        "explorer": campaign.relative(campaign.explorer),
        "claims": ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()),
        "measuring": took,
        "next": proof + ("; joules reproduction" if campaign.is_local else ""),
    }
    return "\n".join(f"{name:10} {text}" for name, text in lines.items())


def describe_failures(logs: Path, since_s: float) -> str:
    """The error in each log of a step that has failed, one a line.

    Args:
        logs: Folder of the logs.
        since_s: Logs written before this instant are left out, in seconds since 1970.

    Returns:
        The last line of each log, and where the log is.
    """
    lines = []
    for log in sorted(logs.rglob("*.log")):
        if log.stat().st_mtime < since_s:
            continue
        printed = log.read_text(encoding="utf-8", errors="replace").splitlines()
        last = next(filter(str.strip, reversed(printed)), "")
        if re.match(r"error: |[\w.]*(Error|Exception|Interrupt)\b", last):
            lines.append(f"failed: {last.removeprefix('error: ')} (log: {log})")
    return "\n".join(lines)


def _total(rows: list[dict[str, str]], column: str) -> float:
    return sum(float(row.get(column) or 0.0) for row in rows)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
