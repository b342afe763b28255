"""The table of the laboratory.

    python -m validation.laboratory

Exits with 1 where a row is not as it must be.
"""

from __future__ import annotations

import sys

from validation.laboratory.nvidia import NoCompiler
from validation.laboratory.run import outcomes
from validation.laboratory.situation import table


def main() -> int:
    try:
        rows = outcomes()
    except NoCompiler as reason:
        print(f"the laboratory needs a C compiler: {reason}", file=sys.stderr)
        return 2
    print(table(rows))
    wrong = [row for row in rows if not row.as_expected]
    for row in wrong:
        print(
            f"{row.name}: {row.verdict}, expected {row.expects} ({row.says}): {row.sentences}",
            file=sys.stderr,
        )
    return int(bool(wrong))


sys.exit(main())
