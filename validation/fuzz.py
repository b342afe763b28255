"""Damages what the code reads from outside, and checks that each input ends well or in a sentence.

Readers of files (records, manifests, designs, options, what the kernel shows of energy) get files that are
cut, overwritten, repeated or of another type. The bench gets marks of a child in any order, of any content;
the source of NVIDIA's GPUs any answer of a driver. The same seed gives the same inputs.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from joules.errors import UserError
from joules.instrument.source import SourceError
from joules.models import did_you_mean
from validation.fuzz_bench import fuzz_marks
from validation.fuzz_driver import fuzz_driver
from validation.fuzz_readers import BESIDE, Reader, readers

# How an input may end, apart from well.
SENTENCES = (UserError, SourceError)
_SPOILS = (
    b"\r\n",
    b"\xef\xbb\xbf",
    b";",
    b"1,5",
    b"NaN",
    b"1e999",
    b"-",
    b'"',
    b"{",
    b"[" * 2000,
    b"\0",
    b"9" * 5000,
)
_Case = Callable[[random.Random], None]


def damage(good: bytes, chance: random.Random) -> bytes:
    """A file that is cut, overwritten, repeated, empty, or saved by a spreadsheet."""
    content = good
    for _ in range(chance.randint(1, 3)):
        start = chance.randint(0, len(content))
        end = chance.randint(start, min(start + 40, len(content)))
        content = content[:start] + _spoil(chance) + content[end:]
    return chance.choice([content] * 4 + [content[: len(content) // 2], content * 2, b""])


def _spoil(chance: random.Random) -> bytes:
    match chance.randrange(3):
        case 0:
            return chance.randbytes(chance.randint(0, 12))
        case 1:
            return chance.choice(_SPOILS)
        case _:
            return json.dumps(anything(chance)).encode()


def anything(chance: random.Random, depth: int = 2) -> object:
    """Any value of JSON, not-a-number and infinity among them."""
    kinds: list[Callable[[], object]] = [
        lambda: None,
        lambda: chance.random() < 0.5,
        lambda: chance.choice([0, -1, 1, 2**31, 2**63, 2**64, -(2**70), 10**400]),
        lambda: chance.choice([0.5, -1e308, 1e-320, float("nan"), float("inf")]),
        lambda: "".join(chance.choices('aZ0_./\\"\n\t\x1b\u00e9\u4e2d\ud800 ', k=chance.randint(0, 8))),
    ]
    if depth:
        few = range(chance.randint(0, 3))
        kinds += [
            lambda: [anything(chance, depth - 1) for _ in few],
            lambda: {str(anything(chance, 0)): anything(chance, depth - 1) for _ in few},
        ]
    return chance.choice(kinds)()


def fuzz_reader(reader: Reader, folder: Path) -> _Case:
    """One input of a reader of files."""
    for place, content in ({**BESIDE, reader.place: reader.good}).items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    path = folder / reader.place

    def read(chance: random.Random) -> None:
        path.write_bytes(damage(reader.good, chance))
        reader.read(folder)

    return read


def cases(folder: Path) -> dict[str, _Case]:
    """What is fuzzed, by its name; each has a folder of its own."""
    made = {name: fuzz_reader(reader, folder / name.replace(" ", "_")) for name, reader in readers().items()}
    return made | {"marks of the bench": fuzz_marks(folder, anything), "answers of NVML": fuzz_driver(folder)}


def run_case(name: str, case: _Case, inputs: int, seed: int = 0) -> tuple[int, list[str]]:
    """Runs a case; returns how many inputs ended in a sentence, and tracebacks of other ends."""
    sentences, faults = 0, []
    for number in range(inputs):
        try:
            case(random.Random(f"{seed}/{name}/{number}"))
        except SENTENCES:
            sentences += 1
        except Exception:
            faults.append(f"{name}, seed {seed}, input {number}:\n{traceback.format_exc()}")
    return sentences, faults


def main() -> int:
    """Prints, for each reader, how many inputs ended well and in a sentence, and every other end."""
    parser = argparse.ArgumentParser(prog="python -m validation.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to fuzz (default: everything)")
    parser.add_argument("--inputs", type=int, default=10_000, help="inputs each (default: 10000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the inputs (default: 0)")
    options = parser.parse_args()
    folder, failed = Path(tempfile.mkdtemp(prefix="joules-fuzz-")), 0
    known = cases(folder)
    for name in options.names:
        if name not in known:
            parser.error(f"nothing that is fuzzed is called '{name}' ({did_you_mean(name, known)})")
    print(f"{'what reads':20}{'inputs':>8}{'well':>8}{'sentence':>10}{'other':>7}{'seconds':>9}")
    for name, case in known.items():
        if options.names and name not in options.names:
            continue
        began_s = time.monotonic()
        sentences, faults = run_case(name, case, options.inputs, options.seed)
        well, took_s = options.inputs - sentences - len(faults), time.monotonic() - began_s
        print(
            f"{name:20}{options.inputs:>8}{well:>8}{sentences:>10}{len(faults):>7}{took_s:>9.1f}", flush=True
        )
        print(*faults[:3], sep="\n", end="" if not faults else "\n", file=sys.stderr, flush=True)
        failed += len(faults)
    shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
