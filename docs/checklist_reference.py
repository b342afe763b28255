"""Writes `docs/reference/checklist.md`, the NeurIPS paper checklist, from the newest campaign with tables.

python docs/checklist_reference.py
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent))

from joules.paper.printing import cell
from joules.study.campaign import CAMPAIGN, Campaign, other_releases
from joules.study.citation import citation
from joules.study.manifest import newest_whole_release
from joules.yaml_files import read_yaml

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "checklist.md"
# Question in our words, answer, reason. Questions: https://neurips.cc/public/guides/PaperChecklist
_ANSWERS = (
    (
        "Do abstract and introduction state what the paper shows?",
        "Yes",
        "The paper makes {claims} claims ({verdicts}). A sentence of abstract or introduction about a "
        "claim is made from its verdict, and the build refuses one that is not.",
    ),
    (
        "Are limitations discussed?",
        "Yes",
        "Section *{threats}*. Energy of this campaign: {provenance}. {flagged} of {runs} runs carry a "
        "quality flag; {exploratory} claims were declared after the data were known, and tables and paper "
        "mark them as exploratory.",
    ),
    ("Are theoretical results proven?", "Not applicable", "There are none."),
    (
        "Can the results be reproduced from the paper and its supplement?",
        "Yes",
        "The [artefact appendix](artifact.md) has a command, minutes, disk and tolerance for each claim. "
        "A record holds parameters, seed, versions and the fingerprint of its code.",
    ),
    (
        "Are code and data open?",
        "Yes",
        "All code and the records of {runs} runs are in the repository. {deposit}.",
    ),
    (
        "Are settings, splits and hyperparameters stated?",
        "Yes",
        "`design.yaml` of each experiment declares arms, sizes and comparisons; the parameters of each "
        "run are in its record.",
    ),
    (
        "Is statistical significance reported?",
        "Yes",
        "{statistics} statistics, of which {intervals} have a 95 % interval (tested: {tests}). p, interval "
        "and verdict come from one declared test, Holm's correction is over {primary} primary claims by "
        "experiment; `python -m validation.coverage` prints how often each kind of interval holds the true "
        "value.",
    ),
    (
        "Are compute resources stated for each experiment?",
        "Yes",
        "One {machine}: {each}. Together {minutes} minutes and {energy} kJ ({provenance}). {others} more "
        "campaigns are in the repository; trials outside of campaigns are not.",
    ),
    (
        "Does the work conform to the code of ethics?",
        "Yes",
        "No persons, no personal data. A record names other programs that used the processor; these are read "
        "before a campaign is released.",
    ),
    (
        "Are broader impacts discussed?",
        "Yes",
        "Section *{carbon}*: {emissions} g of CO2 equivalent by the carbon intensity of `{region}`.",
    ),
    (
        "Are there safeguards against misuse?",
        "Not applicable",
        "Readings, tables and code are released, no weights and no scraped data.",
    ),
    (
        "Are the owners of used assets credited, and licences respected?",
        "Yes",
        "Published readings come from {sources} sources with repository, commit, licence and rule in "
        "`experiments/published_measurements/reference/sources.yaml` ({licences}). Where a source states no "
        "licence, the repository has numbers computed from its data and none of its files. The plays are "
        "read from an installed package and are not copied.",
    ),
    (
        "Are new assets documented?",
        "Yes",
        "Each of {resources} tables has a description of its rows, and each of {columns} columns a type, a "
        "description and a unit if it has one, in `datapackage.json` and the README of the campaign. Data "
        "are CC0, code is MIT.",
    ),
    ("Are instructions and pay of crowdworkers stated?", "Not applicable", "There are none."),
    ("Was research with human subjects approved?", "Not applicable", "There is none."),
    (
        "Is the use of large language models declared?",
        "Not applicable",
        "No method of the paper uses one: the networks of `language_models` are trained from nothing.",
    ),
)


def main() -> None:
    PAGE.write_text(render_page(), encoding="utf-8")


def render_page() -> str:
    """The page in Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    campaign = newest_whole_release(ROOT)
    assert campaign is not None
    facts = _facts(campaign)
    yield from ("# NeurIPS checklist", "")
    yield (
        f"Made by `docs/checklist_reference.py` from campaign `{campaign.name}`: every number is computed "
        "from its tables. The questions are those of the [NeurIPS paper "
        "checklist](https://neurips.cc/public/guides/PaperChecklist), shortened."
    )
    yield from ("", "| | question | answer | reason |", "|---|---|---|---|")
    for number, (question, answer, reason) in enumerate(_ANSWERS, 1):
        yield f"| {number} | {question} | {answer} | {reason.format(**facts)} |"


def _facts(campaign: Campaign) -> dict[str, Any]:
    verdicts = pd.read_csv(campaign.claims)
    energy = pd.read_csv(campaign.tables(CAMPAIGN) / "energy.csv")
    machine = pd.read_csv(campaign.tables(CAMPAIGN) / "machine.csv").iloc[0]
    instruments = pd.read_csv(campaign.tables(CAMPAIGN) / "instruments.csv")
    statistics = pd.concat(map(pd.read_csv, campaign.tables("").glob("*/statistics.csv")))
    package = json.loads((campaign.results / "datapackage.json").read_text(encoding="utf-8"))
    sources = read_yaml(ROOT / "experiments" / "published_measurements" / "reference" / "sources.yaml")
    primary = verdicts[verdicts["kind"] == "primary"].groupby("experiment").size()
    doi = citation().get("doi")
    minutes = energy.set_index("experiment")["spent_s"] / 60
    return {
        "claims": len(verdicts),
        "verdicts": _count(verdicts["verdict"]),
        "exploratory": (verdicts["declaration"] == "exploratory").sum(),
        "threats": _section("Threats to validity"),
        "carbon": _section("Carbon impact statement"),
        "provenance": ", ".join(instruments["domain"] + " " + instruments["provenance"]),
        "flagged": energy["flagged"].sum(),
        "runs": energy["runs"].sum(),
        "deposit": f"A copy is deposited as {doi}" if doi else "A copy with a DOI does not exist yet",
        "statistics": len(statistics),
        "intervals": statistics["ci_low"].notna().sum(),
        "tests": _count(
            statistics.loc[statistics["ci_low"].notna() & (statistics["test"] != "none"), "test"]
        ),
        "primary": f"{primary.min()} to {primary.max()}",
        "machine": machine["words"],
        "each": ", ".join(f"`{name}` {spent:.0f}" for name, spent in minutes.items()) + " minutes",
        "minutes": f"{minutes.sum():.0f}",
        "energy": cell(energy["spent_j"].sum() / 1000),
        "others": len(other_releases(campaign)),
        "emissions": cell(energy["emissions_g"].sum(), 2),
        "region": energy["region"].iloc[0],
        "sources": len(sources),
        "licences": _count(pd.Series([str(source["licence"]) for source in sources.values()])),
        "resources": len(package["resources"]),
        "columns": sum(len(resource["schema"]["fields"]) for resource in package["resources"]),
    }


def _count(words: pd.Series) -> str:
    return ", ".join(f"{count} {word}" for word, count in Counter(words).most_common())


def _section(title: str) -> str:
    """A section of the paper, which has to exist."""
    if f"\\section{{{title}}}" not in (ROOT / "paper" / "paper.tex").read_text(encoding="utf-8"):
        raise ValueError(f"the paper has no section '{title}': name the one that has its content")
    return title


if __name__ == "__main__":
    main()
