"""How the tests drive batches: input files, and waiting for an end without waiting for time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from openai.types import Batch
from sandbox_driving import Driver

from gpt_image2.sandbox import Settings

GENERATIONS = "/v1/images/generations"
EDITS = "/v1/images/edits"
#: A clock that all but stands still: time passes when the test says so.
STILL = 1e-6
ENDS = ("completed", "failed", "expired", "cancelled")
_MOST_POLLS = 5_000


def still(batch_job_s: float) -> Settings:
    return Settings(batch_job_s=batch_job_s, clock_speed=STILL)


def request(sandbox: Driver, number: int, url: str = GENERATIONS, **fields: Any) -> dict[str, Any]:
    """One line of an input file; its prompt is this test's own."""
    body = sandbox.body(prompt=f"{sandbox.prompt} {number}", **fields)
    return {"custom_id": f"job-{number}", "method": "POST", "url": url, "body": body}


def jsonl(lines: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def upload(sandbox: Driver, data: bytes) -> str:
    return sandbox.openai().files.create(file=("jobs.jsonl", data), purpose="batch").id


def start(sandbox: Driver, lines: Sequence[Any], endpoint: Any = GENERATIONS) -> Batch:
    return start_file(sandbox, jsonl(lines), endpoint)


def start_file(sandbox: Driver, data: bytes, endpoint: Any = GENERATIONS) -> Batch:
    file_id = upload(sandbox, data)
    return sandbox.openai().batches.create(input_file_id=file_id, endpoint=endpoint, completion_window="24h")


def until(sandbox: Driver, batch: Batch, *statuses: str, done: int = 0) -> Batch:
    """Ask again until a batch has a status, and so many requests behind it."""
    for _ in range(_MOST_POLLS):
        batch = sandbox.openai().batches.retrieve(batch.id)
        assert batch.request_counts
        if batch.status in statuses and batch.request_counts.completed >= done:
            return batch
    raise AssertionError(f"{batch.status}, {batch.request_counts}")


def ended(sandbox: Driver, batch: Batch) -> Batch:
    return until(sandbox, batch, *ENDS)


def rows(sandbox: Driver, file_id: str | None) -> list[dict[str, Any]]:
    """The lines of an output file."""
    assert file_id
    text = sandbox.openai().files.content(file_id).text
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]
