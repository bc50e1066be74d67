"""Streams of other APIs than the Images API, and failures in the words of those. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

from ..api.answers import Long, as_base64, event, json_of, stream_of, write_json
from ..connection import Answer, Piece
from ..image_request import ImageRequest
from .changes import data_uri
from .fault import Case, Fault, Made
from .shapes import Body, Value, call_item, chat, markdown, response

_CHUNKS = 5
_BLOCKED = {
    "code": "moderation_blocked",
    "message": "Your request was rejected by the safety system. safety_violations=[violence].",
}
_REFUSAL = "I'm sorry, but I can't create this image because it goes against the content policy."
_DONE = Piece(b"data: [DONE]\n\n")


def _streamed(request: ImageRequest) -> ImageRequest:
    """The request with a stream and one preview at least."""
    return replace(request, stream=True, partial_images=max(1, request.partial_images))


def _chunks(value: Value) -> Iterator[Value]:
    """A text in pieces; with the last one an image is whole."""
    text, role = (value.text, value.role) if isinstance(value, Long) else (value, "text")
    size = -(-len(text) // _CHUNKS)
    starts = range(0, len(text), size)
    for start in starts:
        yield Long(text[start : start + size], role if start == starts[-1] else "text")


def _chat_events(model: str, deltas: Iterator[tuple[int, Body]]) -> Iterator[Piece]:
    """The chunks of a chat completion; each delta is that of a choice."""

    def chunk(index: int, delta: Body, finish_reason: str | None) -> Iterator[Piece]:
        choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
        return event("", write_json(chat(model, [choice], "chat.completion.chunk")), 1.0)

    yield from chunk(0, {"role": "assistant", "content": ""}, None)
    for index, delta in deltas:
        yield from chunk(index, delta, None)
    yield from chunk(0, {}, "stop")
    yield _DONE


def _chat_stream(made: Made) -> Answer:
    """A Markdown image a choice, in pieces."""
    deltas = (
        (index, {"content": part})
        for index, value in enumerate(made.values)
        for part in _chunks(markdown(value))
    )
    return stream_of(_chat_events(made.request.model, deltas))


def _response_stream(*, in_items: bool, at_end: bool) -> Callable[[Made], Answer]:
    """The events of a response: its images in the events of its items, in the one at its end, or in both."""

    def events(made: Made) -> Iterator[Piece]:
        numbers = count()

        def told(name: str, at: float, **body: Any) -> Iterator[Piece]:
            return event(name, made.write({"type": name, "sequence_number": next(numbers), **body}), at)

        yield from told("response.created", 0.0, response=response("in_progress", []))
        for index, preview in enumerate(made.previews):
            image = {
                "partial_image_index": index,
                "partial_image_b64": as_base64(preview, "preview")["b64_json"],
            }
            at = (index + 1) / (len(made.previews) + 1)
            yield from told("response.image_generation_call.partial_image", at, output_index=0, **image)
        for index, value in enumerate(made.values):
            item = call_item(value if in_items else None)
            yield from told("response.output_item.done", 1.0, output_index=index, item=item)
        # Where an image comes twice, it was delivered with its item.
        values = [replace(v, role="text") if in_items and isinstance(v, Long) else v for v in made.values]
        output = [call_item(value) for value in values] if at_end else []
        yield from told("response.completed", 1.0, response=response("completed", output))

    return lambda made: stream_of(events(made))


def _failed_response(status: str, **why: Any) -> Callable[[Case], Answer]:
    """A response that ends otherwise; an event where a stream was asked for."""

    def instead(case: Case) -> Answer:
        body = {**response(status, []), **why}
        if not case.request.stream:
            return json_of(write_json(body))
        name = f"response.{status}"
        return stream_of(event(name, write_json({"type": name, "response": body}), 1.0))

    return instead


def _refusing_chat(**message: Any) -> Callable[[Case], Answer]:
    """A chat completion that says no, in pieces where a stream was asked for."""

    def instead(case: Case) -> Answer:
        model = case.request.model
        if case.request.stream:
            return stream_of(_chat_events(model, iter([(0, message)])))
        choice = {"message": {"role": "assistant", **message}, "finish_reason": "stop"}
        return json_of(write_json(chat(model, [choice])))

    return instead


def _saying(body: Body) -> Callable[[Case], Answer]:
    """A 200 of JSON without an image."""
    return lambda _: json_of([Piece(json.dumps(body).encode("ascii"))])


TABLE = (
    Fault(
        "shape-stream-chat",
        "a stream of a chat completion: a Markdown image by its address, in pieces",
        present=None,
        shape=_chat_stream,
    ),
    Fault(
        "shape-stream-chat-data",
        "a stream of a chat completion: a Markdown image by a data: URL, in pieces",
        present=data_uri,
        shape=_chat_stream,
    ),
    Fault(
        "shape-stream-item",
        "a stream of a response: previews, then the image in response.output_item.done",
        understood=_streamed,
        shape=_response_stream(in_items=True, at_end=False),
    ),
    Fault(
        "shape-stream-end",
        "a stream of a response: previews, then the image in response.completed",
        understood=_streamed,
        shape=_response_stream(in_items=False, at_end=True),
    ),
    Fault(
        "shape-stream-twice",
        "a stream of a response: previews, then the same image in both",
        understood=_streamed,
        shape=_response_stream(in_items=True, at_end=True),
    ),
    Fault(
        "shape-stream-previews",
        "a stream of a response: previews, then response.completed without an image",
        understood=_streamed,
        shape=_response_stream(in_items=False, at_end=False),
    ),
    Fault(
        "shape-stream-open",
        "a stream whose connection stays open after the completed event",
        understood=lambda request: replace(request, stream=True),
        sent=lambda answer: replace(answer, ending="silent"),
    ),
    # Failures
    Fault(
        "shape-response-failed",
        "a response that failed, an event response.failed in a stream",
        instead=_failed_response("failed", error=_BLOCKED),
    ),
    Fault(
        "shape-response-incomplete",
        "a response that is incomplete, an event response.incomplete in a stream",
        instead=_failed_response("incomplete", incomplete_details={"reason": "content_filter"}),
    ),
    Fault(
        "shape-refusal",
        "a chat completion with a refusal",
        instead=_refusing_chat(content=None, refusal=_REFUSAL),
    ),
    Fault(
        "shape-refusal-text", "a chat completion whose text says no", instead=_refusing_chat(content=_REFUSAL)
    ),
    Fault(
        "shape-message",
        "`message` and `code` at the top, under 200",
        instead=_saying({"success": False, "code": 400, "message": _BLOCKED["message"], "data": None}),
    ),
    Fault(
        "shape-revised-prompt",
        "`data` with an item that has no image but a `revised_prompt` that says why",
        instead=_saying(
            {"created": 1, "data": [{"b64_json": None, "url": None, "revised_prompt": _REFUSAL}]}
        ),
    ),
)
