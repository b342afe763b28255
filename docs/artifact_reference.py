"""Writes `docs/reference/artifact.md`, the artefact appendix, from the newest campaign with tables.

python docs/artifact_reference.py
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent))

from joules.paper.printing import cell
from joules.study.campaign import CAMPAIGN, Campaign, figures_of
from joules.study.citation import citation
from joules.study.design import load_design
from joules.study.files import read_content
from joules.study.manifest import newest_whole_release

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "artifact.md"
SCALE = "standard"
# Fewest campaigns over which verdicts are decided.
REPLICATES = 3
_HEAD = ("claim", "what would contradict it", "expected", "a result agrees", "verdict", "key")
_TEXT = """# Artefact appendix

Made by `docs/artifact_reference.py` from campaign `{name}` and the claims that it is asked. The [NeurIPS
checklist](checklist.md) is answered from the same campaign.

## Badges

- *Available*: code (MIT), {records} records, {tables} tables and the paper (CC0) are in this repository.
  `snakemake --cores all --config campaign={name} -- release` packs the campaign with a data package, an
  RO-Crate and the metadata of a deposit; {deposit}.
- *Functional*: `make test` runs every test and the whole workflow at its smallest scale. The paper makes
  {claims} claims, of which this campaign decides {decided}. A test parses or runs each command of the
  documentation.
- *Reproduced*, from the records: `joules trace --verify --campaign {name}` computes every table, figure,
  verdict and number again and compares the bytes.
- *Reproduced*, by measuring again: {replicated} claims have {least} or more campaigns on this machine, and
  {kept} of their verdicts hold over all of these. `make reproduce` measures on yours, and `joules
  reproduction` compares the result with the released campaigns.

## What it needs

The campaign took {minutes} minutes on a {machine} under {system}; its largest child process used {memory}
GB of memory. The [README](../../README.md) states software, disk and network of the set-up. An NVIDIA GPU
is used and metered if there is one; none is needed.

## Check the claims without measuring

Set up with `make setup` and `. .venv/bin/activate`. The first command computes everything from the records
again and says what it compared. The second prints the estimate of a claim, named by its *key* below, with
the rows, records and sources that it comes from. Interval and verdict are in `results/{name}/claims.csv`,
whose column `claim` is the name that the tables below begin with. The third makes all files but the records
again, in a few minutes on two cores; `git diff --stat` then lists no table and no verdict.

```sh
joules trace --verify --campaign {name}
joules trace {key} --campaign {name}
snakemake --cores all --forceall --config campaign={name}
```

## Measure the claims anew

The command of an experiment measures it alone and builds its part of the paper. The verdicts on its claims
are then in `results/local/claims.csv` (columns `verdict`, `estimate`, `ci_low`, `ci_high`) and in its
section of `paper/build/local/paper.pdf`; `joules trace` with the *key* prints an estimate with its rows and
records. A campaign draws seeds of its own, so it does not repeat the digits.

*A result agrees* if its interval overlaps the one that the table gives: over {least} or more campaigns on
this machine where there are as many, else of this campaign. Energy is modelled here and effects differ
between machines: on other hardware a disagreement is a finding. *No estimate* says why this campaign has
none; such a claim can only be measured. If its null hypothesis is true, a claim is not supported with a
probability of at least {chance} (`chance_to_fail` in `claims.csv`)."""


def main() -> None:
    PAGE.write_text(render_page(), encoding="utf-8")


def render_page() -> str:
    """The page in Markdown."""
    campaign = newest_whole_release(ROOT)
    assert campaign is not None
    return "\n".join(_lines(campaign)) + "\n"


def _lines(campaign: Campaign) -> Iterator[str]:
    verdicts = pd.read_csv(campaign.claims, dtype={"unit": str})
    yield _TEXT.format(**_facts(campaign, verdicts))
    for experiment, claims in verdicts.groupby("experiment", sort=False):
        yield from _experiment(campaign, str(experiment), claims)


def _facts(campaign: Campaign, verdicts: pd.DataFrame) -> dict[str, Any]:
    machine = pd.read_csv(campaign.tables(CAMPAIGN) / "machine.csv").iloc[0]
    energy = pd.read_csv(campaign.tables(CAMPAIGN) / "energy.csv")
    measured = [campaign.tables(name) / "runs.csv" for name in campaign.measured_experiments()]
    over = verdicts[verdicts["replicates"] >= REPLICATES]
    doi = citation().get("doi")
    return {
        "name": campaign.name,
        "records": sum(len(read_content(path).splitlines()) for path in _blocks(campaign)),
        "tables": len(list(campaign.tables("").glob("*/*.csv"))),
        "deposit": f"it is deposited as {doi}" if doi else "it has no DOI yet, which ACM's badge asks for",
        "claims": len(verdicts),
        "decided": verdicts["verdict"].isin(["supported", "contradicted"]).sum(),
        "replicated": len(over),
        "kept": (over["verdict"] == over["campaign_verdict"]).sum(),
        "least": REPLICATES,
        "minutes": f"{energy['spent_s'].sum() / 60:.0f}",
        "machine": machine["words"],
        "system": machine["system"],
        "memory": f"{max(pd.read_csv(path)['peak_memory_bytes'].max() for path in measured) / 1e9:.1f}",
        "key": _key(campaign, verdicts[verdicts["estimate"].notna()].iloc[0]),
        "chance": verdicts["chance_to_fail"].min(),
    }


def _experiment(campaign: Campaign, experiment: str, claims: pd.DataFrame) -> Iterator[str]:
    design = load_design(experiment)
    yield from ("", f"### {design.title}", "")
    if design.has_runs:
        command = f"snakemake --cores all --config scale={SCALE} experiments='[\"{experiment}\"]'"
        minutes, size = _minutes(campaign, experiment), cell(_megabytes(campaign, experiment), 2)
        yield f"`{command}`: {minutes:.0f} minutes of measuring, {size} MB of disk."
    else:
        yield "Nothing is measured, the readings are in the repository: check them as above."
    yield from ("", f"| {' | '.join(_HEAD)} |", f"|{'---|' * len(_HEAD)}")
    for row in claims.to_dict("records"):
        claim = f"`{row['claim']}`: {row['statement']}"
        yield f"| {' | '.join([claim, row['contradicted_if'], *_expected(campaign, row)])} |"


def _expected(campaign: Campaign, row: dict[str, Any]) -> tuple[str, ...]:
    if math.isnan(row["estimate"]):
        return "no estimate", row["evidence"], row["verdict"], ""
    is_over = row["replicates"] >= REPLICATES
    agrees = _interval(row, "over_low", "over_high") if is_over else _interval(row, "ci_low", "ci_high")
    return (
        f"{cell(row['estimate'])} [{_interval(row, 'ci_low', 'ci_high')}]{_measure(row)}",
        agrees + (f" ({row['replicates']:.0f} campaigns)" if is_over else ""),
        row["verdict"],
        f"`{_key(campaign, row)}`",
    )


def _measure(row: dict[str, Any]) -> str:
    """What an estimate is: its unit, and whether it is a ratio or a difference."""
    unit = "" if row["unit"] == "1" else f" {row['unit']}"
    return unit + (f" ({row['contrast']})" if isinstance(row["contrast"], str) else "")


def _interval(row: dict[str, Any], low: str, high: str) -> str:
    return f"{cell(row[low])} to {cell(row[high])}"


def _key(campaign: Campaign, row: Any) -> str:
    """The key by which `joules trace` finds the statistic of a claim."""
    values = pd.read_csv(campaign.build / "values.csv", usecols=["key", "experiment"])
    own = values.loc[values["experiment"] == row["experiment"], "key"]
    return min(own[own.str.endswith(f".{row['statistic']}")], key=len)


def _blocks(campaign: Campaign) -> list[Path]:
    return sorted(campaign.runs.glob("*/block-*"))


def _minutes(campaign: Campaign, experiment: str) -> float:
    own = [path for path in _blocks(campaign) if path.parent.name == experiment]
    lines = [line for path in own for line in read_content(path).splitlines()]
    return sum(json.loads(line)["spent"]["duration_s"] for line in lines) / 60


def _megabytes(campaign: Campaign, experiment: str) -> float:
    """Disk of an experiment's records (uncompressed, as they are measured), tables and figures."""
    records = [len(read_content(path)) for path in _blocks(campaign) if path.parent.name == experiment]
    figures = [path for name in figures_of(experiment) for path in campaign.figures.glob(f"{name}.*")]
    made = [path.stat().st_size for path in [*campaign.tables(experiment).iterdir(), *figures]]
    return sum([*records, *made]) / 1e6


if __name__ == "__main__":
    main()
