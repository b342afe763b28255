"""The paper, its figures and the explorer of the campaign that is kept whole, at their places in the site."""

from __future__ import annotations

import posixpath
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

from joules.archive.explorer import render_page
from joules.study.campaign import Campaign, campaigns
from joules.study.documents import DOCUMENTS

DOCS = Path(__file__).parent
ROOT = DOCS.parent


def kept_campaign() -> Campaign | None:
    """The released campaign whose paper is in the repository, if one is."""
    released = (each for each in campaigns(ROOT) if not each.is_local)
    return next((each for each in released if (each.build / "paper.html").exists()), None)


class LinkPages(SphinxTransform):
    """Points links at pages of the paper to these pages; other files are copies to download."""

    # After links to files of the repository, before files to download are collected.
    default_priority = 850

    def apply(self, **_options: Any) -> None:
        name, campaign = self.env.docname, kept_campaign()
        pages = [campaign.build / f"{document}.html" for document in DOCUMENTS] if campaign else []
        for node in list(self.document.findall(addnodes.download_reference)):
            target = node["reftarget"]
            folder = DOCS if target.startswith("/") else (DOCS / name).parent
            path = (folder / target.lstrip("/")).resolve()
            if path in pages:
                address = posixpath.relpath(path.relative_to(ROOT).as_posix(), posixpath.dirname(name) or ".")
                node.replace_self(nodes.reference("", "", *node.children, refuri=address))


def publish(app: Any, fault: Exception | None) -> None:
    """Copies the pages and what they lead to."""
    campaign, site = kept_campaign(), Path(app.outdir)
    if fault or campaign is None or app.builder.name != "html":
        return
    papers = [campaign.build / f"{document}.{kind}" for document in DOCUMENTS for kind in ("html", "pdf")]
    for path in [*papers, *campaign.figures.glob("*.svg")]:
        copy = site / campaign.relative(path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    page = site / campaign.relative(campaign.explorer)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(render_page(campaign), encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Registers what is done when a page is read and when the site is built."""
    app.add_transform(LinkPages)
    app.connect("build-finished", publish)
    return {"parallel_read_safe": True}
