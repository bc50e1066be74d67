"""A report of very many jobs, in a process of its own whose memory is looked at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
# Not `ru_maxrss`: that begins with what the process had that started this one.
peak_kb = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]
print(sums.jobs, sums.images, int(peak_kb) // 1024)
'''


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")
@pytest.mark.timeout(1800)
def test_a_report_of_very_many_jobs_takes_little_memory(tmp_path: Path, in_full: bool) -> None:
    jobs = 1_000_000 if in_full else 15_000
    done = subprocess.run(
        [sys.executable, "-c", _MANY, str(jobs), str(tmp_path)], capture_output=True, check=True
    )
    counted, images, mebibytes = map(int, done.stdout.split())
    assert (counted, images) == (jobs, jobs)
    assert mebibytes < 300
