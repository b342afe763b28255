"""The table of the laboratory.

    python -m validation.laboratory [--readme]

With --readme it also replaces the table in the README of the instrument. Exits with 1 if a row differs from
its expected verdict.
"""

from __future__ import annotations

import argparse
import sys

from validation.laboratory.nvidia import NoCompiler
from validation.laboratory.run import outcomes
from validation.laboratory.situation import HEADER, README, table


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--readme", action="store_true", help="replace the table in the README")
    writes_readme = parser.parse_args().readme
    try:
        rows = outcomes()
    except NoCompiler as reason:
        print(f"the laboratory needs a C compiler: {reason}", file=sys.stderr)
        return 2
    print(table(rows))
    if writes_readme:
        text = README.read_text(encoding="utf-8").partition(HEADER)[0]
        README.write_text(f"{text}{table(rows)}\n", encoding="utf-8")
    wrong = [row for row in rows if not row.as_expected]
    for row in wrong:
        print(
            f"{row.name}: {row.verdict}, expected {row.expects} ({row.says}): {row.sentences}",
            file=sys.stderr,
        )
    return int(bool(wrong))


sys.exit(main())
