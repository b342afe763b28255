"""Takes the pictures of the README: a figure in the explorer, and a run in `joules live`.

python -m validation.pictures [FOLDER]
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from joules.archive import explorer
from joules.study.campaign import Campaign
from validation.browser import chromium

_CAMPAIGN, _FIGURE = "epyc-2core-standard-2026-11-26b", "flops_scatter"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path("figures/pages"))
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        _explorer(browser, folder / "explorer.png")
        _live(browser, folder / "live.png")


def _explorer(browser: Any, picture: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "explorer.html")
        file.write_text(explorer.render_page(Campaign(_CAMPAIGN)), encoding="utf-8")
        page = browser.new_page(viewport={"width": 1000, "height": 760})
        page.goto(f"{file.as_uri()}#figure/{_FIGURE}")
        page.wait_for_selector("#proof.good")
        page.locator(".mark.point path").nth(3).hover()
        page.wait_for_selector("#tip:not([hidden])")
        page.screenshot(path=picture)


def _live(browser: Any, picture: Path) -> None:
    command = [sys.executable, "-m", "joules", "live", "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    try:
        page.goto(re.search(r"http://\S+", server.stdout.readline())[0])  # type: ignore[index]
        page.wait_for_selector("#region option", state="attached")
        page.evaluate("act('begin', {architecture: 'mlp', steps: 3000})")
        page.wait_for_function(
            """() => /has ended/.test(document.getElementById('told').textContent)
            && [...document.querySelectorAll('#answers td:nth-child(4)')].every(each => each.textContent)""",
            timeout=600_000,
        )
        page.screenshot(path=picture)
    finally:
        page.close()
        server.send_signal(signal.SIGINT)
        server.wait()


if __name__ == "__main__":
    main()
