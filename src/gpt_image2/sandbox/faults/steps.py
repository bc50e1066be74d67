"""What a fault can do to a request or to its answer, step by step. Pure: `wire` sends what comes out."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, takewhile
from typing import Any, TypeVar

from ..api.answers import (
    Long,
    Picture,
    Presenter,
    Writer,
    as_base64,
    error_event,
    plain_answer,
    refusal_answer,
    write_json,
)
from ..api.errors import Refused, unknown_parameter
from ..connection import Answer, Piece, Role
from ..image_request import Job

_T = TypeVar("_T")

_DRIBBLED_BYTES = 4093
_DRIBBLE_PAUSE_S = 0.0005
_WHITESPACES = 8
_HTML = """<!DOCTYPE html>
<html lang="en">
<head><title>{title}</title></head>
<body><h1>{title}</h1><p>{text}</p></body>
</html>
"""


@dataclass(frozen=True)
class Case:
    """What a fault may know of a request. `first`: its prompt never met this fault."""

    job: Job
    raw_fields: Mapping[str, Any]
    key: str
    request_id: str
    first: bool
    path: str
    host_url: str


def _same(value: _T) -> _T:
    return value


@dataclass(frozen=True)
class Fault:
    """One row of the table; `does` is shown to people.

    Attributes:
        instead: an answer in place of images, or None to go on.
        understood: the job as the server takes it.
        drawn: the job that is drawn, while the answer describes the one that was understood.
        present: how an image stands in the answer; None means by a URL on the sandbox.
        write: how JSON is written.
        sent: what becomes of the finished answer.
        download_status: status of the nth download (from 1) of an image's URL.
    """

    name: str
    does: str
    instead: Callable[[Case], Answer | None] = lambda _: None
    understood: Callable[[Job], Job] = _same
    drawn: Callable[[Job], Job] = _same
    present: Presenter | None = as_base64
    write: Writer = write_json
    sent: Callable[[Answer], Answer] = _same
    download_status: Callable[[int], int] = lambda _: 200


def refusing(make: Callable[[Case], Refused]) -> Callable[[Case], Answer]:
    """Refuses every request."""
    return lambda case: refusal_answer(make(case))


def once(make: Callable[[Case], Refused]) -> Callable[[Case], Answer | None]:
    """Refuses the first request with a prompt."""
    return lambda case: refusal_answer(make(case)) if case.first else None


def server_error(case: Case) -> Refused:
    """500 in the official envelope."""
    message = (
        "The server had an error while processing your request. Sorry about that! You can retry your "
        "request, or contact us through our help center at help.openai.com. "
        f"(Please include the request ID {case.request_id}.)"
    )
    return Refused(500, message, type="server_error", code="server_error")


def overloaded(_: Case) -> Refused:
    """503 in the official envelope."""
    message = "The server is currently overloaded with other requests. Please retry later."
    return Refused(503, message, type="service_unavailable_error", code="server_is_overloaded")


def rate_limited(wait: str, headers: Mapping[str, str]) -> Callable[[Case], Refused]:
    """429 that names its wait."""

    def refuse(case: Case) -> Refused:
        message = (
            f"Rate limit reached for {case.job.model} in organization org-sandbox on images per min: "
            f"Limit 5, Used 5, Requested 1. Please try again in {wait}."
        )
        return Refused(429, message, type="requests", code="rate_limit_exceeded", headers=headers)

    return refuse


def no_quota(_: Case) -> Refused:
    """429, out of credit."""
    message = "You exceeded your current quota, please check your plan and billing details."
    return Refused(429, message, type="insufficient_quota", code="insufficient_quota")


def no_billing(_: Case) -> Refused:
    """400, the spend limit is reached."""
    message = "Billing hard limit has been reached."
    return Refused(400, message, type="billing_limit_user_error", code="billing_hard_limit_reached")


def unverified(case: Case) -> Refused:
    """403, the organisation is not verified."""
    message = (
        f"Your organization must be verified to use the model `{case.job.model}`. Please go to: "
        "https://platform.openai.com/settings/organization/general and click on Verify Organization. "
        "If you just verified, it can take up to 15 minutes for access to propagate."
    )
    return Refused(403, message)


def wrong_region(_: Case) -> Refused:
    """403, the country is not served."""
    message = "Country, region, or territory not supported"
    return Refused(403, message, type="request_forbidden", code="unsupported_country_region_territory")


def refuse_stream(case: Case) -> Answer | None:
    """400 for the field `stream`; other requests go on."""
    name = next((name for name in ("stream", "partial_images") if name in case.raw_fields), None)
    return refusal_answer(unknown_parameter(name)) if name else None


def page(status: int, title: str, text: str) -> Callable[[Case], Answer]:
    """An HTML page under a status."""
    body = _HTML.format(title=title, text=text).encode("ascii")
    return lambda _: plain_answer(status, "text/html; charset=UTF-8", body)


def redirect(case: Case) -> Answer:
    """302 to the same endpoint without the fault."""
    return plain_answer(302, "text/plain", b"", headers=(("location", case.host_url + case.path),))


def one_fewer(job: Job) -> Job:
    """The job with one image less."""
    return replace(job, n=job.n - 1)


def half_size(job: Job) -> Job:
    """The job in half the width and height."""
    return replace(job, width=max(1, job.width // 2), height=max(1, job.height // 2))


def other_format(job: Job) -> Job:
    """The job in another format than was asked for."""
    return replace(job, output_format="png" if job.output_format == "jpeg" else "jpeg", background="opaque")


def bad_base64(picture: Picture, _: Role) -> dict[str, Any]:
    """An image whose text has characters that are no base64."""
    text = base64.b64encode(picture.data).decode("ascii")
    middle = len(text) // 2
    return {"b64_json": Long(f"{text[:middle]}!*?%{text[middle + 4 :]}", "text")}


def not_an_image(_: Picture, __: Role) -> dict[str, Any]:
    """Text in the place of an image."""
    words = b"This is not an image. It is plain text where an image was expected.\n"
    return {"b64_json": Long(base64.b64encode(words).decode("ascii"), "text")}


def data_uri(picture: Picture, role: Role) -> dict[str, Any]:
    """An image as a data: URL."""
    encoded = base64.b64encode(picture.data).decode("ascii")
    return {"url": Long(f"data:{picture.mime};base64,{encoded}", role)}


def among_strangers(picture: Picture, role: Role) -> dict[str, Any]:
    """An image among fields that no client knows."""
    around = {
        "revised_prompt": 'with "quotes", a \\ and b64_json',
        "b64": None,
        "b64_json_size": len(picture.data),
    }
    return {**around, **as_base64(picture, role), "extra": {"b64_json": None, "seed": [1, 2, {"url": ""}]}}


def _image_indexes(answer: Answer) -> list[int]:
    return [index for index, piece in enumerate(answer.pieces) if piece.role == "image"]


def _cut(answer: Answer, kept: tuple[Piece, ...]) -> Answer:
    unsent = sum(len(piece.data) for piece in answer.pieces) - sum(len(piece.data) for piece in kept)
    return replace(answer, pieces=kept, ending="cut", unsent_bytes=unsent)


def _cut_within(answer: Answer, index: int) -> Answer:
    piece = answer.pieces[index]
    half = replace(piece, data=piece.data[: len(piece.data) // 2], role="text")
    return _cut(answer, (*answer.pieces[:index], half))


def cut_in_last(answer: Answer) -> Answer:
    """The answer up to the middle of its last image."""
    return _cut_within(answer, _image_indexes(answer)[-1])


def cut_tail(answer: Answer) -> Answer:
    """The answer up to the end of its last image."""
    return _cut(answer, answer.pieces[: _image_indexes(answer)[-1] + 1])


def cut_before_completed(answer: Answer) -> Answer:
    """The answer up to its first final image."""
    if answer.sized:
        return _cut_within(answer, _image_indexes(answer)[0])
    before = takewhile(lambda event: all(piece.role != "image" for piece in event), _events(answer.pieces))
    return _cut(answer, tuple(chain.from_iterable(before)))


def error_after_first_preview(answer: Answer) -> Answer:
    """A stream that ends in an error."""
    error = Refused(
        500, "The server had an error while generating the image.", type="server_error", code="server_error"
    )
    if answer.sized:
        return refusal_answer(error, status=200)
    events = _events(answer.pieces)
    previews = [event for event in events if any(piece.role == "preview" for piece in event)]
    kept = previews[0] if previews else ()
    return replace(answer, pieces=(*kept, error_event(error)))


def _events(pieces: tuple[Piece, ...]) -> list[tuple[Piece, ...]]:
    """The pieces of a stream, event by event."""
    events: list[tuple[Piece, ...]] = []
    start = 0
    for index, piece in enumerate(pieces):
        if piece.data.endswith(b"\n\n"):
            events.append(pieces[start : index + 1])
            start = index + 1
    return events


def whitespace_first(answer: Answer) -> Answer:
    """The answer behind whitespace, as relays keep a connection alive."""
    if not answer.sized:
        return replace(answer, pieces=(Piece(b": keep-alive\n\n"), *answer.pieces))
    spaces = tuple(Piece(b" \n", at=index / _WHITESPACES) for index in range(_WHITESPACES))
    body = (replace(answer.pieces[0], at=answer.at), *answer.pieces[1:])
    return replace(answer, pieces=(*spaces, *body), at=0.0, sized=False)


def dribbled(answer: Answer) -> Answer:
    """The answer in many small pieces."""
    drops: list[Piece] = []
    for piece in answer.pieces:
        starts = range(0, len(piece.data), _DRIBBLED_BYTES)
        for start in starts:
            role = piece.role if start == starts[-1] else "text"
            part = piece.data[start : start + _DRIBBLED_BYTES]
            drops.append(Piece(part, role, at=piece.at, pause_s=_DRIBBLE_PAUSE_S))
    return replace(answer, pieces=tuple(drops), sized=False)
