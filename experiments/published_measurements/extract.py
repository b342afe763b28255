"""Makes a file of `reference/` from a clone of the repository that published the measurements.

    python -m experiments.published_measurements.extract mlperf --version v3.0 --repository CLONE

writes `reference/mlperf_v3.0.csv`, byte for byte the file that is there when the clone has the commit that
`reference/sources.yaml` names, and prints what was left out and why.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from experiments.published_measurements.extraction import mlperf, rl, trainings
from experiments.published_measurements.extraction.git import Clone
from experiments.published_measurements.extraction.rows import LeftOut
from joules.errors import UserError
from joules.study.fingerprint import file_sha256

REFERENCE = Path(__file__).parent / "reference"
# Repositories are cloned from GitHub; `reference/sources.yaml` names the commits.
_KINDS = ("mlperf", "rl", "trainings")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one extraction; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=_KINDS, help="what the repository holds")
    parser.add_argument("--repository", type=Path, required=True, metavar="CLONE", help="folder of the clone")
    parser.add_argument("--revision", default="HEAD", help="commit to read (default: HEAD)")
    parser.add_argument("--version", help="round of MLPerf Inference, for example v3.0")
    parser.add_argument("--output", type=Path, default=REFERENCE, metavar="FOLDER", help="where to write")
    options = parser.parse_args(arguments)
    try:
        _extract(options)
    except UserError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    return 0


def _extract(options: argparse.Namespace) -> None:
    if options.kind == "mlperf" and not options.version:
        raise UserError("name the round of MLPerf Inference: --version v3.0")
    begun_s = time.monotonic()
    with Clone(options.repository, options.revision) as clone:
        name, columns, found = _select(options.kind, options.version, clone)
        path = options.output / f"{name}.csv"
        left_out = _write(path, columns, found)
    rows = sum(1 for _ in path.open(encoding="utf-8")) - 1
    print(f"{path}: {rows} rows of commit {clone.commit} in {time.monotonic() - begun_s:.1f} s")
    print(f"sha256 {file_sha256(path)}")
    for reason, count in left_out.most_common():
        print(f"left out: {count} {reason}")


def _select(
    kind: str, version: str | None, clone: Clone
) -> tuple[str, Sequence[str], Iterable[dict[str, Any] | LeftOut]]:
    """(name of the file, its columns, its rows)."""
    if kind == "mlperf":
        return f"mlperf_{version}", mlperf.COLUMNS, mlperf.extract(clone, str(version))
    if kind == "rl":
        return "rl_trainings", rl.COLUMNS, rl.extract(clone)
    return "classifier_trainings", trainings.COLUMNS, trainings.extract(clone)


def _write(path: Path, columns: Sequence[str], found: Iterable[dict[str, Any] | LeftOut]) -> Counter[str]:
    """Writes rows as they come; returns the reasons of what is left out, counted."""
    left_out: Counter[str] = Counter()

    def rows() -> Iterator[dict[str, str]]:
        for each in found:
            if isinstance(each, LeftOut):
                is_copy = each.reason.startswith(mlperf.COPY)
                left_out[mlperf.COPY.strip() if is_copy else f"{each.path}: {each.reason}"] += 1
            else:
                yield {name: _print(each.get(name)) for name in columns}

    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows())
    return left_out


def _print(cell: object) -> str:
    """Numbers to nine significant digits, which is more than any of these instruments has."""
    if cell is None:
        return ""
    return f"{cell:.9g}" if isinstance(cell, float) else str(cell)


if __name__ == "__main__":
    sys.exit(main())
