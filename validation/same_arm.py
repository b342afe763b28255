"""How often the declared tests find a difference between an arm and itself.

    python -m validation.same_arm [TRIALS]

Each trial takes an arm of a recorded campaign under two names. In each block each name draws one of the
recorded deviations of the arm; both share the effect of the block. A test at the 5 % level should reject in
5 % of the trials, or in fewer if it has few possible p-values.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from joules.means import Test, p_value
from validation.arguments import parse_numbers

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
    count = parse_numbers(__doc__, trials=2000).trials
    for name in ("paired_t", "sign_flip"):
        print(f"{name:10} rejects in {100 * rejections(name, count):.2f} % of {count} trials")
