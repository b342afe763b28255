"""Numbers of `published_measurements`, recomputed from its reference files by independent code.

    python -m validation.recompute_published

Prints each number with its name. It imports nothing of this repository, so it cannot repeat its faults.
"""

from __future__ import annotations

import argparse
import csv
import math
import re
from collections import defaultdict
from pathlib import Path
from statistics import correlation, fmean, median

FOLDER = Path(__file__).parent.parent / "experiments" / "published_measurements" / "reference"
ROUNDS = ("mlperf_v3.0", "mlperf_v4.1", "mlperf_v5.1")
# Least number of networks for the R squared of a system.
LEAST = 20


def read(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def split(name: str) -> tuple[str, str] | None:
    """(network as the tables of operations name it, precision); None of others."""
    if not name.startswith(("mobilenet-v", "efficientnet-lite", "efficientnet-fp32", "efficientnet-int8")):
        return None
    is_float = any(word in name for word in ("non-quantized", "float", "fp32"))
    bare = re.sub(
        r"[-_](non-quantized|quantized|precision_float|precision_uint8|float|uint8|fp32|int8)", "", name
    )
    if bare.startswith("mobilenet-v3"):
        width = re.search(r"_([\d.]+)$", bare)
        kind = re.search(r"(large|small)(-minimalistic)?", bare)
        assert kind
        bare = f"mobilenet-v3-{kind[0]}-{width[1] if width else '1.0'}-224"
    return bare, "float32" if is_float else "int8"


def r_squared(pairs: list[tuple[float, float]]) -> float:
    return correlation(*zip(*pairs, strict=True)) ** 2


def inference() -> dict[str, float]:
    runs = [row for name in ROUNDS for row in read(name)]
    operations = {row["network"]: float(row["multiply_adds_m"]) for row in read("network_operations")}
    found: dict[str, float] = {"runs": len(runs)}
    by_system = defaultdict(list)
    both: dict[tuple[str, ...], dict[str, list[float]]] = defaultdict(dict)
    scenarios: dict[tuple[str, ...], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in runs:
        energy_j, named = float(row["energy_per_inference_j"]), split(row["network"])
        key = (row["version"], row["submitter"], row["system"])
        scenarios[(*key, row["division"], row["network"])][row["scenario"]].append(energy_j)
        if named and named[0] in operations and row["scenario"] == "singlestream":
            by_system[row["system"], named[1]].append((operations[named[0]], energy_j, row))
            both[(*key, named[0])].setdefault(named[1], []).append(energy_j)
    many = {key: group for key, group in by_system.items() if len(group) >= LEAST}
    of = {key: r_squared([(ops, energy) for ops, energy, _ in group]) for key, group in many.items()}
    found["r2_operations_vim4_float32"] = of["vim4-tflite-v2.11.0-ruy", "float32"]
    found["r2_operations_median"] = median(of.values())
    found["r2_time_median"] = median(
        r_squared([(float(row["mean_latency_s"]), energy) for _, energy, row in group])
        for group in many.values()
    )
    watts = [[float(row["mean_power_w"]) for _, _, row in group] for group in many.values()]
    found["power_ratio_median"] = median(max(each) / min(each) for each in watts)
    found["int8_ratio_median"] = median(
        fmean(each["int8"]) / fmean(each["float32"]) for each in both.values() if len(each) == 2
    )
    ratios = [
        fmean(each["singlestream"]) / fmean(each["offline"])
        for each in scenarios.values()
        if {"singlestream", "offline"} <= set(each)
    ]
    found["scenario_pairs_above_one"] = sum(ratio > 1 for ratio in ratios)
    found["scenario_ratio_median"] = median(ratios)
    return found


def tdp_over_wall() -> float:
    """Thermal design power of processors and accelerators over watts at full load, median over systems."""
    rated = {row["part"]: float(row["tdp_w"]) for row in read("rated_powers")}
    by_system = defaultdict(list)
    for row in (row for name in ROUNDS for row in read(name)):
        has_accelerator = float(row["accelerators"] or 0) > 0
        parts = [(row["processor"], row["processors"])]
        parts += [(row["accelerator"], row["accelerators"])] if has_accelerator else []
        if row["scenario"] in ("offline", "server") and all(part in rated for part, _ in parts):
            watts = sum(rated[part] * float(count) for part, count in parts)
            by_system[row["version"], row["system"]].append(math.log(watts / float(row["mean_power_w"])))
    return math.exp(median(fmean(logs) for logs in by_system.values()))


def ppo_on_breakout() -> float:
    """Mean score of PPO up to the energy of Breakout's shortest training, by the training's clock."""
    curves = defaultdict(list)
    for row in read("rl_trainings"):
        if row["game"] == "Breakout" and float(row["clock_end_s"]) <= 1.05 * float(row["log_s"]):
            energy_j = float(row["clock_cpu_dram_j"]) + float(row["clock_gpu_j"])
            curves[row["algorithm"], row["seed"]].append(
                (int(row["frames"]), energy_j, float(row["mean_return"]))
            )
    untrained = fmean(score for curve in curves.values() for frames, _, score in curve if frames == 0)
    budget_j = min(max(energy for _, energy, _ in curve) for curve in curves.values())
    scores = []
    for (algorithm, _), curve in curves.items():
        if algorithm == "ppo":
            area, at_j, at_score = 0.0, 0.0, untrained
            for _, energy_j, score in sorted(curve):
                end_j = min(energy_j, budget_j)
                end_score = at_score + (score - at_score) * (end_j - at_j) / (energy_j - at_j)
                area += (end_j - at_j) * (at_score + end_score) / 2
                if energy_j >= budget_j:
                    break
                at_j, at_score = energy_j, score
            scores.append(area / budget_j)
    return fmean(scores)


def stopping() -> float:
    """Median share of energy after the accuracy first came within a point of its final value."""
    return median(
        float(row["share_after_first_within_1"])
        for row in read("classifier_trainings")
        if row["intervention"] == "0" and float(row["final_accuracy"]) >= 0.05
    )


def recompute() -> dict[str, float]:
    return inference() | {
        "tdp_over_wall": tdp_over_wall(),
        "ppo_breakout_score": ppo_on_breakout(),
        "share_after_first_within_1": stopping(),
    }


if __name__ == "__main__":
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    for name, value in recompute().items():
        print(f"{name} {value:.9g}")
