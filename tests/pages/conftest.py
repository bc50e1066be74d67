"""Pages that we write, opened from disk in a real browser: Debian's `chromium`, without a window."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "core"))  # what drives the script lives there

from browser import Browser
from harness import Home
from servers import Recorder, recording


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home of this test's own."""
    return Home(tmp_path)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A server of this test's own that keeps every request, and answers with an image."""
    with recording() as server:
        yield server


@pytest.fixture
def web() -> Iterator[Recorder]:
    """All of the web as the browser sees it: its proxy."""
    with recording() as server:
        yield server


@pytest.fixture
def browser(tmp_path: Path, web: Recorder) -> Browser:
    """A browser with a profile of its own."""
    return Browser(tmp_path / "browser", web.root)
