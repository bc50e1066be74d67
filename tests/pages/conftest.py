"""Pages that we write, opened from disk in a real browser: Debian's `chromium`, without a window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser
from servers import Recorder, recording


@pytest.fixture
def web() -> Iterator[Recorder]:
    """All of the web as the browser sees it: its proxy."""
    with recording() as server:
        yield server


@pytest.fixture
def browser(tmp_path: Path, web: Recorder) -> Browser:
    """A browser with a profile of its own."""
    return Browser(tmp_path / "browser", web.root)
