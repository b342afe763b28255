"""The paper of the released campaign as web pages, in a browser."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests import RELEASED


@pytest.mark.parametrize("document", ["paper", "supplement"])
def test_a_page_of_the_paper_fits_every_screen(page, document):
    page.goto((RELEASED.build / f"{document}.html").as_uri())
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
    for width in (390, 768, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_everybody_can_read_the_paper(page):
    page.goto((RELEASED.build / "paper.html").as_uri())
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
