"""The date of a batch as a server tells it: what cannot be true is absent, and ends nothing."""

from __future__ import annotations

import json

import pytest
from harness import Home
from servers import Answer, Recorder


@pytest.mark.parametrize(
    "created_at, shown",
    [
        ("1764000000", "2025-11-24T16:00:00.000Z"),
        ("1e300", ""),
        ("NaN", ""),
        ("Infinity", ""),
        ("-1", ""),
        ("1" + "0" * 400, ""),
        ("true", ""),
        ('"yesterday"', ""),
        ("null", ""),
    ],
)
def test_a_date_that_cannot_be_true_is_absent(
    created_at: str, shown: str, home: Home, recorder: Recorder
) -> None:
    fields = json.dumps({"id": "batch_1", "status": "completed", "endpoint": "/v1/images/generations"})
    body = f'{fields[:-1]}, "created_at": {created_at}}}'.encode()
    recorder.answer = lambda request: Answer(body=body)
    run = home.run("batch", "status", "batch_1", "--json", base_url=recorder.base_url)
    (batch,) = run.json["batches"]
    assert (run.code, batch["created_at"]) == (0, shown)
