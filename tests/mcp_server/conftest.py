"""Each test has a home and folders of its own, and prompts that only it sends; the sandbox is shared."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Sandbox, serve_sandbox
from mcp_driving import KEY, Place


@pytest.fixture(autouse=True)
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Place:
    """A home, a temp folder and an output folder; the environment of this process points there too."""
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "GPT_IMAGE2_", "XDG_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    place = Place.make(tmp_path, f"a picture for {request.node.nodeid}")
    for name, value in place.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", str(place.tmp))
    assert place.env["GPT_IMAGE2_API_KEY"] == KEY
    return place


@pytest.fixture(scope="session")
def slow_sandbox() -> Iterator[Sandbox]:
    """A sandbox whose calls take two seconds."""
    with serve_sandbox("--latency", "2") as url:
        yield Sandbox(url)
