"""What every test of the project shares: a home of its own, a server of its own, one sandbox for all."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Iterator, List

import pytest
from harness import Home, Sandbox, serve_sandbox
from hypothesis import HealthCheck, settings
from servers import Recorder, recording

settings.register_profile(
    "ci", max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "fuzz", max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
settings.load_profile(PROFILE)
PROPERTY_TIMEOUT_S = {"ci": 300, "fuzz": 7200}


def _stay_deaf(signum: int, frame: object) -> None:
    """Does nothing, as before."""


# A background job of a shell, or `nohup`, starts us with signals ignored, and what we start would inherit
# that; a signal that we catch is a child's default one again. Each worker of xdist comes by here as well.
for _name in ("SIGINT", "SIGTERM", "SIGHUP"):
    _number = getattr(signal, _name, None)  # not every system has them all
    if _number is not None and signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, _stay_deaf)


@pytest.hookimpl(trylast=True)  # after Hypothesis has marked what is its own
def pytest_collection_modifyitems(items: List[pytest.Item]) -> None:
    """Ends a property test from outside: Hypothesis would try a failure inside it again, and hang again."""
    limit = pytest.mark.timeout(PROPERTY_TIMEOUT_S[PROFILE], method="thread")
    for item in items:
        if item.get_closest_marker("hypothesis"):
            item.add_marker(limit)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home of this test's own."""
    home = Home(tmp_path)
    yield home
    home.close()


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests of this worker; tests tell their requests apart by their prompts."""
    with serve_sandbox("--latency", "0") as url:
        yield Sandbox(url)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A server of this test's own that keeps every request, and answers with an image."""
    with recording() as server:
        yield server


@pytest.fixture
def prompt(request: pytest.FixtureRequest) -> str:
    """A prompt of this test's own."""
    return f"a picture for {request.node.nodeid}"
