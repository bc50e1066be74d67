"""Changes to what is drawn, to how an image stands in its answer, and to that answer. Pure."""

from __future__ import annotations

import base64
from dataclasses import replace
from itertools import chain, takewhile
from typing import Any

from ..api.answers import Long, as_base64, error_event, refusal_answer
from ..api.errors import Refused
from ..connection import Answer, Piece, Role
from ..drawing.encoding import EncodedImage
from ..drawing.grounds import CHECKERBOARD
from ..image_request import ImageRequest

_DRIBBLED_BYTES = 4093
_DRIBBLE_PAUSE_S = 0.0005
_WHITESPACES = 8


def other_format(request: ImageRequest) -> ImageRequest:
    """The request in another format than was asked for."""
    return replace(
        request, output_format="png" if request.output_format == "jpeg" else "jpeg", background="opaque"
    )


def checkerboard(request: ImageRequest) -> ImageRequest:
    """The request with its transparency painted."""
    return replace(request, background=CHECKERBOARD) if request.background == "transparent" else request


def bad_base64(image: EncodedImage, _: Role) -> dict[str, Any]:
    """An image whose text has characters that are no base64."""
    text = base64.b64encode(image.data).decode("ascii")
    middle = len(text) // 2
    return {"b64_json": Long(f"{text[:middle]}!*?%{text[middle + 4 :]}", "text")}


def not_an_image(_: EncodedImage, __: Role) -> dict[str, Any]:
    """Text in the place of an image."""
    words = b"This is not an image. It is plain text where an image was expected.\n"
    return {"b64_json": Long(base64.b64encode(words).decode("ascii"), "text")}


def data_uri(image: EncodedImage, role: Role) -> dict[str, Any]:
    """An image as a data: URL."""
    encoded = base64.b64encode(image.data).decode("ascii")
    return {"url": Long(f"data:{image.mime};base64,{encoded}", role)}


def among_strangers(image: EncodedImage, role: Role) -> dict[str, Any]:
    """An image among fields that no client knows."""
    around = {
        "revised_prompt": 'with "quotes", a \\ and b64_json',
        "b64": None,
        "b64_json_size": len(image.data),
    }
    return {**around, **as_base64(image, role), "extra": {"b64_json": None, "seed": [1, 2, {"url": ""}]}}


def _image_indexes(answer: Answer) -> list[int]:
    """Which pieces are images; the last piece, where there are none."""
    indexes = [index for index, piece in enumerate(answer.pieces) if piece.role == "image"]
    return indexes or [len(answer.pieces) - 1]


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
