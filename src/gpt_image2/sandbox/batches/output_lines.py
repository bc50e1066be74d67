"""One request of a batch: judged and drawn like a direct POST, and the line that its output file gets. Draws;
writes nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..api.answers import as_base64, json_body, write_json
from ..api.errors import Refused
from ..api.request_body import FindUpload, submission_of
from ..api.submission import Submission
from ..api.validation import validate
from ..drawing.pictures import picture
from ..image_request import Endpoint

ENDPOINTS: Mapping[str, Endpoint] = {"/v1/images/generations": "generations", "/v1/images/edits": "edits"}


@dataclass(frozen=True)
class Ran:
    """A request that was run; `line` ends with a newline."""

    custom_id: str
    prompt: str | None
    status: int
    usage: Mapping[str, Any]
    line: bytes


def run_request(request: dict[str, Any], find_upload: FindUpload, created: int) -> Ran:
    """Run one request of a checked input file; `created` is in seconds since 1970."""
    request_id = secrets.token_hex(16)
    submission = submission_of(ENDPOINTS[request["url"]], request["body"], find_upload)
    usage: dict[str, Any] = {}
    try:
        body = _answer(submission, request_id, created)
        status, usage = 200, body["usage"]
    except Refused as refusal:
        status, body = refusal.status, refusal.envelope
    response = {"status_code": status, "request_id": request_id, "body": body}
    line = _line(request["custom_id"], {"response": response, "error": None})
    return Ran(request["custom_id"], submission.prompt, status, usage, line)


def unrun_line(custom_id: str, code: str, message: str) -> bytes:
    """The line of a request that was never run."""
    return _line(custom_id, {"response": None, "error": {"code": code, "message": message}})


def _answer(submission: Submission, request_id: str, created: int) -> dict[str, Any]:
    if submission.fields.get("stream"):
        message = "Streaming is not supported in the Batch API."
        raise Refused(400, message, param="stream", code="streaming_unsupported")
    asked = validate(submission, request_id)
    images = [picture(asked, index) for index in range(asked.n)]
    return json_body(asked, images, as_base64, created)


def _line(custom_id: str, outcome: dict[str, Any]) -> bytes:
    body = {"id": f"batch_req_{secrets.token_hex(12)}", "custom_id": custom_id, **outcome}
    return b"".join(piece.data for piece in write_json(body)) + b"\n"
