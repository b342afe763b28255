"""Size and loading time of the explorers of released campaigns.

    python -m validation.explorer [ROUNDS]

Prints the size of each page, and the median time in seconds until its first figure is drawn and until it is
hashed; for comparison, that of a page that holds one point and no script.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from joules.archive import explorer
from joules.study.campaign import campaigns
from validation.arguments import parse_numbers
from validation.browser import chromium

_CLOCK = """globalThis.drawn_ms = 0; new MutationObserver(() => {
  if (!drawn_ms && document.querySelector("main .chart svg .mark *")) drawn_ms = performance.now();
}).observe(document, {childList: true, subtree: true})"""
_BARE = """<!doctype html><title>bare</title>
<main><div class="chart"><svg><g class="mark"><circle r="3"/></g></svg></div></main>"""


def main() -> None:
    rounds = parse_numbers(__doc__, rounds=5).rounds
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        bare = Path(folder, "bare.html")
        bare.write_text(_BARE, encoding="utf-8")
        bare_s = np.median([_seconds(browser, bare, "", verified=False)[0] for _ in range(rounds)])
        print(f"{'bare':34} {bare.stat().st_size / 1e6:5.1f} MB  first figure {bare_s:.2f} s")
        for campaign in [
            each
            for each in campaigns()
            if not each.is_local and each.claims.exists() and each.tables("campaign").exists()
        ]:
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
    """Seconds by the page's clock until the figure is there, and until all files are hashed."""
    opened = browser.new_page()
    opened.add_init_script(_CLOCK)
    opened.goto(page.as_uri() + part)
    opened.wait_for_function("() => drawn_ms > 0")
    if verified:
        opened.wait_for_selector("#proof.good")
    drawn_ms, proven_ms = opened.evaluate("[drawn_ms, performance.now()]")
    opened.close()
    return drawn_ms / 1000, proven_ms / 1000


if __name__ == "__main__":
    main()
