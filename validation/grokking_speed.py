"""Training steps per second, compared with a plain eager loop of the same network.

    python -m validation.grokking_speed [ROUNDS] [SECONDS]

Plain means `naive` with the default AdamW of torch. Rounds alternate between the two; the ratio is the median
over rounds.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional

from experiments.grokking import workload
from joules.study.design import load_design
from validation.arguments import parse_numbers, use_environment_of_a_run


def rate(step: Callable[[], object], least_s: float) -> float:
    """Calls per second over at least `least_s` seconds."""
    step()
    count, start_s = 0, time.perf_counter()
    while time.perf_counter() - start_s < least_s:
        step()
        count += 1
    return count / (time.perf_counter() - start_s)


def plain(prepared: workload.Prepared) -> Callable[[], object]:
    """A training step in its simplest form."""
    network, train, parameters = prepared.network, prepared.train, prepared.parameters
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=parameters.learning_rate, weight_decay=parameters.weight_decay
    )

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(functional.cross_entropy(network.naive(train.pairs), train.results))
        optimizer.step()

    return step


def main(rounds: int, least_s: float) -> None:
    arms = load_design("grokking").runs("standard")
    for arm in ("add_transformer", "add_mlp"):
        pairs = []
        for seed in range(rounds):
            prepared = workload.build(arms[arm], seed)
            own = rate(functools.partial(workload.step, prepared), least_s)
            pairs.append((rate(plain(workload.build(arms[arm], seed)), least_s), own))
        ratios = [own / theirs for theirs, own in pairs]
        print(
            f"{arm}: plain {statistics.median(p[0] for p in pairs):.1f}, "
            f"ours {statistics.median(p[1] for p in pairs):.1f} steps/s, "
            f"x{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}] over {rounds} rounds",
            flush=True,
        )


if __name__ == "__main__":
    given = parse_numbers(__doc__, rounds=3, seconds=4.0)
    use_environment_of_a_run("validation.grokking_speed")
    main(given.rounds, given.seconds)
