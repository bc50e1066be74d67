"""The fixture `gpt_image2_sandbox`, for the tests of programs that use this package."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Iterator

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .testing import Sandbox


@pytest.fixture(scope="session")
def _gpt_image2_sandbox_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One server for all tests: it takes a moment to start."""
    from .testing import sandbox

    with sandbox(tmp_path_factory.mktemp("gpt-image2")) as running:
        yield running


@pytest.fixture
def gpt_image2_sandbox(
    _gpt_image2_sandbox_server: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Sandbox:
    """The offline sandbox in place of the API: in this test every call goes there, costs nothing, and is
    recorded in a home folder of the test's own. What it was asked for is in `requests`."""
    from .testing import Sandbox

    home = tmp_path / "gpt-image2-home"
    home.mkdir()
    running = Sandbox(_gpt_image2_sandbox_server.base_url, home)
    for name in os.environ.keys() - running.env.keys():
        monkeypatch.delenv(name)
    for name, value in running.variables.items():
        monkeypatch.setenv(name, value)
    running.reset()
    return running
