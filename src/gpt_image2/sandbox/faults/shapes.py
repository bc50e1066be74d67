"""Other places where relays put images: JSON of other APIs, and bodies that are the image. Pure."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ..api.answers import Long, json_of, plain_answer, usage_of
from ..connection import Answer
from ..image_request import ImageRequest
from .changes import data_uri
from .fault import Fault, Made

#: An image as text: base64 or a data URI (`Long`), or an address.
Value = str | Long
Body = dict[str, Any]


def one(request: ImageRequest) -> ImageRequest:
    """The request for a single image, as a relay takes it that has no place for more."""
    return replace(request, n=1)


def around(before: str, value: Value, after: str = "") -> Value:
    """A text that has an image in it."""
    if isinstance(value, Long):
        return replace(value, text=f"{before}{value.text}{after}")
    return f"{before}{value}{after}"


def markdown(value: Value) -> Value:
    """An image as Markdown has it."""
    return around("![image](", value, ")")


def call_item(value: Value | None) -> Body:
    """An item of a response's `output`; its `result` is the image."""
    call = {"id": f"ig_{secrets.token_hex(12)}", "type": "image_generation_call", "status": "completed"}
    return {**call, "result": value}


def response(status: str, output: Iterable[Body], **rest: Any) -> Body:
    """A response of the Responses API."""
    head = {"id": f"resp_{secrets.token_hex(12)}", "object": "response", "created_at": int(time.time())}
    return {**head, "status": status, "error": None, "incomplete_details": None, "output": [*output], **rest}


def chat(model: str, choices: Iterable[Body], kind: str = "chat.completion") -> Body:
    """A chat completion, or a `chat.completion.chunk`; `choices` are what stands beside their index."""
    head = {"id": f"chatcmpl-{secrets.token_hex(12)}", "object": kind, "created": int(time.time())}
    numbered = [{"index": index, **choice} for index, choice in enumerate(choices)]
    return {**head, "model": model, "choices": numbered}


def _chat_with(message: Callable[[Value], Body]) -> Callable[[Made], Body]:
    """A chat completion with a choice for each image."""

    def body(made: Made) -> Body:
        usage = usage_of(made.request)
        counts = {"prompt_tokens": usage["input_tokens"], "completion_tokens": usage["output_tokens"]}
        choices = [
            {"message": {"role": "assistant", **message(value)}, "finish_reason": "stop"}
            for value in made.values
        ]
        completion = chat(made.request.model, choices)
        return {**completion, "usage": {**counts, "total_tokens": usage["total_tokens"]}}

    return body


def _json(body: Callable[[Made], Body]) -> Callable[[Made], Answer]:
    return lambda made: json_of(made.write(body(made)))


def _each(item: Callable[[Value], Any]) -> Callable[[Made], Answer]:
    """The official body, with other items in `data`."""
    return _json(lambda made: {"created": int(time.time()), "data": [item(value) for value in made.values]})


def _first(body: Callable[[Value], Body]) -> Callable[[Made], Answer]:
    """A body with a single image."""
    return _json(lambda made: body(made.values[0]))


def _image_body(content_type: str | None) -> Callable[[Made], Answer]:
    """The image itself; its own media type where none is given."""

    def shape(made: Made) -> Answer:
        image = made.images[0]
        return replace(plain_answer(200, content_type or image.mime, image.data, role="image"), at=1.0)

    return shape


def _data_uri_body(made: Made) -> Answer:
    image = made.images[0]
    text = f"data:{image.mime};base64,".encode("ascii") + base64.b64encode(image.data)
    return replace(plain_answer(200, "text/plain", text, role="image"), at=1.0)


def _image_part(value: Value) -> Body:
    return {"type": "image_url", "image_url": {"url": value}}


def _inline(made: Made) -> Body:
    parts = [
        {"inlineData": {"mimeType": image.mime, "data": value}}
        for image, value in zip(made.images, made.values, strict=True)
    ]
    return {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}]}


TABLE = (
    Fault("shape-strings", "`data` is a list of base64 texts", shape=_each(lambda value: value)),
    Fault(
        "shape-image-url",
        "`image_url` in the items of `data`, an address",
        present=None,
        shape=_each(lambda value: {"image_url": value}),
    ),
    Fault(
        "shape-image-url-object",
        "`image_url: {url}` in the items of `data`, a data: URL",
        present=data_uri,
        shape=_each(lambda value: {"image_url": {"url": value}}),
    ),
    Fault(
        "shape-object",
        "`data` is one object with `b64_json`",
        understood=one,
        shape=_first(lambda value: {"created": int(time.time()), "data": {"b64_json": value}}),
    ),
    Fault("shape-b64", "`b64` at the top", understood=one, shape=_first(lambda value: {"b64": value})),
    Fault(
        "shape-url",
        "`url` at the top, an address",
        understood=one,
        present=None,
        shape=_first(lambda value: {"status": "success", "url": value}),
    ),
    Fault(
        "shape-images",
        "`images: [{url}]`, addresses, as from fal",
        present=None,
        shape=_json(lambda made: {"images": [{"url": value} for value in made.values]}),
    ),
    Fault(
        "shape-images-lists",
        "`data.result.images: [{url: [..]}]`, addresses, as from apimart",
        present=None,
        shape=_json(
            lambda made: {
                "code": 200,
                "data": {
                    "status": "completed",
                    "result": {"images": [{"url": [value]} for value in made.values]},
                },
            }
        ),
    ),
    Fault(
        "shape-output",
        "`output` is a list of addresses, as from Replicate",
        present=None,
        shape=_json(lambda made: {"id": "x", "status": "succeeded", "output": made.values}),
    ),
    Fault("shape-inline-data", "`inlineData` in parts, base64, as from Gemini", shape=_json(_inline)),
    Fault(
        "shape-response",
        "`result` in a response's `output`, as from the Responses API",
        shape=_json(
            lambda made: response("completed", map(call_item, made.values), usage=usage_of(made.request))
        ),
    ),
    Fault(
        "shape-chat-markdown",
        "a chat completion: a Markdown image by its address",
        present=None,
        shape=_json(
            _chat_with(lambda value: {"content": around("Here it is: ", markdown(value), " Enjoy!")})
        ),
    ),
    Fault(
        "shape-chat-markdown-data",
        "a chat completion: a Markdown image by a data: URL",
        present=data_uri,
        shape=_json(_chat_with(lambda value: {"content": markdown(value)})),
    ),
    Fault(
        "shape-chat-address",
        "a chat completion: its text is an address",
        present=None,
        shape=_json(_chat_with(lambda value: {"content": value})),
    ),
    Fault(
        "shape-chat-images",
        "a chat completion: `message.images[].image_url.url`, a data: URL, as from OpenRouter",
        present=data_uri,
        shape=_json(_chat_with(lambda value: {"content": "", "images": [_image_part(value)]})),
    ),
    Fault(
        "shape-chat-parts",
        "a chat completion: its content is a list of parts, one with `image_url`, an address",
        present=None,
        shape=_json(
            _chat_with(lambda value: {"content": [{"type": "text", "text": "Done."}, _image_part(value)]})
        ),
    ),
    Fault("shape-image-body", "the body is the image", understood=one, shape=_image_body(None)),
    Fault(
        "shape-octet-body",
        "the body is the image, as application/octet-stream",
        understood=one,
        shape=_image_body("application/octet-stream"),
    ),
    Fault("shape-data-uri-body", "the body is a data: URL, as text", understood=one, shape=_data_uri_body),
)
