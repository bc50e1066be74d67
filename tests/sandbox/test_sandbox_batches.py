"""The Batch API through the official client: from an input file to its output files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import pytest
from batch_driving import (
    EDITS,
    GENERATIONS,
    ended,
    jsonl,
    request,
    rows,
    start,
    start_file,
    still,
    until,
    upload,
)
from drawn import photo
from sandbox_driving import BEARER, Driver, as_data_url, as_file, error_of, opened

from gpt_image2.sandbox import Settings
from gpt_image2.sandbox.batches import input_file

Serve = Callable[[Settings], Driver]


def test_every_request_is_in_the_output_file_once_and_in_another_order(sandbox: Driver) -> None:
    batch = ended(sandbox, start(sandbox, [request(sandbox, number) for number in range(6)]))
    assert (batch.status, batch.error_file_id, batch.errors) == ("completed", None, None)
    assert batch.request_counts and batch.request_counts.to_dict() == {
        "total": 6,
        "completed": 6,
        "failed": 0,
    }
    lines = rows(sandbox, batch.output_file_id)
    ids = [line["custom_id"] for line in lines]
    assert sorted(ids) == [f"job-{number}" for number in range(6)]
    assert ids != sorted(ids)
    assert len({line["id"] for line in lines}) == len({line["response"]["request_id"] for line in lines}) == 6


def test_a_line_of_the_output_file_holds_what_a_direct_call_answers(sandbox: Driver) -> None:
    order = request(sandbox, 1, n=2, size="1536x1024", output_format="jpeg")
    batch = ended(sandbox, start(sandbox, [order]))
    (line,) = rows(sandbox, batch.output_file_id)
    assert set(line) == {"id", "custom_id", "response", "error"}
    assert (line["custom_id"], line["error"], line["response"]["status_code"]) == ("job-1", None, 200)
    url = f"{sandbox.base_url()}/images/generations"
    direct = sandbox.http.post(url, json=order["body"], headers=BEARER).json()
    assert {**line["response"]["body"], "created": 0} == {**direct, "created": 0}
    assert batch.usage
    assert (batch.usage.output_tokens, batch.usage.total_tokens) == (
        direct["usage"]["output_tokens"],
        direct["usage"]["total_tokens"],
    )
    assert batch.model == "gpt-image-2"


def test_edits_take_images_by_data_url_and_by_file_id(sandbox: Driver) -> None:
    file = sandbox.openai().files.create(file=as_file(photo()), purpose="vision")
    lines = [
        request(sandbox, 1, EDITS, images=[{"image_url": as_data_url(photo())}]),
        request(sandbox, 2, EDITS, images=[{"file_id": file.id}]),
        request(sandbox, 3, EDITS, images=[{"file_id": "file-none"}]),
    ]
    batch = ended(sandbox, start(sandbox, lines, EDITS))
    done = {line["custom_id"]: line for line in rows(sandbox, batch.output_file_id)}
    assert set(done) == {"job-1", "job-2"}
    for line in done.values():
        assert opened(line["response"]["body"]["data"][0]["b64_json"]).size == (320, 240)
    (failed,) = rows(sandbox, batch.error_file_id)
    assert (failed["custom_id"], failed["response"]["status_code"]) == ("job-3", 404)


def test_requests_that_fail_are_in_the_error_file_and_do_not_stop_the_batch(sandbox: Driver) -> None:
    lines = [request(sandbox, number) for number in range(4)]
    lines[1]["body"]["prompt"] += " [blocked]"
    lines[2]["body"]["stream"] = True
    lines[3]["body"]["size"] = "1x1"
    batch = ended(sandbox, start(sandbox, lines))
    assert batch.status == "completed"
    assert batch.request_counts
    assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 3)
    assert [line["custom_id"] for line in rows(sandbox, batch.output_file_id)] == ["job-0"]
    failed = {line["custom_id"]: line for line in rows(sandbox, batch.error_file_id)}
    assert all(line["error"] is None and line["response"]["status_code"] == 400 for line in failed.values())
    codes = {name: line["response"]["body"]["error"]["code"] for name, line in failed.items()}
    assert codes == {
        "job-1": "moderation_blocked",
        "job-2": "streaming_unsupported",
        "job-3": "invalid_value",
    }


def test_a_batch_of_failures_has_no_output_file(sandbox: Driver) -> None:
    batch = ended(sandbox, start(sandbox, [request(sandbox, 1, size="1x1")]))
    assert (batch.status, batch.output_file_id) == ("completed", None)
    assert len(rows(sandbox, batch.error_file_id)) == 1


def test_a_batch_goes_through_its_statuses_as_the_clock_goes_on(serve: Serve) -> None:
    sandbox = serve(still(batch_job_s=100))
    started_s = sandbox.now_s()
    batch = start(sandbox, [request(sandbox, number) for number in range(3)])
    assert batch.status == "validating"
    sandbox.advance(1.5)
    batch = until(sandbox, batch, "in_progress")
    assert batch.request_counts and batch.request_counts.total == 3
    sandbox.advance(200)
    batch = until(sandbox, batch, "in_progress", done=2)
    assert (batch.output_file_id, batch.finalizing_at) == (None, None)
    sandbox.advance(100)
    batch = until(sandbox, batch, "finalizing")
    sandbox.advance(10)
    batch = until(sandbox, batch, "completed")
    moments = (batch.created_at, batch.in_progress_at, batch.finalizing_at, batch.completed_at)
    gone_s = [moment - started_s for moment in moments if moment is not None]
    assert all(abs(a - b) <= 2 for a, b in zip(gone_s, (0, 1, 301, 302)))
    assert batch.expires_at == batch.created_at + 86400
    assert len(rows(sandbox, batch.output_file_id)) == 3


def test_what_does_not_fit_into_the_window_expires_and_the_rest_is_kept(serve: Serve) -> None:
    sandbox = serve(still(batch_job_s=30_000))
    batch = start(sandbox, [request(sandbox, number) for number in range(5)])
    sandbox.advance(86_401)
    batch = until(sandbox, batch, "expired")
    assert batch.expired_at == batch.expires_at
    assert batch.request_counts and batch.request_counts.to_dict() == {
        "total": 5,
        "completed": 2,
        "failed": 0,
    }
    done = rows(sandbox, batch.output_file_id)
    lost = rows(sandbox, batch.error_file_id)
    assert {line["custom_id"] for line in done + lost} == {f"job-{number}" for number in range(5)}
    assert len(lost) == 3
    for line in lost:
        assert line["response"] is None
        assert line["error"]["code"] == "batch_expired"
        assert line["error"]["message"]


def test_what_was_done_before_a_batch_was_cancelled_is_kept(serve: Serve) -> None:
    sandbox = serve(still(batch_job_s=100))
    batch = start(sandbox, [request(sandbox, number) for number in range(5)])
    sandbox.advance(250)
    until(sandbox, batch, "in_progress", done=2)
    batch = sandbox.openai().batches.cancel(batch.id)
    assert batch.status == "cancelling"
    batch = until(sandbox, batch, "cancelled")
    assert batch.cancelling_at and batch.cancelled_at and batch.cancelling_at <= batch.cancelled_at
    assert len(rows(sandbox, batch.output_file_id)) == 2
    assert [line["error"]["code"] for line in rows(sandbox, batch.error_file_id)] == ["batch_cancelled"] * 3
    assert sandbox.openai().batches.cancel(batch.id).status == "cancelled"


def test_a_batch_can_be_cancelled_before_it_has_begun(serve: Serve) -> None:
    sandbox = serve(still(batch_job_s=100))
    batch = start(sandbox, [request(sandbox, 1)])
    sandbox.openai().batches.cancel(batch.id)
    batch = until(sandbox, batch, "cancelled")
    assert (batch.in_progress_at, batch.output_file_id) == (None, None)
    assert len(rows(sandbox, batch.error_file_id)) == 1


def test_a_batch_that_has_ended_cannot_be_cancelled(sandbox: Driver) -> None:
    batch = ended(sandbox, start(sandbox, [request(sandbox, 1)]))
    with pytest.raises(openai.ConflictError, match="Cannot cancel a batch with status 'completed'"):
        sandbox.openai().batches.cancel(batch.id)


def test_batches_are_listed_newest_first(serve: Serve) -> None:
    sandbox = serve(still(batch_job_s=100))
    ids = [start(sandbox, [request(sandbox, number)]).id for number in range(3)]
    assert [batch.id for batch in sandbox.openai().batches.list(limit=2)] == ids[::-1]
    assert [batch.id for batch in sandbox.openai().batches.list(after=ids[1])] == [ids[0]]


def test_metadata_is_kept(sandbox: Driver) -> None:
    batch = sandbox.openai().batches.create(
        input_file_id=upload(sandbox, jsonl([request(sandbox, 1)])),
        endpoint=GENERATIONS,
        completion_window="24h",
        metadata={"run": sandbox.prompt},
    )
    assert sandbox.openai().batches.retrieve(batch.id).metadata == {"run": sandbox.prompt}


def test_output_files_can_be_made_to_expire(serve: Serve) -> None:
    sandbox = serve(still(batch_job_s=0))
    batch = sandbox.openai().batches.create(
        input_file_id=upload(sandbox, jsonl([request(sandbox, 1)])),
        endpoint=GENERATIONS,
        completion_window="24h",
        output_expires_after={"anchor": "created_at", "seconds": 3600},
    )
    batch = ended(sandbox, batch)
    assert len(rows(sandbox, batch.output_file_id)) == 1
    sandbox.advance(3601)
    with pytest.raises(openai.NotFoundError):
        rows(sandbox, batch.output_file_id)


def test_the_log_counts_how_often_a_prompt_was_run_in_batches(sandbox: Driver) -> None:
    order = request(sandbox, 1)
    order["body"]["prompt"] = sandbox.prompt
    twice = [order, {**order, "custom_id": "again"}]
    batch = ended(sandbox, start(sandbox, twice))
    log = sandbox.log()
    assert (log["hits"], log["requests"]) == (0, [])
    assert [row["custom_id"] for row in log["batch_requests"]] == ["again", "job-1"]
    assert log["batch_requests"][0] == {
        "batch_id": batch.id,
        "custom_id": "again",
        "endpoint": "generations",
        "prompt": sandbox.prompt,
        "status": 200,
    }


def _changed(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda line: {name: value for name, value in {**line, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("spoil", "code", "param"),
    [
        (_changed(custom_id=None), "missing_required_parameter", "custom_id"),
        (_changed(method=None), "missing_required_parameter", "method"),
        (_changed(url=None), "missing_required_parameter", "url"),
        (_changed(body=None), "missing_required_parameter", "body"),
        (_changed(custom_id="job-0"), "duplicate_custom_id", "custom_id"),
        (_changed(custom_id=7), "invalid_type", "custom_id"),
        (_changed(body="text"), "invalid_type", "body"),
        (_changed(method="GET"), "invalid_method", "method"),
        (_changed(url=EDITS), "invalid_url", "url"),
        (_changed(body={"prompt": "x"}), "invalid_request", "body.model"),
        (_changed(body={"prompt": "x", "model": "gpt-9"}), "model_not_found", "body.model"),
        (
            _changed(body={"prompt": "x", "model": "gpt-image-2-2026-04-21"}),
            "mismatched_model",
            "body.model",
        ),
        (lambda _: ["a", "list"], "invalid_request", None),
    ],
)
def test_a_bad_line_fails_the_batch_and_is_named(
    sandbox: Driver, spoil: Callable[[dict[str, Any]], Any], code: str, param: str | None
) -> None:
    lines = [request(sandbox, 0), spoil(request(sandbox, 1)), request(sandbox, 2)]
    batch = ended(sandbox, start(sandbox, lines))
    assert batch.status == "failed"
    assert batch.failed_at and batch.errors and batch.errors.data
    assert [(error.code, error.param, error.line) for error in batch.errors.data] == [(code, param, 2)]
    assert batch.errors.data[0].message
    assert (batch.output_file_id, batch.error_file_id) == (None, None)
    assert sandbox.log()["batch_requests"] == []


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        (b"", "empty_file", None),
        (b"\n\n", "empty_file", None),
        (b"{broken\n", "invalid_json_line", 1),
        (b"\xff\xfe\n", "invalid_json_line", 1),
        (b"[" * 100_000, "invalid_json_line", 1),
    ],
)
def test_a_file_that_is_not_json_lines_fails_the_batch(
    sandbox: Driver, data: bytes, code: str, line: int | None
) -> None:
    batch = ended(sandbox, start_file(sandbox, data))
    assert batch.status == "failed"
    assert batch.errors and batch.errors.data
    assert [(error.code, error.line) for error in batch.errors.data] == [(code, line)]


def test_a_last_line_without_a_newline_counts(sandbox: Driver) -> None:
    batch = ended(sandbox, start_file(sandbox, jsonl([request(sandbox, 1)]).rstrip(b"\n")))
    assert batch.request_counts and batch.request_counts.completed == 1


def test_more_lines_than_a_batch_may_have_fail_it(sandbox: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_file, "MAX_LINES", 3)
    batch = ended(sandbox, start(sandbox, [request(sandbox, number) for number in range(4)]))
    assert batch.errors and batch.errors.data
    assert [error.code for error in batch.errors.data] == ["too_many_tasks"]
    fits = ended(sandbox, start(sandbox, [request(sandbox, number) for number in range(3)]))
    assert fits.status == "completed"


def test_a_batch_whose_input_file_was_deleted_fails(serve: Serve) -> None:
    sandbox = serve(still(batch_job_s=100))
    batch = start(sandbox, [request(sandbox, 1)])
    sandbox.advance(2)
    until(sandbox, batch, "in_progress")
    sandbox.openai().files.delete(batch.input_file_id)
    sandbox.advance(200)
    batch = until(sandbox, batch, "failed")
    assert batch.errors and batch.errors.data and batch.errors.data[0].param == "file_id"


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"input_file_id": None}, "input_file_id", "missing_required_parameter"),
        ({"endpoint": None}, "endpoint", "missing_required_parameter"),
        ({"completion_window": None}, "completion_window", "missing_required_parameter"),
        ({"input_file_id": 7}, "input_file_id", "invalid_type"),
        ({"input_file_id": "file-none"}, "input_file_id", "invalid_request"),
        ({"endpoint": "/v1/images/variations"}, "endpoint", "invalid_value"),
        ({"completion_window": "1h"}, "completion_window", "invalid_value"),
        ({"priority": "high"}, "priority", "unknown_parameter"),
        ({"metadata": "text"}, "metadata", "invalid_type"),
        ({"metadata": {"tags": ["a"]}}, "metadata.tags", "invalid_type"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k", "string_above_max_length"),
        (
            {"metadata": {str(number): "" for number in range(17)}},
            "metadata",
            "object_above_max_properties",
        ),
        ({"output_expires_after": {"seconds": 3600}}, "output_expires_after", "invalid_value"),
        (
            {"output_expires_after": {"anchor": "created_at", "seconds": 1}},
            "output_expires_after.seconds",
            "invalid_value",
        ),
    ],
)
def test_a_bad_order_is_refused_at_once(
    sandbox: Driver, changes: dict[str, Any], param: str, code: str
) -> None:
    order = {
        "input_file_id": upload(sandbox, jsonl([request(sandbox, 1)])),
        "endpoint": GENERATIONS,
        "completion_window": "24h",
        **changes,
    }
    response = sandbox.http.post(f"{sandbox.base_url()}/batches", json=order, headers=BEARER)
    error = error_of(response)
    assert (response.status_code, error["param"], error["code"]) == (400, param, code)


@pytest.mark.parametrize("body", [b"", b"[]", b"{"])
def test_an_order_that_is_no_json_object_is_refused(sandbox: Driver, body: bytes) -> None:
    response = sandbox.http.post(f"{sandbox.base_url()}/batches", content=body, headers=BEARER)
    assert response.status_code == 400
    assert "could not parse the JSON body" in error_of(response)["message"]


def test_a_file_of_another_purpose_is_no_input(sandbox: Driver) -> None:
    file = sandbox.openai().files.create(file=("a.jsonl", b"{}"), purpose="user_data")
    with pytest.raises(openai.BadRequestError, match="expected 'batch', but got 'user_data'"):
        sandbox.openai().batches.create(input_file_id=file.id, endpoint=GENERATIONS, completion_window="24h")


def test_a_batch_that_does_not_exist_is_not_found(sandbox: Driver) -> None:
    client = sandbox.openai()
    for ask in (client.batches.retrieve, client.batches.cancel):
        with pytest.raises(openai.NotFoundError, match="No batch found with id 'batch_none'"):
            ask("batch_none")


def test_a_batch_can_be_driven_under_a_fault_path(sandbox: Driver) -> None:
    client = sandbox.openai("http-500")
    batch = client.batches.create(
        input_file_id=upload(sandbox, jsonl([request(sandbox, 1)])),
        endpoint=GENERATIONS,
        completion_window="24h",
    )
    assert ended(sandbox, client.batches.retrieve(batch.id)).status == "completed"
