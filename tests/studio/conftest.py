"""A studio of each test's own over a home of its own, and a real browser: Debian's `chromium`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import Home, Sandbox
from playwright.sync_api import Browser
from studio_driving import Studio, studio_of
from studio_visitor import Visitor, chromium_of


@pytest.fixture
def studio(home: Home, sandbox: Sandbox) -> Iterator[Studio]:
    """A studio that the sandbox answers; its token is used."""
    with studio_of(home, sandbox.base_url) as running:
        yield running.enter()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the tests of a module; each test has a profile of its own. It goes with the module,
    since while it is driven an event loop runs, beside which no other test can run its own."""
    with chromium_of() as browser:
        yield browser


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Visitor]:
    """A person at a browser. At the end the pages must have had nothing to complain of."""
    visitor = Visitor(chromium)
    yield visitor
    visitor.close()
    assert visitor.complaints == []
