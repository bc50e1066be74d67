"""The guide and the examples, run as they stand."""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict

import pytest
from batching import write_jobs
from harness import Home, Sandbox
from worksites import jobs

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "examples" / "cluster"


def blocks(mark: str) -> list[str]:
    """The blocks of the guide that have this mark above them."""
    return re.findall(rf"<!-- {mark} -->\n```\w+\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def shell(home: Home) -> Dict[str, Any]:
    """What a shell needs that knows the command."""
    path = home.root / "bin"
    path.mkdir()
    command = path / "gpt-image2"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m gpt_image2 "$@"\n')
    command.chmod(0o755)
    known = {"PYTHONPATH": os.environ.get("PYTHONPATH"), "PYTHONWARNINGS": None}
    return {**known, "PATH": f"{path}:{os.environ['PATH']}"}


def test_the_guide_works_word_for_word(home: Home, shell: Dict[str, Any]) -> None:
    found = blocks("run")
    assert len(found) == 3
    text = "set -e\n" + "".join(found)
    with_free_port = text.replace("8799", str(free_port()))
    done = home.run_program("bash", "-c", with_free_port, env={**shell, "GPT_IMAGE2_API_KEY": None})
    assert done.code == 0, done.stderr
    assert done.stdout.count("Saved: file://") == 8
    assert "3 of 3 jobs done; $0.0000" in done.stderr
    assert (home.cwd / "manifest.parquet").exists() and (home.cwd / "pages" / "page-0001.html").exists()
    assert (home.cwd / "parts" / "run.jsonl").exists()


@pytest.mark.parametrize("engine", ["ray", "daft"])
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
def test_what_the_guide_says_in_python_works(
    home: Home, shell: Dict[str, Any], sandbox: Sandbox, engine: str
) -> None:
    pytest.importorskip(engine)
    (text,) = blocks(f"run: {engine}")
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:  # its sockets need a short name
        env = {**shell, "RAY_TMPDIR": folder}
        done = home.run_program(sys.executable, "-c", text, base_url=sandbox.base_url, env=env)
    assert done.code == 0, done.stderr
    assert "'done'" in done.stdout


def test_a_slurm_array_and_an_indexed_job_do_all_jobs_between_them(
    home: Home, shell: Dict[str, Any], sandbox: Sandbox
) -> None:
    path = write_jobs(home, *jobs(4))
    address = f"file://{home.cwd}/run"
    saved = 0
    # --array=1-16, and --array=4,7
    for task, count, flags, code in ((1, 16, ("--max-cost", "0.013"), 9), (7, 2, (), 0)):
        known = {**shell, "SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": str(count)}
        words = ("sh", str(EXAMPLES / "slurm.sh"), str(path), address, *flags)
        array = home.run_program(*words, base_url=sandbox.base_url, env=known)
        assert array.code == code, array.stderr
        saved += array.stdout.count("Saved: ")
    assert saved == 4
    (line,) = re.findall(r"- (exec gpt-image2 .*\n.*)\n", (EXAMPLES / "kubernetes.yaml").read_text())
    indexed = {**shell, "JOB_COMPLETION_INDEX": "15", "JOBS": str(path), "OUT": address}
    pod = home.run_program("sh", "-c", " ".join(line.split()), base_url=sandbox.base_url, env=indexed)
    assert pod.code == 0, pod.stderr
    assert pod.stdout == ""  # all was done


@pytest.mark.skipif(shutil.which("parallel") is None, reason="GNU parallel is not installed")
def test_gnu_parallel_does_all_jobs(home: Home, shell: Dict[str, Any], sandbox: Sandbox) -> None:
    words = [
        "sh",
        str(EXAMPLES / "parallel.sh"),
        str(write_jobs(home, *jobs(4))),
        f"file://{home.cwd}/run",
        "2",
    ]
    done = home.run_program(*words, base_url=sandbox.base_url, env=shell)
    assert done.code == 0, done.stderr
    assert done.stdout.count("Saved: ") == 4


def free_port() -> int:
    """A port that nobody listens on, and that no system gives to one who asks for any."""
    while True:
        port = random.randint(10_000, 30_000)
        with socket.socket() as found, suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port
