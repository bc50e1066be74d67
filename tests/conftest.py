"""What every test of the project shares: a home of its own, a server of its own, one sandbox for all."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, Iterator, Optional

import pytest
from batching import Painter
from harness import Home, Sandbox, serve_sandbox
from hypothesis import HealthCheck, settings
from servers import Recorder, recording

settings.register_profile(
    "ci", max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "fuzz", max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def _stay_deaf(signum: int, frame: object) -> None:
    """Does nothing, as before."""


# A background job of a shell, or `nohup`, starts us with signals ignored, and what we start would inherit
# that; a signal that we catch is a child's default one again. Each worker of xdist comes by here as well.
for _name in ("SIGINT", "SIGTERM", "SIGHUP"):
    _number = getattr(signal, _name, None)  # not every system has them all
    if _number is not None and signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, _stay_deaf)


# Each test has a home of its own, and so a ledger whose every commit waits for the disk; memory keeps nobody
# waiting. Some tests run programs from there.
_MEMORY, _NEEDED_BYTES = "/dev/shm", 1 << 30
if os.path.isdir(_MEMORY) and os.access(_MEMORY, os.W_OK):
    _room = os.statvfs(_MEMORY)
    if _room.f_bavail * _room.f_frsize >= _NEEDED_BYTES and not _room.f_flag & os.ST_NOEXEC:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", _MEMORY)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many workers `-n auto` means: one more than processors, since each waits half of its time for what
    it started."""
    return (os.cpu_count() or 1) + 1


class Hangs(BaseException):
    """A property test that has passed its limit of time. Hypothesis lets it through: a failure of the usual
    kind it would try again, and hang again."""


def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> Optional[bool]:
    """The timer of pytest-timeout for property tests; None leaves the others to it."""
    if item.get_closest_marker("hypothesis") is None or settings.method != "signal":
        return None

    def ring(signum: int, frame: object) -> None:
        raise Hangs(f"Timeout (>{settings.timeout} s)")

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout)
    item.cancel_timeout = lambda: signal.setitimer(signal.ITIMER_REAL, 0)
    return True


def pytest_addoption(parser: pytest.Parser) -> None:
    """What a run of every test leaves to targets of their own (see the Makefile)."""
    parser.addoption("--full", action="store_true", help="every line broken, every kill; not just a sample")


@pytest.fixture
def in_full(request: pytest.FixtureRequest) -> bool:
    """Whether a test that has a short version is to run in full."""
    return bool(request.config.getoption("--full"))


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
def painter(recorder: Recorder) -> Painter:
    """A server of this test's own that paints each prompt a picture of its own."""
    return Painter(recorder)


@pytest.fixture
def prompt(request: pytest.FixtureRequest) -> str:
    """A prompt of this test's own."""
    return f"a picture for {request.node.nodeid}"
