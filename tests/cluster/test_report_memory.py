"""A report and a plan of very many jobs, each in a process of its own whose memory is looked at."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from harness import Home

_MANY = r'''
import json, re, sys
from datetime import datetime, timezone
from pathlib import Path
from gpt_image2.cluster.store.found import Found
from gpt_image2.cluster.commands.manifest import ManifestFile, Sums, read_back

jobs, folder, now = int(sys.argv[1]), Path(sys.argv[2]), datetime.now(timezone.utc)
result = {
    "status": "done", "id": "an id", "billed": "yes", "cost_usd": 0.005, "attempts": 1, "elapsed_s": 61.5,
    "error": None, "request": {"model": "gpt-image-2", "prompt": "p" * 400, "size": "auto", "quality": "low"},
}
image = {"bytes": 1500000, "format": "png", "width": 1024, "height": 1024, "sha256": "0" * 64, "number": 1}


class Store:
    """So many results and claims, made when they are read: what is measured is the report."""

    address = "s3://bucket/run"

    def list(self, prefix):
        for number in range(jobs):
            if prefix == "results/":
                yield Found(f"results/{number:040x}.json", 700, now)
            else:
                yield from (Found(f"claims/{number:040x}/{each:04d}", 200, now) for each in (1, 2, 3))

    def get(self, name):
        job = name.split("/")[1][:40]
        return json.dumps({**result, "job": job, "images": [{**image, "path": f"images/{job}.png"}]}).encode()


sums = Sums()
with ManifestFile(str(folder / "m.parquet")) as table, ManifestFile(str(folder / "m.jsonl")) as lines:
    for rows in read_back(Store(), folder, sums):
        table.write(rows)
        lines.write(rows)
print(sums.jobs, sums.images, end=" ")
'''
_PLANNED = r"""
import contextlib, io, json, re, sys
from pathlib import Path
from gpt_image2.core.cli import main

jobs, folder = int(sys.argv[1]), Path(sys.argv[2])
with open(folder / "jobs.jsonl", "w") as file:
    for number in range(jobs):
        job = {"id": f"{number}", "prompt": f"{number} {'p' * 400}", "quality": "low"}
        file.write(json.dumps(job) + "\n")
words = ["batch", "plan", str(folder / "jobs.jsonl"), "--json", "--split", str(folder), "--deadline", "1h"]
with contextlib.redirect_stdout(io.StringIO()) as told:
    assert main(words) == 0
outcome = json.loads(told.getvalue())
lines = sum(1 for path in outcome["files"] for _ in open(path))
print(outcome["jobs"], lines, end=" ")
"""
_PEAK = r"""
# Not `ru_maxrss`: that begins with what the process had that started this one.
print(int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("program", "most_jobs", "most_mebibytes"),
    [(_MANY, 1_000_000, 300), (_PLANNED, 200_000, 100)],
    ids=["report", "plan"],
)
def test_very_many_jobs_take_little_memory(
    home: Home, in_full: bool, program: str, most_jobs: int, most_mebibytes: int
) -> None:
    jobs = most_jobs if in_full else 5_000
    words = [sys.executable, "-c", program + _PEAK, str(jobs), str(home.cwd)]
    env = home.environment(None, {"PYTHONPATH": os.environ.get("PYTHONPATH"), "PYTHONWARNINGS": None})
    done = subprocess.run(words, env=env, cwd=home.cwd, capture_output=True, check=True)
    counted, told, mebibytes = map(int, done.stdout.split())
    assert (counted, told) == (jobs, jobs)
    assert mebibytes < most_mebibytes
