"""What the API says when it has made images: the JSON body, the events of a stream, usage. Pure."""

from __future__ import annotations

import base64
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gpt_image2.core.api import cost, models

from ..connection import Answer, Headers, Piece, Role
from ..drawing.encoding import EncodedImage
from ..image_request import ImageRequest
from .errors import Refused

_CHARS_PER_TEXT_TOKEN = 4
_PIXELS_PER_IMAGE_TOKEN = 32 * 32
_MODEL_BEFORE = "gpt-image-2.5-flare"
_EVENT_PREFIX = {"generations": "image_generation", "edits": "image_edit"}
_JSON_HEADERS = (("content-type", "application/json"),)
_SSE_HEADERS = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))


@dataclass(frozen=True)
class Long:
    """A string of a body that is an image: it becomes a `Piece` of its own, to be counted or cut."""

    text: str
    role: Role


#: How an image of a role stands in an item of `data` or in an event.
Presenter = Callable[[EncodedImage, Role], dict[str, Any]]
#: How a body is written as JSON: object -> pieces.
Writer = Callable[[dict[str, Any]], list[Piece]]


def as_base64(image: EncodedImage, role: Role) -> dict[str, Any]:
    """The official presentation of an image."""
    return {"b64_json": Long(base64.b64encode(image.data).decode("ascii"), role)}


def usage_of(request: ImageRequest) -> dict[str, Any]:
    """Token counts of a request.

    Output follows the official formula, for a GIF by the sheet of its frames; for a model without one it is
    what is reported of 2.6. Input has none: text is taken as a token for four characters, an input image as a
    token for a square of 32 by 32 pixels.
    """
    text = math.ceil(len(request.prompt) / _CHARS_PER_TEXT_TOKEN)
    image = sum(math.ceil(pixels / _PIXELS_PER_IMAGE_TOKEN) for pixels in request.input_pixels)
    partials = request.partial_images * cost.PARTIAL_IMAGE_TOKENS if request.stream else 0
    output = request.n * (_output_tokens(request) + partials)
    return {
        "input_tokens": text + image,
        "input_tokens_details": {"image_tokens": image, "text_tokens": text},
        "output_tokens": output,
        "total_tokens": text + image + output,
    }


def _output_tokens(request: ImageRequest) -> int:
    across = math.ceil(math.sqrt(request.frames))
    sheet = across * request.width, -(-request.frames // across) * request.height
    if models.FAMILY[request.model].token_factors:
        return cost.output_tokens(*sheet, request.quality, request.model)
    times = 4 if request.quality in ("low", "medium") else 1
    return times * cost.output_tokens(*sheet, request.quality, _MODEL_BEFORE)


def svg_usage_of(request: ImageRequest, images: Sequence[EncodedImage]) -> dict[str, Any]:
    """Token counts of whoever wrote the SVG, with as much thought as text."""
    read = 1000 + math.ceil(len(request.prompt) / _CHARS_PER_TEXT_TOKEN)
    thought = sum(len(image.data) for image in images) // _CHARS_PER_TEXT_TOKEN
    return {
        "input_tokens": read,
        "output_tokens": 2 * thought,
        "reasoning_tokens": thought,
        "total_tokens": read + 2 * thought,
        "model": request.svg_author,
    }


def write_json(body: dict[str, Any]) -> list[Piece]:
    """A compact JSON body."""
    return pieces_of(body, separators=(",", ":"))


def write_escaped(body: dict[str, Any]) -> list[Piece]:
    r"""Legal JSON of another hand: indented, and every slash written as `\/`."""
    return [
        Piece(piece.data.replace(b"/", b"\\/"), piece.role)
        for piece in pieces_of(body, indent=2, separators=(" ,", " : "))
    ]


def pieces_of(body: dict[str, Any], **style: Any) -> list[Piece]:
    """JSON text cut into pieces at its long strings; `style` is for `json.dumps`."""
    longs: list[Long] = []

    def stand_in(value: Any) -> str:
        assert isinstance(value, Long)
        longs.append(value)
        return f"<long {len(longs) - 1}>"

    text = json.dumps(body, default=stand_in, **style)
    pieces: list[Piece] = []
    for index, part in enumerate(re.split(r'"<long (\d+)>"', text)):
        if index % 2:
            long = longs[int(part)]
            pieces.append(Piece(f'"{long.text}"'.encode("ascii"), long.role))
        else:
            pieces.append(Piece(part.encode("ascii")))
    return pieces


def json_body(
    request: ImageRequest, images: Sequence[EncodedImage], present: Presenter, created: int
) -> dict[str, Any]:
    """The body of an answer without `stream`; `created` is in seconds since 1970."""
    return {
        "created": created,
        "background": request.background,
        "data": [present(image, "image") for image in images],
        "output_format": request.output_format,
        "quality": request.quality,
        "size": request.size,
        "usage": usage_of(request),
        **({"svg_usage": svg_usage_of(request, images)} if request.svg_author else {}),
        **({"safety_identifier": request.safety_identifier} if request.safety_identifier else {}),
    }


def json_answer(
    request: ImageRequest, images: Sequence[EncodedImage], present: Presenter, write: Writer
) -> Answer:
    """The answer to a request without `stream`."""
    body = json_body(request, images, present, int(time.time()))
    return json_of(write(body))


def stream_answer(
    request: ImageRequest,
    images: Sequence[EncodedImage],
    previews: Sequence[EncodedImage],
    present: Presenter,
    write: Writer,
) -> Answer:
    """The answer to a request with `stream`: previews spread over the latency, then the finished images.

    Each completed event tells of the usage of one image. The API ends a stream by ending it; there is no
    `[DONE]`.
    """
    prefix = _EVENT_PREFIX[request.endpoint]
    usage = usage_of(replace(request, n=1))
    common = {
        "created_at": int(time.time()),
        "size": request.size,
        "quality": request.quality,
        "background": request.background,
        "output_format": request.output_format,
    }

    def events() -> Iterator[Piece]:
        for index, preview in enumerate(previews):
            name = f"{prefix}.partial_image"
            body = {"type": name, **present(preview, "preview"), **common, "partial_image_index": index}
            yield from event(name, write(body), (index + 1) / (len(previews) + 1))
        for image in images:
            name = f"{prefix}.completed"
            body = {"type": name, **present(image, "image"), **common, "usage": usage}
            yield from event(name, write(body), 1.0)

    return stream_of(events())


def error_event(refusal: Refused) -> Piece:
    """A failure in the midst of a stream."""
    body = json.dumps({"type": "error", **refusal.envelope})
    return Piece(f"event: error\ndata: {body}\n\n".encode("ascii"))


def refusal_answer(refusal: Refused, status: int | None = None) -> Answer:
    """The error envelope; `status` overrides the refusal's own."""
    headers = (*_JSON_HEADERS, *refusal.headers.items())
    return Answer(status or refusal.status, headers, (Piece(json.dumps(refusal.envelope).encode("ascii")),))


def plain_answer(
    status: int, content_type: str, body: bytes, headers: Headers = (), role: Role = "text"
) -> Answer:
    """A body of any type, sent at once."""
    return Answer(status, (("content-type", content_type), *headers), (Piece(body, role),))


def json_of(pieces: Iterable[Piece]) -> Answer:
    """A 200 of JSON, when the call has taken its time."""
    return Answer(200, _JSON_HEADERS, tuple(pieces), at=1.0)


def stream_of(events: Iterable[Piece]) -> Answer:
    """A 200 of server-sent events."""
    return Answer(200, _SSE_HEADERS, tuple(events), sized=False)


def event(name: str, body: Sequence[Piece], at: float) -> Iterator[Piece]:
    """One event of a stream; one without a name is data alone."""
    yield Piece((f"event: {name}\ndata: " if name else "data: ").encode("ascii"), at=at)
    for piece in body:
        # A body of several lines is several `data:` lines; a client joins them again.
        yield Piece(piece.data.replace(b"\n", b"\ndata: "), piece.role)
    yield Piece(b"\n\n")
