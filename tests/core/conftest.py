"""Core is tested through the real script, over real HTTP on loopback, each test with a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest
from harness import Home, Sandbox
from servers import Recorder, recording

SANDBOX_PYTHON = os.environ.get("GPT_IMAGE2_SANDBOX_PYTHON", sys.executable)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home of this test's own."""
    return Home(tmp_path)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests of this worker; tests tell their requests apart by their prompts."""
    process = subprocess.Popen(
        [SANDBOX_PYTHON, "-m", "gpt_image2.sandbox", "--port", "0", "--latency", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert process.stdout is not None
    with process:
        line = process.stdout.readline().decode()
        assert line.startswith("Sandbox: "), "the sandbox did not start"
        yield Sandbox(line.split()[1])
        process.terminate()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A server of this test's own that keeps every request, and answers with an image."""
    with recording() as server:
        yield server


@pytest.fixture
def prompt(request: pytest.FixtureRequest) -> str:
    """A prompt of this test's own."""
    return f"a picture for {request.node.nodeid}"
