"""Result of `joules bench` for the terminal, as CSV and as a Markdown table."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

from joules.errors import UserError
from joules.instrument.benchmark import Benchmark
from joules.instrument.measurement import significant
from joules.instrument.repeats import Repeat, Repeats

_FORMATS = (".json", ".csv", ".md")
# Share of the energy below which what is above idle is noise.
_LEAST_ABOVE_IDLE = 0.01


def check_format(path: Path) -> Path:
    """A path whose suffix names a format of export.

    Raises:
        UserError: If it does not.
    """
    if path.suffix not in _FORMATS:
        raise UserError(f"unknown format of '{path}': use a name that ends in {', '.join(_FORMATS)}")
    return path


def render(benchmark: Benchmark, path: Path) -> str:
    """The content of an exported file, by its suffix."""
    if path.suffix == ".json":
        return benchmark.model_dump_json(indent=2) + "\n"
    return _render_csv(benchmark) if path.suffix == ".csv" else _render_markdown(benchmark)


def describe_progress(results: list[Repeats], aim: float, elapsed_s: float, budget_s: float) -> str:
    """One line on how far a benchmark is."""
    n = results[0].n
    reached = f"±{max(each.half_width for each in results):.1%}" if n > 1 else "± unknown"
    return f"block {n + 1}: {reached} (aim ±{aim:.1%}), {elapsed_s:.0f} of {budget_s:.0f} s"


def report(benchmark: Benchmark) -> str:
    """The result for a terminal."""
    lines = []
    for number, each in enumerate(benchmark.results, 1):
        low_s, high_s = each.duration_interval_s
        lines += [
            f"Command {number}: {each.name}",
            f"  energy   {_energy(each)}{_above_idle(benchmark, each)}{_attributed(each)}",
            f"  time     {each.duration_s:.4g} s ({low_s:.4g} to {high_s:.4g}), "
            f"{_mean_cpu_s(each):.4g} s of processor time",
            f"  repeats  {_describe_repeats(each)}",
            *_describe_flags(each),
            "",
        ]
    if benchmark.ratios:
        lines.append(f"Compared with '{benchmark.results[0].name}' (95 % intervals):")
        width = max(len(ratio.name) for ratio in benchmark.ratios)
        lines += [f"  {ratio.name:{width}}  {ratio}" for ratio in benchmark.ratios]
        lines.append("")
    if any(each.half_width > benchmark.within for each in benchmark.results):
        aim = f"±{100 * benchmark.within:g}%"
        lines.append(f"The budget of {benchmark.budget_s:g} s ended before {aim}: raise --budget")
    return "\n".join(lines).rstrip() + "\n"


def _energy(each: Repeats) -> str:
    low_j, high_j = map(significant, each.energy_interval_j)
    words = f"{significant(each.energy_j)} J ({low_j} to {high_j}), {each.provenance}"
    if each.factors is None:
        return words
    least, most = each.factors
    return f"{words} (same error in all repeats: {least:.2g} to {most:.2g} times that)"


def _above_idle(benchmark: Benchmark, each: Repeats) -> str:
    """Energy above that of the idle machine, unless others worked as much while it was measured."""
    above_j = each.energy_j - (benchmark.mean_idle_w or 0.0) * each.duration_s
    is_known = benchmark.mean_idle_w is not None and above_j > _LEAST_ABOVE_IDLE * each.energy_j
    return f"; {significant(above_j)} J above idle" if is_known else ""


def _attributed(each: Repeats) -> str:
    known_j = each.energies_attributed_j
    return "" if known_j is None else f"; {significant(sum(known_j) / len(known_j))} J attributed"


def _mean_cpu_s(each: Repeats) -> float:
    return sum(repeat.cpu_s for repeat in each.counted) / each.n


def _describe_repeats(each: Repeats) -> str:
    again = len(each.repeats) - each.n
    words = [str(each.n)]
    if again:
        words.append(f"{again} others were disturbed and measured again")
    if each.disturbed:
        words.append(f"{each.disturbed} of the {each.n} were disturbed all the same")
    return "; ".join(words)


def _describe_flags(each: Repeats) -> list[str]:
    """A line on each kind of disturbance, with the evidence of its last flag."""
    evidence: dict[str, str] = {}
    kinds: Counter[str] = Counter()
    for repeat in each.counted:
        kinds.update(repeat.disturbances)
        evidence |= dict(flag.split(": ", 1) for flag in repeat.flags if ": " in flag)
    return [f"  flag     {kind} in {count}, lastly: {evidence[kind]}" for kind, count in kinds.most_common()]


def _render_csv(benchmark: Benchmark) -> str:
    text = io.StringIO()
    columns = ["command", "provenance", *Repeat.model_fields]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for each in benchmark.results:
        for repeat in each.repeats:
            cells = repeat.model_dump() | {"flags": "; ".join(repeat.flags)}
            writer.writerow({"command": each.name, "provenance": each.provenance} | cells)
    return text.getvalue()


def _render_markdown(benchmark: Benchmark) -> str:
    base = benchmark.results[0]
    lines = [
        f"| command | energy (J, {base.provenance}) | time (s) | n | energy over that of `{base.name}` |",
        "|---|---|---|---|---|",
    ]
    ratios = {ratio.name: ratio for ratio in benchmark.ratios if ratio.metric == "energy"}
    for each in benchmark.results:
        low_j, high_j = map(significant, each.energy_interval_j)
        low_s, high_s = each.duration_interval_s
        ratio = ratios.get(each.name)
        compared = f"{ratio.estimate:.3f} ({ratio.low:.3f} to {ratio.high:.3f})" if ratio else "1"
        name = each.name.replace("|", "\\|")
        lines.append(
            f"| `{name}` | {significant(each.energy_j)} ({low_j} to {high_j}) | "
            f"{each.duration_s:.4g} ({low_s:.4g} to {high_s:.4g}) | {each.n} | {compared} |"
        )
    return "\n".join([*lines, "", "Intervals are 95 % intervals of the mean, and of the ratio."]) + "\n"
