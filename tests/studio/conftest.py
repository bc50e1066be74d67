"""A studio of each test's own over a home of its own, and a real browser: Debian's `chromium`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from harness import Home, Sandbox
from playwright.sync_api import Browser, sync_playwright
from studio_driving import Studio, studio_of
from studio_visitor import Visitor


@pytest.fixture
def studio(home: Home, sandbox: Sandbox) -> Iterator[Studio]:
    """A studio that the sandbox answers; its token is used."""
    with studio_of(home, sandbox.base_url) as running:
        yield running.enter()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the tests of a module; each test has a profile of its own. It goes with the module,
    since while it is driven an event loop runs, beside which no other test can run its own."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "Chromium is missing: apt-get install -y --no-install-recommends chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Visitor]:
    """A person at a browser. At the end the pages must have had nothing to complain of."""
    visitor = Visitor(chromium)
    yield visitor
    visitor.close()
    assert visitor.complaints == []
