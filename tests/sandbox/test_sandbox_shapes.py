"""Where the images are under each fault that moves them, and how failures are told there."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from PIL import Image
from sandbox_driving import BEARER, Driver, events_of

from gpt_image2.sandbox.faults.table import FAULTS


def _messages(body: Any) -> list[Any]:
    return [choice["message"] for choice in body["choices"]]


def _in_markdown(text: str) -> str:
    match = re.search(r"!\[image\]\((\S+)\)", text)
    assert match
    return match[1]


_PLACES: dict[str, Callable[[Any], list[str]]] = {
    "shape-strings": lambda body: body["data"],
    "shape-image-url": lambda body: [item["image_url"] for item in body["data"]],
    "shape-image-url-object": lambda body: [item["image_url"]["url"] for item in body["data"]],
    "shape-object": lambda body: [body["data"]["b64_json"]],
    "shape-b64": lambda body: [body["b64"]],
    "shape-url": lambda body: [body["url"]],
    "shape-images": lambda body: [image["url"] for image in body["images"]],
    "shape-images-lists": lambda body: [image["url"][0] for image in body["data"]["result"]["images"]],
    "shape-output": lambda body: body["output"],
    "shape-inline-data": lambda body: [
        part["inlineData"]["data"] for part in body["candidates"][0]["content"]["parts"]
    ],
    "shape-response": lambda body: [item["result"] for item in body["output"]],
    "shape-chat-markdown": lambda body: [_in_markdown(each["content"]) for each in _messages(body)],
    "shape-chat-markdown-data": lambda body: [_in_markdown(each["content"]) for each in _messages(body)],
    "shape-chat-address": lambda body: [each["content"] for each in _messages(body)],
    "shape-chat-images": lambda body: [each["images"][0]["image_url"]["url"] for each in _messages(body)],
    "shape-chat-parts": lambda body: [each["content"][1]["image_url"]["url"] for each in _messages(body)],
}
_SINGLE = ("shape-object", "shape-b64", "shape-url")
_BODIES = {
    "shape-image-body": "image/png",
    "shape-octet-body": "application/octet-stream",
    "shape-data-uri-body": "text/plain",
}
_STREAMS = {name for name in FAULTS if name.startswith("shape-stream-")}
_FAILURES = {
    "shape-response-failed": "safety system",
    "shape-response-incomplete": "content_filter",
    "shape-refusal": "content policy",
    "shape-refusal-text": "content policy",
    "shape-message": "safety system",
    "shape-revised-prompt": "content policy",
}


def _size(sandbox: Driver, value: str) -> tuple[int, int]:
    if value.startswith("http"):
        data = sandbox.http.get(value).content
    else:
        data = base64.b64decode(value.removeprefix("data:image/png;base64,"), validate=True)
    return Image.open(io.BytesIO(data)).size


def test_every_shape_is_tested_here() -> None:
    shapes = {name for name in FAULTS if name.startswith("shape-")}
    assert shapes == {*_PLACES, *_BODIES, *_STREAMS, *_FAILURES}


@pytest.mark.parametrize("fault", _PLACES)
def test_images_are_in_another_place(sandbox: Driver, fault: str) -> None:
    values = _PLACES[fault](sandbox.generate(fault, n=2, size="1024x640").json())
    assert [_size(sandbox, value) for value in values] == [(1024, 640)] * (1 if fault in _SINGLE else 2)
    assert sandbox.log()["images_delivered"] == len(values)


@pytest.mark.parametrize(("fault", "content_type"), _BODIES.items())
def test_the_body_is_the_image(sandbox: Driver, fault: str, content_type: str) -> None:
    response = sandbox.generate(fault, size="1024x640")
    assert response.headers["content-type"] == content_type
    text = response.text if content_type == "text/plain" else base64.b64encode(response.content).decode()
    assert _size(sandbox, text) == (1024, 640)
    assert sandbox.log()["images_delivered"] == 1


@pytest.mark.parametrize("fault", ["shape-stream-chat", "shape-stream-chat-data"])
def test_a_chat_streams_its_markdown_in_pieces(sandbox: Driver, fault: str) -> None:
    response = sandbox.generate(fault, n=2, size="1024x640")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text.endswith("data: [DONE]\n\n")
    texts = {0: "", 1: ""}
    for event in events_of(response.text.removesuffix("data: [DONE]\n\n")):
        choice = event["choices"][0]
        texts[choice["index"]] += choice["delta"].get("content", "")
    assert response.text.count("chat.completion.chunk") > 6
    assert [_size(sandbox, _in_markdown(text)) for text in texts.values()] == [(1024, 640)] * 2
    assert sandbox.log()["images_delivered"] == 2


@pytest.mark.parametrize(
    ("fault", "in_item", "at_end"),
    [
        ("shape-stream-item", True, False),
        ("shape-stream-end", False, True),
        ("shape-stream-twice", True, True),
        ("shape-stream-previews", False, False),
    ],
)
def test_a_response_streams_previews_and_its_image_where_the_fault_says(
    sandbox: Driver, fault: str, in_item: bool, at_end: bool
) -> None:
    created, preview, item, end = events_of(sandbox.generate(fault, size="1024x640").text)
    assert (created["type"], end["type"]) == ("response.created", "response.completed")
    assert preview["type"] == "response.image_generation_call.partial_image"
    assert _size(sandbox, preview["partial_image_b64"]) == (1024, 640)
    values = [item["item"]["result"], *(each["result"] for each in end["response"]["output"])]
    assert [value is not None for value in values] == [in_item, *([True] if at_end else [])]
    images = {value for value in values if value}
    assert [_size(sandbox, image) for image in images] == [(1024, 640)] * (in_item or at_end)
    assert sandbox.log()["images_delivered"] == len(images)


def test_a_stream_can_stay_open_after_its_last_event(sandbox: Driver) -> None:
    url = f"{sandbox.base_url('shape-stream-open')}/images/generations"
    sent = {"json": sandbox.body(), "headers": BEARER, "timeout": httpx2.Timeout(30, read=0.5)}
    came = ""
    with pytest.raises(httpx2.ReadTimeout), sandbox.http.stream("POST", url, **sent) as response:
        for chunk in response.iter_text():
            came += chunk
    assert [event["type"] for event in events_of(came)] == ["image_generation.completed"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "reason"), _FAILURES.items())
def test_a_failure_says_why_and_has_no_image(sandbox: Driver, fault: str, reason: str, stream: bool) -> None:
    response = sandbox.generate(fault, stream=stream)
    assert response.status_code == 200
    assert reason in response.text
    streams = stream and not fault.endswith(("message", "revised-prompt"))
    assert response.headers["content-type"].startswith("text/event-stream" if streams else "application/json")
    if not streams:
        json.loads(response.text)
    assert sandbox.log()["images_delivered"] == 0
