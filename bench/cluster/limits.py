"""One sum and one pace for eight workers: what they spend of `--max-cost`, and how near they keep to a limit
of images a minute."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .sites import Site, new_home, servers, write_jobs

_WORKERS, _PER_MINUTE, _PACED_JOBS = 8, 60, 120


def run(jobs: int) -> list[str]:
    """Spends half of what the jobs may cost; then keeps to a limit, named and learnt. The lines of two
    tables."""
    return [
        f"{_WORKERS} workers, {jobs} jobs, a sum for half of them; the second run has the same sum, the "
        "third none.",
        "",
        "| `--max-cost` | spent, by the results | left | of one estimate | paid calls | of the second run "
        "| of the third |",
        "|--:|--:|--:|--:|--:|--:|--:|",
        _money(jobs),
        "",
        f"{_WORKERS} workers, {_PACED_JOBS} jobs, a server that lets {_PER_MINUTE} images a minute through.",
        "",
        "| limit | requests | refused | images a minute |",
        "|---|--:|--:|--:|",
        _pace("named: `--images-per-minute`", "--images-per-minute", str(_PER_MINUTE)),
        _pace("learnt from its answers"),
    ]


def _money(jobs: int) -> str:
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder, servers(Path(folder)) as site:
        root, path = Path(folder), write_jobs(Path(folder), jobs)
        high_usd = _run(site, path, root, 0, "--dry-run")[0]["cost_usd"]["high"]
        cap_usd = round(high_usd / 2, 2)
        capped = ("--max-cost", str(cap_usd))
        first = _paid(site, path, root, *capped)
        spent_usd = _spent(site)
        second, third = _paid(site, path, root, *capped), _paid(site, path, root)
        return (
            f"| {cap_usd:.2f} | {spent_usd:.4f} | {cap_usd - spent_usd:.4f} | {high_usd / jobs:.4f} "
            f"| {first} | {second} | {third} |"
        )


def _paid(site: Site, jobs: Path, root: Path, *flags: str) -> int:
    """The paid calls of a run."""
    before = site.hits()
    _run(site, jobs, root, _WORKERS, "--concurrency", "4", *flags)
    return site.hits() - before


def _spent(site: Site) -> float:
    objects = site.objects
    return sum(json.loads(objects.get(found.name) or b"{}")["cost_usd"] for found in objects.list("results/"))


def _pace(way: str, *flags: str) -> str:
    limit = ("--images-per-minute", str(_PER_MINUTE))
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder, servers(Path(folder), *limit) as site:
        root, started_s = Path(folder), time.monotonic()
        told = _run(site, write_jobs(root, _PACED_JOBS), root, _WORKERS, "--concurrency", "8", *flags)
        elapsed_s = time.monotonic() - started_s
        attempts = sum(row["attempts"] for each in told for row in each["rows"])
        refused = (attempts - _PACED_JOBS) / attempts
        return f"| {way} | {attempts} | {refused:.1%} | {_PACED_JOBS * 60 / elapsed_s:.1f} |"


def _run(site: Site, jobs: Path, root: Path, workers: int, *flags: str) -> list[dict[str, Any]]:
    """So many shards at once, 0 is one run of all; what they told."""
    words = [sys.executable, "-m", "gpt_image2", "batch", "run", str(jobs), "--json", *flags]
    shards = [["--shard", f"{number}/{workers}"] for number in range(1, workers + 1)] or [[]]
    processes = [
        subprocess.Popen(
            [*words, "--out-dir", site.address, *shard],
            env={**os.environ, "HOME": new_home(root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for shard in shards
    ]
    return [json.loads(process.communicate()[0]) for process in processes]
