from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from sandbox_driving import Driver

from gpt_image2.sandbox import Settings, serve_in_thread


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def sandbox_root() -> Iterator[str]:
    with serve_in_thread(latency_s=0, settings=Settings(batch_job_s=0)) as url:
        yield url.removesuffix("/v1")


@pytest.fixture
def sandbox(sandbox_root: str) -> Iterator[Driver]:
    with httpx2.Client(timeout=30, trust_env=False) as http:
        yield Driver(sandbox_root, f"A red kite over the dunes {uuid.uuid4().hex}", http)


@pytest.fixture
def serve() -> Iterator[Callable[[Settings], Driver]]:
    """Starts a sandbox of this test's own."""
    with ExitStack() as stack:

        def start(settings: Settings) -> Driver:
            url = stack.enter_context(serve_in_thread(latency_s=0, settings=settings))
            http = stack.enter_context(httpx2.Client(timeout=30, trust_env=False))
            return Driver(url.removesuffix("/v1"), f"A red kite over the dunes {uuid.uuid4().hex}", http)

        yield start
