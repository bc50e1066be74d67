"""A studio of each test's own over a home of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import Home, Sandbox
from studio_driving import Studio, studio_of


@pytest.fixture
def studio(home: Home, sandbox: Sandbox) -> Iterator[Studio]:
    """A studio that the sandbox answers; its token is used."""
    with studio_of(home, sandbox.base_url) as running:
        yield running.enter()
