"""A headless browser without network access, except to addresses that a test allows."""

import pytest

from validation.browser import chromium


# Not for the whole session: while it is there its event loop runs, and no other one may.
@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def opened(browser):
    """A page, and its requests to the network; an error of a script fails the test."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    faults, asked = [], []
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.on("request", lambda request: asked.append(request.url))
    yield page, asked
    context.close()
    assert faults == []


@pytest.fixture
def page(opened):
    """A page without network access."""
    page, asked = opened
    yield page
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
