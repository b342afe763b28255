"""Whether the interval of a ratio of `joules bench` holds the true ratio: the same command twice, ratio 1.

    python -m validation.bench_intervals [BENCHES] [SECONDS]

Each bench measures two commands that are the same with a budget of so many seconds. Prints the share of
benches whose 95 % interval holds 1, for each ratio, with Wilson's interval of the share.
"""

from __future__ import annotations

from collections import Counter

from scipy import stats

from joules.instrument.benchmark import Plan, Subject, measure_benchmark
from joules.instrument.repeats import Precision
from validation.arguments import parse_numbers

COMMAND = "sort --version"


def main(benches: int, seconds: float) -> None:
    held: Counter[str] = Counter()
    blocks = 0
    subjects = [Subject("first", COMMAND), Subject("second", COMMAND)]
    for seed in range(benches):
        plan = Plan(Precision(0.02, seconds), idle_s=0.0, seed=seed)
        benchmark = measure_benchmark(subjects, plan, lambda _results, _elapsed_s: None)
        blocks += benchmark.results[0].n
        held.update(ratio.metric for ratio in benchmark.ratios if ratio.low <= 1 <= ratio.high)
    print(f"{benches} benches of '{COMMAND}' twice, {blocks / benches:.0f} blocks each")
    for metric, count in held.items():
        low, high = stats.binomtest(count, benches).proportion_ci(method="wilson")
        print(f"{metric}: the interval holds 1 in {count} of {benches} ({low:.1%} to {high:.1%})")


if __name__ == "__main__":
    given = parse_numbers(__doc__, benches=100, seconds=10.0)
    main(given.benches, given.seconds)
