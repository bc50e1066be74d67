"""A person at a real browser. Imports nothing of the project."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect, sync_playwright
from studio_driving import Studio

#: How long the page may take for what it does; a busy machine is slow.
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)


class Visitor:
    """Opens pages, and keeps what they complain of: a page of ours has nothing to complain of."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[Any] = []
        self.complaints: list[str] = []

    def open(self, studio: Studio, **options: Any) -> Page:
        """A new window on a studio, in a profile of its own; the token or the cookie lets it in."""
        cookies: list[Any] = []
        if studio.cookie:
            name, _, value = studio.cookie.partition("=")
            place = {"domain": "127.0.0.1", "path": studio.root, "sameSite": "Strict"}
            cookies = [{"name": name, "value": value, **place}]
        page = self.at(f"{studio.origin}{studio.root}/" if cookies else studio.address, cookies, **options)
        page.locator("header").wait_for()
        return page

    def at(self, address: str, cookies: Sequence[Any] = (), **options: Any) -> Page:
        """A new window at an address."""
        given = {"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", **options}
        context = self._browser.new_context(**given)
        self._contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        context.add_cookies(list(cookies))
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("console", self._hear)
        page.goto(address)
        return page

    def close(self) -> None:
        """Closes all windows; what stood there is told with a test that has failed."""
        for context in self._contexts:
            for page in context.pages:
                print(page.url, page.evaluate("document.body?.innerText"), sep="\n")
            context.close()

    def _hear(self, said: ConsoleMessage) -> None:
        # What is refused, or gone with its studio, the browser tells of by itself.
        if said.type == "error" and not said.text.startswith("Failed to load resource"):
            self.complaints.append(f"console: {said.text}")


def make_button(page: Page) -> Locator:
    """The button of the form, once it has the price of what is typed: until then it may move."""
    button = page.locator(".click[aria-busy=false] .primary")
    expect(button).to_be_enabled()
    return button


def press_make(page: Page) -> None:
    """Sends what the form asks for."""
    make_button(page).click()


@contextmanager
def chromium_of() -> Iterator[Browser]:
    """Debian's Chromium, while the context is entered."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "Chromium is missing: apt-get install -y --no-install-recommends chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()
