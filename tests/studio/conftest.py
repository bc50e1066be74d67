"""A studio of each test's own over a home of its own, and a real browser: Debian's `chromium`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from harness import Home, Sandbox
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from studio_driving import Studio, studio_of

#: How long the page may take for what it does; a busy machine is slow.
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def studio(home: Home, sandbox: Sandbox) -> Iterator[Studio]:
    """A studio that the sandbox answers; its token is used."""
    with studio_of(home, sandbox.base_url) as running:
        yield running.enter()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests of this worker; each test has a profile of its own in it."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "Chromium is missing: apt-get install -y --no-install-recommends chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


class Visitor:
    """Opens pages, and keeps what they complain of: a page of ours has nothing to complain of."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[Any] = []
        self.complaints: list[str] = []

    def open(self, studio: Studio, **options: Any) -> Page:
        """A new window on a studio, in a profile of its own; the token or the cookie lets it in."""
        given = {"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", **options}
        context = self._browser.new_context(**given)
        self._contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        if studio.cookie:
            name, _, value = studio.cookie.partition("=")
            context.add_cookies(
                [
                    {
                        "name": name,
                        "value": value,
                        "domain": "127.0.0.1",
                        "path": studio.root,
                        "sameSite": "Strict",
                    }
                ]
            )
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("console", self._hear)
        page.goto(f"{studio.origin}{studio.root}/" if studio.cookie else studio.address)
        page.locator("header").wait_for()
        return page

    def _hear(self, said: ConsoleMessage) -> None:
        # What is refused, or gone with its studio, the browser tells of by itself.
        if said.type == "error" and not said.text.startswith("Failed to load resource"):
            self.complaints.append(f"console: {said.text}")

    def close(self) -> None:
        """Closes all windows."""
        for context in self._contexts:
            context.close()


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Visitor]:
    """A person at a browser. At the end the pages must have had nothing to complain of."""
    visitor = Visitor(chromium)
    yield visitor
    visitor.close()
    assert visitor.complaints == []
