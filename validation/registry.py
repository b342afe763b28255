"""Time and memory of comparing claims over campaigns, for registries of 100, 1000 and 10000 campaigns.

    python -m validation.registry [LARGEST]

A registry is a folder of campaigns with their verdicts, as `results/` is. Each simulated campaign has the
verdicts of a released one, with estimates that vary over machines and campaigns, seeds of its own, and one
machine in ten campaigns. Records are not read: they were analysed once when a campaign was released or by
`joules reanalyse`, so the time here does not depend on the number of runs in a campaign.
"""

from __future__ import annotations

import datetime
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from joules.analysis.origin import read_verdicts
from joules.paper.replication import print_replication, tabulate_replication
from joules.study.campaign import Campaign, earlier_releases
from joules.study.config import LOCAL
from joules.study.fingerprint import file_sha256
from joules.study.manifest import read_manifest, store_manifest
from validation.arguments import parse_numbers

REPOSITORY = Path(__file__).parent.parent
SOURCE = "epyc-2core-quick-2026-11-26b"
_ON_A_MACHINE = 10
_MACHINES_SPREAD, _CAMPAIGNS_SPREAD = 0.2, 0.05


def build_registry(root: Path, campaigns: int) -> None:
    """Writes the verdicts of so many campaigns, and those of the reader's own."""
    released = pd.read_csv(Campaign(SOURCE, REPOSITORY).latest_claims)
    manifest = read_manifest(Campaign(SOURCE, REPOSITORY))
    random = np.random.default_rng(0)
    machines = random.lognormal(0, _MACHINES_SPREAD, (campaigns // _ON_A_MACHINE + 1, len(released)))
    first = datetime.date(2026, 1, 1)
    for number in range(campaigns):
        campaign = Campaign(LOCAL if number == 0 else f"simulated-{number}", root)
        campaign.runs.mkdir(parents=True)
        factors = machines[number // _ON_A_MACHINE] * random.lognormal(0, _CAMPAIGNS_SPREAD, len(released))
        verdicts = released.assign(
            **{name: released[name] * factors for name in ("estimate", "ci_low", "ci_high")},
            machine=f"machine {number // _ON_A_MACHINE}",
            measured_on=(first + datetime.timedelta(days=number % 300)).isoformat(),
            first_seed=10_000 + number,
        )
        verdicts.to_csv(campaign.claims, index=False)
        files = {campaign.relative(campaign.claims): file_sha256(campaign.claims)}
        store_manifest(campaign, manifest.model_copy(update={"campaign": campaign.name, "files": files}))


def compare_registry(root: Path) -> pd.DataFrame:
    """The table of claims over all campaigns of a registry, as the paper prints it."""
    own = Campaign(LOCAL, root)
    verdicts = read_verdicts([own, *earlier_releases(own)])
    return print_replication(tabulate_replication(verdicts))


def _measure(root: Path) -> tuple[float, float, float, int]:
    """Seconds, seconds of the processor, largest memory in MB, and claims; in a process of its own."""
    started_s, began_s = time.monotonic(), time.process_time()
    rows = len(compare_registry(root))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return time.monotonic() - started_s, time.process_time() - began_s, peak_mb, rows


def measure_sizes(largest: int) -> Iterator[tuple[int, float, float, float, int]]:
    """Campaigns, seconds, megabytes and claims, of registries each ten times as large as the last."""
    campaigns = 100
    while campaigns <= largest:
        with tempfile.TemporaryDirectory() as folder:
            build_registry(Path(folder), campaigns)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                yield campaigns, *pool.apply(_measure, (Path(folder),))
        campaigns *= 10


def main() -> None:
    """Prints time and memory by the number of campaigns."""
    largest = parse_numbers(__doc__, largest=10_000).largest
    print(f"{'campaigns':>10}{'claims':>8}{'seconds':>9}{'CPU s':>8}{'MB':>7}")
    for campaigns, duration_s, cpu_s, peak_mb, claims in measure_sizes(largest):
        print(f"{campaigns:10}{claims:8}{duration_s:9.1f}{cpu_s:8.1f}{peak_mb:7.0f}", flush=True)


if __name__ == "__main__":
    main()
