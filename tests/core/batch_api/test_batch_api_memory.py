"""Memory stays flat however much goes to the Batch API, and however much comes back."""

from __future__ import annotations

import base64
import json
import sys
from typing import List, Optional

import pytest
from batch_apis import SMALL, Forward, Reply, job, proxy
from batching import write_jobs
from harness import Home
from pictures import png
from processes import measured
from servers import Request

LIMIT_KB = 60 * 1024
INPUT_BYTES = 6 << 20
RESULT_BYTES = 40 << 20

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere"),
    pytest.mark.timeout(600),
]


def _peak_kb(home: Home, url: str, *words: str) -> int:
    """The most memory that a command takes, which must end well."""
    peak_kb, run = measured(home, url, *words)
    assert run.code == 0, run.stderr
    return peak_kb


def test_submitting_many_megabytes_takes_little_memory(home: Home) -> None:
    uploaded: List[int] = []

    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        if call.path == "/v1/files":
            uploaded.append(len(call.body))
            return Reply(200, b'{"id": "file-1"}')
        return Reply(200, b'{"id": "batch_1", "status": "validating"}')

    jobs = []
    for number in range(6):
        path = home.cwd / f"{number}.png"
        path.write_bytes(png(1024, 1024, noise=bytes([number])) + b"\0" * INPUT_BYTES)
        jobs.append(job(f"big {number}", image=str(path)))
    with proxy("http://127.0.0.1:9/v1", tamper) as url:
        peak = _peak_kb(home, url, "batch", "submit", write_jobs(home, *jobs), "--out-dir", "out", "--quiet")
    assert sum(uploaded) > 6 * INPUT_BYTES * 4 // 3
    assert peak < LIMIT_KB


def test_many_jobs_take_no_more_memory_than_few(home: Home) -> None:
    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        answer = b'{"id": "file-1"}' if call.path == "/v1/files" else b'{"id": "b", "status": "validating"}'
        return Reply(200, answer)

    peaks = []
    with proxy("http://127.0.0.1:9/v1", tamper) as url:
        for count in (1, 4000, 8000):  # the first compiles, the others have full caches
            path = home.cwd / f"{count}.jsonl"
            lines = [json.dumps({**SMALL, "prompt": f"job {number} {'x' * 200}"}) for number in range(count)]
            path.write_text("\n".join(lines), encoding="utf-8")
            words = ("batch", "submit", str(path), "--out-dir", str(count), "--quiet")
            peaks.append(_peak_kb(home, url, *words))
    assert peaks[2] < peaks[1] + 2 * 1024


def test_fetching_an_image_of_many_megabytes_takes_little_memory(home: Home) -> None:
    custom_id = ""
    batch = {"id": "batch_1", "status": "completed", "output_file_id": "file-2"}

    def tamper(call: Request, forward: Forward) -> Optional[Reply]:
        nonlocal custom_id
        if call.path == "/v1/files":
            custom_id = call.body.split(b'"custom_id": "')[1].split(b'"')[0].decode()
            return Reply(200, b'{"id": "file-1"}')
        if call.path.endswith("/content"):
            data = base64.b64encode(png(1024, 1024) + b"\0" * RESULT_BYTES).decode()
            response = {"status_code": 200, "request_id": "r", "body": {"data": [{"b64_json": data}]}}
            line = {"response": response, "error": None, "custom_id": custom_id}
            return Reply(200, json.dumps(line).encode() + b"\n")
        return Reply(200, json.dumps(batch).encode())

    with proxy("http://127.0.0.1:9/v1", tamper) as url:
        jobs = write_jobs(home, job("huge", output_format="png"))
        home.run("batch", "submit", jobs, "--out-dir", "out", base_url=url)
        peak = _peak_kb(home, url, "batch", "fetch", "--quiet")
    (path,) = (home.cwd / "out").glob("*.png")
    assert path.stat().st_size > RESULT_BYTES and peak < LIMIT_KB
