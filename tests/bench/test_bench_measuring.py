from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.measure import run, tree_of

BURN = "import time\nwhile time.process_time() < 0.2: pass\n"
HOLD = "import time; block = b'x' * (48 << 20); time.sleep(1)"
ENV = {"PATH": os.environ["PATH"]}

needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc")


def through_a_child(code: str) -> list[str]:
    """A Python that runs code in a child of its own, and waits for it."""
    return [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"]


def test_cpu_time_of_a_grandchild_counts(tmp_path: Path) -> None:
    cost = run([through_a_child(BURN)], ENV, tmp_path)
    assert cost.exit_code == 0
    assert cost.cpu_s >= 0.2


def test_wall_time_covers_the_run_and_sleeping_costs_no_cpu(tmp_path: Path) -> None:
    cost = run([["sleep", "0.2"]], ENV, tmp_path)
    assert cost.wall_s >= 0.2
    assert cost.cpu_s < 0.2


def test_steps_are_added_up(tmp_path: Path) -> None:
    one = run([["sleep", "0.1"]], ENV, tmp_path)
    two = run([["sleep", "0.1"], ["sleep", "0.1"]], ENV, tmp_path)
    assert one.wall_s >= 0.1
    assert two.wall_s >= 0.2


def test_the_first_failure_of_the_steps_is_the_exit_code_and_its_words_are_kept(tmp_path: Path) -> None:
    cost = run([["sh", "-c", "echo oh no >&2; exit 3"], ["true"]], ENV, tmp_path)
    assert cost.exit_code == 3
    assert cost.stderr == "oh no\n"


@needs_proc
def test_peak_memory_is_that_of_the_tree(tmp_path: Path) -> None:
    alone = run([[sys.executable, "-c", HOLD]], ENV, tmp_path, memory=True)
    parent_too = run([through_a_child(HOLD)], ENV, tmp_path, memory=True)
    assert 48 << 20 <= alone.peak_pss_bytes <= alone.peak_rss_bytes < 90 << 20
    assert parent_too.peak_rss_bytes > alone.peak_rss_bytes + (4 << 20)


@needs_proc
def test_a_child_that_has_not_begun_its_program_is_not_its_parent_counted_twice(tmp_path: Path) -> None:
    starts = "import subprocess; block = b'x' * (48 << 20)\n" + "subprocess.run(['true'])\n" * 150
    cost = run([[sys.executable, "-c", starts]], ENV, tmp_path, memory=True)
    assert 48 << 20 <= cost.peak_rss_bytes < 90 << 20


@needs_proc
def test_without_being_asked_no_memory_is_looked_at(tmp_path: Path) -> None:
    cost = run([["sleep", "0.05"]], ENV, tmp_path)
    assert (cost.peak_rss_bytes, cost.peak_pss_bytes) == (0, 0)


@needs_proc
def test_the_tree_holds_a_process_its_child_and_its_grandchild() -> None:
    with subprocess.Popen(["sh", "-c", "sh -c 'sleep 30; true'; true"], start_new_session=True) as process:
        try:
            deadline = time.monotonic() + 10
            while len(tree_of(process.pid)) < 3 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert len(tree_of(process.pid)) == 3
        finally:
            os.killpg(process.pid, 9)
