"""How often the declared tests find a difference between an arm and itself.

    python -m validation.same_arm [TRIALS]

Each trial takes an arm of a recorded campaign and gives it two names; in every block each name draws one of
the arm's recorded deviations, over a block effect common to both. A test at 5 % should reject in 5 % of
trials, or fewer where its p-values are few and discrete.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from joules.analysis.statistics import p_value
from joules.study.design import Test

RECORDED = Path(__file__).parent / "data" / "energy_by_block.csv"
BLOCKS = 8
LEVEL = 0.05


def rejections(test: Test, trials: int, seed: int = 0) -> float:
    """Share of trials in which `test` rejects at the 5 % level."""
    random = np.random.default_rng(seed)
    recorded = pd.read_csv(RECORDED).pivot(index="block", columns="arm", values="energy_per_inference_j")
    logs = np.log(recorded.to_numpy())
    deviations = logs - logs.mean(axis=0)
    rejected = 0
    for _ in range(trials):
        own = deviations[:, random.integers(deviations.shape[1])]
        shared = random.normal(0, own.std(), BLOCKS)
        named = random.choice(own, size=(2, BLOCKS)) + shared
        rejected += p_value(named[0] - named[1], test) < LEVEL
    return rejected / trials


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    for name in ("paired_t", "sign_flip"):
        print(f"{name:10} rejects in {100 * rejections(name, count):.2f} % of {count} trials")
