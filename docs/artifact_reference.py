"""Writes `docs/reference/artifact.md`, the artefact appendix, from the newest campaign with tables.

python docs/artifact_reference.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent))

from joules.paper.printing import cell
from joules.study.campaign import CAMPAIGN, Campaign
from joules.study.config import LOCAL
from joules.study.design import load_design
from joules.study.files import read_content

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "artifact.md"
SCALE = "standard"


def main() -> None:
    PAGE.write_text(render_page(), encoding="utf-8")


def render_page() -> str:
    """The page in Markdown."""
    return "\n".join(_lines(_whole_campaign())) + "\n"


def _lines(campaign: Campaign) -> Iterator[str]:
    verdicts = pd.read_csv(campaign.claims)
    machine = pd.read_csv(campaign.tables(CAMPAIGN) / "machine.csv").iloc[0]
    yield "# Artefact appendix"
    yield ""
    yield (
        "Made by `docs/artifact_reference.py` from campaign "
        f"`{campaign.name}`, which took the minutes below on a {machine['words']}. Energy there is modelled, "
        "so a machine with a counter may come to other verdicts; ratios of times should not."
    )
    yield ""
    yield "## Badges"
    yield ""
    yield (
        "- *Available*: all records, tables and code are in this repository under free licences; "
        "`snakemake --config campaign=<name> -- release` packs one campaign with its metadata."
    )
    yield "- *Functional*: `make test` runs every test and the whole workflow at its smallest scale."
    yield (
        "- *Reproduced*: `joules trace --verify` computes every table, figure and number again from the "
        "records; `make reproduce` measures anew, and `joules reproduction` compares the result with the "
        "released campaigns, claim by claim."
    )
    yield ""
    yield "## Claims"
    yield ""
    yield (
        "The command of an experiment measures it alone and builds its part of the paper. Disk: less than "
        "10 MB each, beside the environment of the README. A number agrees if its interval overlaps the "
        "expected one; a verdict can differ on another machine, and the paper then says so. Results are in "
        "`results/local/claims.csv`, the statistic in `results/local/tables/<experiment>/statistics.csv`."
    )
    for experiment, claims in verdicts.groupby("experiment", sort=False):
        design = load_design(str(experiment))
        yield ""
        yield f"### {design.title}"
        yield ""
        if design.has_runs:
            command = f"snakemake --cores all --config scale={SCALE} experiments='[\"{experiment}\"]'"
            yield f"`{command}`: {_minutes(campaign, str(experiment)):.0f} minutes."
        else:
            yield "Nothing is measured: the readings are in the repository, and any campaign tabulates them."
        yield ""
        yield "| claim | what would contradict it | chance to fail | expected | verdict |"
        yield "|---|---|---|---|---|"
        for row in claims.to_dict("records"):
            expected = f"{cell(row['estimate'])} ({cell(row['ci_low'])} to {cell(row['ci_high'])})"
            yield (
                f"| {row['statement']} | {row['contradicted_if']} | {cell(row['chance_to_fail'])} | "
                f"`{row['statistic']}` {expected} | {row['verdict']} |"
            )


def _whole_campaign() -> Campaign:
    """The newest campaign whose tables are in the repository."""
    released = [
        Campaign(path.parent.name, ROOT)
        for path in sorted(ROOT.glob("results/*/manifest.json"))
        if path.parent.name != LOCAL
    ]
    return [campaign for campaign in released if (campaign.tables(CAMPAIGN) / "machine.csv").exists()][-1]


def _minutes(campaign: Campaign, experiment: str) -> float:
    lines = [
        line
        for path in sorted((campaign.results / "runs" / experiment).glob("block-*"))
        for line in read_content(path).splitlines()
    ]
    return sum(json.loads(line)["spent"]["duration_s"] for line in lines) / 60


if __name__ == "__main__":
    main()
