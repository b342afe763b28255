"""Size and loading time of the explorers of released campaigns.

    python -m validation.explorer [ROUNDS]

Prints the size of each page, and the median time in seconds until its first figure is drawn and until it is
verified; for comparison, those of a page that only draws one point with the same script.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from joules.archive import explorer
from joules.study.campaign import campaigns
from joules.study.config import LOCAL
from validation.arguments import parse_numbers
from validation.browser import chromium

_FIGURE = "document.querySelector('main .chart svg .role-mark :is(path, line, rect)')"
_BARE = """<!doctype html><title>bare</title><main><div class="chart"></div></main><script>{script}</script>
<script>vegaEmbed(".chart", {{data: {{values: [{{x: 1}}]}}, mark: "point", encoding: {{x: {{field: "x"}}}}}},
{{renderer: "svg", actions: false}})</script>"""


def main() -> None:
    rounds = parse_numbers(__doc__, rounds=5).rounds
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        bare = Path(folder, "bare.html")
        bare.write_text(_BARE.format(script=explorer.bundle_vega()), encoding="utf-8")
        bare_s = np.median([_seconds(browser, bare, "", verified=False)[0] for _ in range(rounds)])
        print(f"{'bare':34} {bare.stat().st_size / 1e6:5.1f} MB  first figure {bare_s:.2f} s")
        for campaign in [each for each in campaigns() if each.name != LOCAL and each.manifest.exists()]:
            page = Path(folder, f"{campaign.name}.html")
            page.write_text(explorer.render_page(campaign), encoding="utf-8")
            times = [_seconds(browser, page, _first(browser, page)) for _ in range(rounds)]
            drawn_s, proven_s = np.median(times, axis=0)
            print(
                f"{campaign.name:34} {page.stat().st_size / 1e6:5.1f} MB  first figure {drawn_s:.2f} s "
                f"({drawn_s / bare_s:.2f} times bare)  verified {proven_s:.2f} s"
            )


def _first(browser: Any, page: Path) -> str:
    opened = browser.new_page()
    opened.goto(page.as_uri())
    name = opened.evaluate("META.questions[0].figures[0].name")
    opened.close()
    return f"#figure/{name}"


def _seconds(browser: Any, page: Path, part: str, *, verified: bool = True) -> tuple[float, float]:
    """Seconds until the figure is drawn, and until the page is verified."""
    opened = browser.new_page()
    begun_s = time.perf_counter()
    opened.goto(page.as_uri() + part)
    opened.wait_for_function(_FIGURE)
    drawn_s = time.perf_counter() - begun_s
    if verified:
        opened.wait_for_selector("#proof.good")
    proven_s = time.perf_counter() - begun_s
    opened.close()
    return drawn_s, proven_s


if __name__ == "__main__":
    main()
