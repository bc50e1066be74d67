"""No test can hang: each has a limit of time, and what it starts hears signals. Seen on runs of pytest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import is_alive

TESTS = Path(__file__).parents[1]
HANG = """
import hypothesis, sys, threading
from harness import Started

def test_waits():
    threading.Event().wait()  # here

def test_waits_for_a_child():
    with Started([sys.executable, "-c", "import signal; signal.pause()"]) as child:
        open("pid", "w").write(str(child.pid))
        child.wait()  # here

@hypothesis.given(hypothesis.strategies.integers())
def test_is_never_done_with_an_input(number):
    threading.Event().wait()  # here

def test_ends():
    pass
"""
STARTS_A_CHILD = """
import subprocess, sys

def test_it():
    code = "import signal; print([signal.getsignal(number) == signal.SIG_IGN for number in (1, 2, 15)])"
    assert subprocess.check_output([sys.executable, "-c", code]) == b"[False, False, False]\\n"
"""


def pytest_on(
    folder: Path, tests: str, *flags: str, through: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Runs pytest on these tests, with the settings of this project and what its tests share."""
    (folder / "test_these.py").write_text(tests, "utf-8")
    ours = ["-c", str(TESTS.parent / "pyproject.toml"), "-p", "conftest", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*through, sys.executable, "-m", "pytest", *ours, *flags, "test_these.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS / "support")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=100,
    )


def test_every_test_has_a_limit_of_time(pytestconfig: pytest.Config) -> None:
    assert 0 < float(pytestconfig.getini("timeout")) <= 300


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("workers", ["0", "1"])
def test_what_hangs_is_ended_its_place_is_said_and_the_rest_is_run(tmp_path: Path, workers: str) -> None:
    done = pytest_on(tmp_path, HANG, "--timeout", "1", "-n", workers)
    assert done.returncode == 1 and "3 failed, 1 passed" in done.stdout, done.stdout
    assert done.stdout.count("Timeout (>1.0") >= 3
    places = [number for number, line in enumerate(HANG.splitlines(), 1) if "# here" in line]
    assert all(f"test_these.py:{number}: " in done.stdout for number in places), done.stdout
    assert not is_alive(int((tmp_path / "pid").read_text()))


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("workers", ["0", "1"])
def test_what_a_test_starts_hears_signals_although_pytest_was_made_to_ignore_them(
    tmp_path: Path, workers: str
) -> None:
    deaf = ("sh", "-c", 'trap "" HUP INT TERM; exec "$@"', "sh")
    done = pytest_on(tmp_path, STARTS_A_CHILD, "-n", workers, through=deaf)
    assert done.returncode == 0, done.stdout
