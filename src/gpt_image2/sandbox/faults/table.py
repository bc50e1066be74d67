"""The faults that a client can be put through: one table.

A fault changes one or more steps on the way from a valid request to the bytes of its answer; the others stay
as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..api.answers import refusal_answer, write_escaped
from ..api.errors import invalid_key, model_not_found, moderation_blocked, unknown_parameter
from ..connection import Answer
from . import changes, replies, shape_streams, shapes, tasks
from .fault import Fault

_TABLE = (
    # The connection
    Fault(
        "cut-last",
        "every image but the last is whole; the connection is cut in the middle of the last",
        sent=changes.cut_in_last,
    ),
    Fault(
        "cut-tail",
        "every image is whole; the connection is cut before the rest of the JSON or of the event",
        sent=changes.cut_tail,
    ),
    Fault(
        "reset",
        "the request is read whole, then the connection is reset (TCP RST) without an answer",
        instead=lambda _: Answer(0, (), ending="reset"),
    ),
    Fault(
        "stall",
        "200 and headers, then silence until the client goes",
        instead=lambda _: Answer(200, (("content-type", "application/json"),), ending="silent", sized=False),
    ),
    Fault("dribble", "the answer comes in many small pieces", sent=changes.dribbled),
    Fault(
        "keepalive-whitespace",
        "whitespace is dribbled before the JSON, a comment before a stream",
        sent=changes.whitespace_first,
    ),
    Fault(
        "sse-cut",
        "a stream is cut before its completed image; JSON in the first image",
        sent=changes.cut_before_completed,
    ),
    # The server
    Fault("http-500", "500 server_error", instead=replies.server_error),
    Fault(
        "http-503-once",
        "503 server_is_overloaded the first time for a prompt",
        instead=replies.once(replies.overloaded),
    ),
    Fault(
        "http-524",
        "524 and an HTML page, as from Cloudflare",
        instead=replies.page(
            524, "sandbox | 524: A timeout occurred", "The origin web server timed out responding."
        ),
    ),
    Fault(
        "html-200",
        "200 and an HTML page",
        instead=replies.page(200, "Welcome to the sandbox relay", "This is a web page and not an API."),
    ),
    Fault("redirect", "302 to the same endpoint without the fault", instead=replies.redirect),
    # Refusals
    Fault(
        "rate-once",
        "429 rate_limit_exceeded, retry-after-ms 200, the first time for a prompt",
        instead=replies.once(replies.rate_limited("0.2s", {"retry-after": "1", "retry-after-ms": "200"})),
    ),
    Fault(
        "rate-long",
        "429 rate_limit_exceeded, retry-after 3600",
        instead=replies.rate_limited("1h0m0s", {"retry-after": "3600"}),
    ),
    Fault("quota", "429 insufficient_quota", instead=replies.no_quota),
    Fault("billing", "400 billing_hard_limit_reached", instead=replies.no_billing),
    Fault(
        "auth",
        "401 invalid_api_key; its message repeats the whole key",
        instead=lambda case: invalid_key(case.key),
    ),
    Fault("verify", "403, the organization must be verified", instead=replies.unverified),
    Fault("region", "403 unsupported_country_region_territory", instead=replies.wrong_region),
    Fault(
        "moderation",
        "400 moderation_blocked at the input",
        instead=lambda case: moderation_blocked("input", "violence", case.request_id),
    ),
    Fault(
        "moderation-output",
        "400 moderation_blocked at the output",
        instead=lambda case: moderation_blocked("output", "violence", case.request_id),
    ),
    Fault("model-missing", "404 model_not_found", instead=lambda case: model_not_found(case.request.model)),
    Fault(
        "unknown-parameter",
        "400 unknown_parameter 'output_format'",
        instead=lambda _: unknown_parameter("output_format"),
    ),
    Fault(
        "refuse-stream", "400 unknown_parameter for stream and partial_images", instead=replies.refuse_stream
    ),
    Fault(
        "error-200",
        "an error envelope under status 200",
        instead=lambda case: refusal_answer(replies.server_error(case), status=200),
    ),
    # Odd answers
    Fault("empty", "200 with an empty list of images", drawn=lambda request: replace(request, n=0)),
    Fault(
        "empty-body",
        "200 with zero bytes",
        instead=lambda _: Answer(200, (("content-type", "application/json"),)),
    ),
    Fault(
        "fewer", "one image fewer than was asked for", drawn=lambda request: replace(request, n=request.n - 1)
    ),
    Fault(
        "wrong-size",
        "images of half the width and height that was asked for",
        drawn=lambda request: replace(request, width=request.width // 2, height=request.height // 2),
    ),
    Fault(
        "wrong-format", "jpeg where png or webp was asked for, png where jpeg was", drawn=changes.other_format
    ),
    Fault(
        "drift",
        "edits in a mask, and those of a flat background, are moved by 2 px to the right and down; in a mask "
        "they paint 2 px beside it",
        drawn=lambda request: replace(request, drift_px=2),
    ),
    Fault("drift-far", "as drift, by 14 px", drawn=lambda request: replace(request, drift_px=14)),
    Fault(
        "checkerboard",
        "a checkerboard is painted where a transparent background was asked for",
        drawn=changes.checkerboard,
    ),
    Fault("bad-base64", "illegal characters in the midst of the base64 text", present=changes.bad_base64),
    Fault("not-an-image", "base64 of plain text", present=changes.not_an_image),
    Fault(
        "escaped",
        "indented JSON, escaped slashes, fields in odd order",
        present=changes.among_strangers,
        write=write_escaped,
    ),
    Fault("url", "images by http URL on the sandbox, to be fetched without the key", present=None),
    Fault(
        "url-flaky",
        "as url, but the first download of each answers 500",
        present=None,
        download_status=lambda nth: 500 if nth == 1 else 200,
    ),
    Fault("url-dead", "as url, but every download answers 404", present=None, download_status=lambda _: 404),
    Fault("data-uri", "images by data: URL", present=changes.data_uri),
    # Streams
    Fault(
        "sse-error",
        "an error event after the first preview; as error-200 without stream",
        sent=changes.error_after_first_preview,
    ),
    Fault(
        "ignore-stream",
        "plain JSON although a stream was asked for",
        understood=lambda request: replace(request, stream=False),
    ),
    Fault(
        "force-stream",
        "a stream although none was asked for",
        understood=lambda request: replace(request, stream=True),
    ),
)

#: Every fault by name, in the order that people read them.
FAULTS: Mapping[str, Fault] = {
    fault.name: fault for fault in (*_TABLE, *tasks.TABLE, *shapes.TABLE, *shape_streams.TABLE)
}

#: No fault at all.
NO_FAULT = Fault("", "answers as the API does")


def table() -> str:
    """The table of faults as text, one a line."""
    width = max(len(name) for name in FAULTS)
    return "\n".join(f"{fault.name:<{width}}  {fault.does}" for fault in FAULTS.values())
