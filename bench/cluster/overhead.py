"""What a job costs in time and processor beyond the call: four workers at an address, beside `batch run` into
a folder with as many calls at once.

The processor's time is that of the workers and of all that they start (`curl`), by the kernel's count when
each has ended; that of the S3 server and of the sandbox, which elsewhere are other machines, stands beside.
What it takes to start is that of a second run, which finds all done. Nothing is deleted between the runs:
ext4 passes over inodes that were freed in the last minutes, one by one, and the next run would pay for that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from .sites import LATENCY_S, Site, cpu_s, new_home, servers, write_jobs

_WORKERS, _CALLS, _ROUNDS = 4, 16, 3
#: What is installed is compiled; no run is to pay for that.
_AS_INSTALLED = {"PYTHONDONTWRITEBYTECODE": ""}
_ONE, _FILE, _S3 = "`batch run` into a folder", "4 workers, `file://`", "4 workers, S3"


class Spent(NamedTuple):
    """What a run took: seconds on the wall, and of a processor by the workers, the S3 server and the
    sandbox; and by the workers of a second run."""

    wall_s: float
    workers_s: float
    s3_s: float
    sandbox_s: float
    start_s: float = 0.0


def run(jobs: int) -> list[str]:
    """Runs each way three times, in turn; the lines of a table of the medians."""
    spent: dict[str, list[Spent]] = {_ONE: [], _FILE: [], _S3: []}
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        for _ in range(_ROUNDS):
            for way, told in spent.items():
                root = Path(tempfile.mkdtemp(dir=folder))
                with servers(root) as site:
                    first, again = (_run(way, root, site, jobs) for _ in range(2))
                told.append(first._replace(start_s=again.workers_s))
                print(way, told[-1], flush=True)
    base = _median(spent[_ONE])
    lines = [
        f"{jobs} jobs, calls of {LATENCY_S} s, {_CALLS} at once in all; the median of {_ROUNDS} runs each, "
        "in turn. Processor: the workers with all that they start; S3 (moto) and the sandbox run on the same "
        "machine.",
        "",
        "| way | s on the wall | × | processor, ms a job | × | of it to start | S3 server, ms a job "
        "| sandbox, ms a job |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for way, told in spent.items():
        each = _median(told)
        lines.append(
            f"| {way} | {each.wall_s:.1f} | {each.wall_s / base.wall_s:.2f} "
            f"| {each.workers_s / jobs * 1e3:.1f} | {each.workers_s / base.workers_s:.2f} "
            f"| {each.start_s / jobs * 1e3:.1f} "
            f"| {each.s3_s / jobs * 1e3:.1f} | {each.sandbox_s / jobs * 1e3:.1f} |"
        )
    return lines


def _median(told: list[Spent]) -> Spent:
    return Spent(*(median(each) for each in zip(*told)))


def _run(way: str, root: Path, site: Site, jobs: int) -> Spent:
    words = [sys.executable, "-m", "gpt_image2", "batch", "run", str(write_jobs(root, jobs)), "--quiet"]
    out = {_ONE: str(root / "run"), _FILE: f"file://{root}/run", _S3: site.address}[way]
    commands = [[*words, "--out-dir", out, "--concurrency", str(_CALLS)]]
    if way != _ONE:
        share = ["--out-dir", out, "--concurrency", str(_CALLS // _WORKERS), "--steal"]
        commands = [[*words, *share, "--shard", f"{number}/{_WORKERS}"] for number in range(1, _WORKERS + 1)]
    before, started_s = _servers_s(site), time.monotonic()
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, "HOME": new_home(root), **_AS_INSTALLED},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]
    used_s = 0.0
    for process in processes:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, f"a worker ended with {process.returncode}"
        used_s += usage.ru_utime + usage.ru_stime
    wall_s, after = time.monotonic() - started_s, _servers_s(site)
    return Spent(wall_s, used_s, after[0] - before[0], after[1] - before[1])


def _servers_s(site: Site) -> tuple[float, float]:
    return cpu_s(site.s3), cpu_s(site.sandbox)
