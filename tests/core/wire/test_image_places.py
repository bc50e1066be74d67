"""Where the images of an answer are: found by what they are, whatever names are around them, once each."""

from __future__ import annotations

import base64
import json
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple
from urllib.parse import quote

import pytest
from harness import Home, generate
from hypothesis import given
from hypothesis import strategies as st
from pictures import jpeg, png
from servers import Answer, Recorder

from gpt_image2.core.calls.response import AnswerReader
from gpt_image2.core.outputs.collect import ImageCollector
from gpt_image2.core.outputs.naming import OutputPlan
from gpt_image2.core.outputs.store import Spool

ONE, TWO = png(noise=b"\1" * 90), jpeg(padding=90)
B, C = (base64.b64encode(each).decode() for each in (ONE, TWO))
URI, OTHER_URI = f"data:image/png;base64,{B}", f"data:image/jpeg;base64,{C}"
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="8"><path d="M0 0"/></svg>'
SVG_TEXT = base64.b64encode(SVG).decode()
GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
U, V = "https://cdn.example/a1", "https://cdn.example/b2"


class Found(NamedTuple):
    """What an answer holds."""

    images: Tuple[bytes, ...] = ()
    urls: Tuple[str, ...] = ()


class Reading(NamedTuple):
    """An answer as it was read: `error` is why it has no image, `kept` what was to be one and is none."""

    found: Found
    error: str
    kept: Tuple[str, ...]


def read(body: bytes, sizes: Tuple[int, ...] = (1 << 16,), asked: int = 1) -> Reading:
    """Reads a body in pieces of these sizes, over and over."""
    with tempfile.TemporaryDirectory() as name:
        plan = OutputPlan(Path(name), "cat", ".png", False, True, Path(name) / "rescued")
        collector = ImageCollector(plan, count(1))
        spool = Spool(plan.rescue_folder)
        reader = AnswerReader(collector, spool, None, asked)
        at = number = 0
        while at < len(body):
            size = sizes[number % len(sizes)]
            reader.feed(body[at : at + size])
            at, number = at + size, number + 1
        answer = reader.close()
        collector.close()
        spool.discard()
        images = tuple(Path(image.path).read_bytes() for image in collector.images)
        error = answer.error.message if answer.error else ""
        return Reading(Found(images, answer.urls), error, collector.kept_aside)


def chat(text: str) -> Dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": text}}]}


ESCAPED = "data:image/png;base64," + "".join(f"%{ord(char):02X}" for char in B)
WRAPPED = base64.encodebytes(ONE).decode()
PLACES: Dict[str, Tuple[object, Found]] = {
    # Names that nobody has heard of
    "unheard-of": ({"zorp": {"blob": B}}, Found((ONE,))),
    "unheard-of-address": ({"zorp": {"blob": U}}, Found(urls=(U,))),
    "unheard-of-file": ({"zorp": {"blob": f"{U}.png?sig=1"}}, Found(urls=(f"{U}.png?sig=1",))),
    "no-names": ([[B], [C]], Found((ONE, TWO))),
    "a-bare-string": (B, Found((ONE,))),
    "a-bare-address": (U, Found(urls=(U,))),
    "claude": ({"content": [{"type": "image", "source": {"type": "base64", "data": B}}]}, Found((ONE,))),
    # Kinds of base64
    "unpadded": ({"x": B.rstrip("=")}, Found((ONE,))),
    "url-safe": ({"x": base64.urlsafe_b64encode(ONE).decode()}, Found((ONE,))),
    "lines": ({"x": WRAPPED}, Found((ONE,))),
    "lines-in-markdown": (chat(f"![a](data:image/png;base64,{WRAPPED})"), Found((ONE,))),
    "windows-lines": (chat(f"see data:image/png;base64,{WRAPPED}".replace("\n", "\r\n")), Found((ONE,))),
    # Other formats
    "svg": ({"x": SVG.decode()}, Found((SVG,))),
    "svg-in-base64": ({"x": SVG_TEXT}, Found((SVG,))),
    "svg-in-a-uri": (
        chat(f"![a](data:image/svg+xml;base64,{SVG_TEXT})"),
        Found((SVG,)),
    ),
    "escaped-uri": ({"data": [{"url": ESCAPED}]}, Found((ONE,))),
    "escaped-uri-in-markdown": (chat(f"![a]({ESCAPED}) 100%"), Found((ONE,))),
    "svg-as-text-in-a-uri": ({"x": f"data:image/svg+xml;utf8,{SVG.decode()}"}, Found((SVG,))),
    "svg-escaped-in-a-uri": ({"url": f"data:image/svg+xml,{quote(SVG.decode())}"}, Found((SVG,))),
    "gif": ({"x": base64.b64encode(GIF).decode()}, Found((GIF,))),
    # Images in texts, and what stands around them
    "uri-then-words": (chat(f"{URI} Here it is"), Found((ONE,))),
    "uri-then-lines": (chat(f"{URI}\n\nHere it is"), Found((ONE,))),
    "unpadded-then-words": (chat(URI.rstrip("=") + "\nHere it is"), Found((ONE,))),
    "words-then-uri": (chat(f"see {URI}"), Found((ONE,))),
    "two-uris": (chat(f"{URI}\n{OTHER_URI}"), Found((ONE, TWO))),
    "two-in-markdown": (chat(f"![a]({URI}) and ![b]({OTHER_URI} 'b')"), Found((ONE, TWO))),
    "html-in-a-text": (chat(f'<img src="{URI}">'), Found((ONE,))),
    "fence": (chat(f"```\n{B}\n```"), Found((ONE,))),
    "base64-then-words": (chat(f"{B}\n\nEnjoy!"), Found((ONE,))),
    "words-then-base64": (chat(f"Done: {C}"), Found((TWO,))),
    "markdown-address": (chat(f"![a]({U}?x=1&y=2)"), Found(urls=(f"{U}?x=1&y=2",))),
    "link-to-a-file": (chat(f"[here]({U}.png) you are"), Found(urls=(f"{U}.png",))),
    "address-at-the-end-of-a-sentence": (chat(f"Here: {U}.png."), Found(urls=(f"{U}.png",))),
    "address-with-a-query-in-a-sentence": (
        chat(f"[{U}.png?s=a.b], **{V}.png?s=1**, {U}.gif?s=2）。"),
        Found(urls=(f"{U}.png?s=a.b", f"{V}.png?s=1", f"{U}.gif?s=2")),
    ),
    "another-extension-behind-it": (chat(f"see {U}.png.exe now"), Found()),
    "markdown-with-a-blank": (chat(f"![a]({U}/my cat.png 'b')"), Found(urls=(f"{U}/my cat.png",))),
    "markdown-with-a-size": (chat(f"![a]({U} =10x20)"), Found(urls=(U,))),
    "markdown-in-angles": (chat(f"![a](<{U}/my cat.png>)"), Found(urls=(f"{U}/my cat.png",))),
    "markdown-with-brackets": (chat(f"![a]({U}_(1).png?x=1) (b)"), Found(urls=(f"{U}_(1).png?x=1",))),
    "markdown-without-a-server": (chat("![a](/img/b.png) ![c](/help)"), Found(urls=("/img/b.png",))),
    "markdown-by-number": (chat(f"![a][1] and [b][2]\n\n[1]: {U} 'c'\n[2]: {V}"), Found(urls=(U,))),
    "markdown-by-its-own-label": (
        chat(f"![A cat][]\n![dog]\n\n[a cat]: <{U}>\n[dog]: {V}"),
        Found(urls=(U, V)),
    ),
    "markdown-in-a-link": (chat(f"[![a]({U})](https://x.example)"), Found(urls=(U,))),
    "html-address": (chat(f'<p><img alt="a" src="{U}?x=1&amp;y=2"/></p>'), Found(urls=(f"{U}?x=1&y=2",))),
    "html-addresses": (chat(f"<IMG SRC={U}><img data-x='1' src='{V}'>"), Found(urls=(U, V))),
    "bulletin-board": (chat(f"[img]{U}[/img] [img width=9]{V}[/img]"), Found(urls=(U, V))),
    "json-in-a-fence": (chat(f'```json\n{{"image_url": "{U}"}}\n```'), Found(urls=(U,))),
    "one-uri-twice": (chat(f"![a]({URI}) ![a]({URI}) ![b]({OTHER_URI})"), Found((ONE, TWO))),
    "alike-in-a-list": ({"images": [B, B]}, Found((ONE, ONE))),
    "thoughts": (
        {"choices": [{"message": {"reasoning_content": f"as {V}.png", "content": f"see {U}.png"}}]},
        Found(urls=(f"{U}.png",)),
    ),
    "thoughts-alone": ({"output": {"reasoning_details": [{"text": f"as {V}.png"}]}}, Found()),
    "json-in-a-string": ({"r": json.dumps({"images": [{"url": U}]})}, Found(urls=(U,))),
    "base64-in-json-in-a-string": ({"r": json.dumps({"images": [B, C]})}, Found((ONE, TWO))),
    # The same image in two places, others in one
    "twice": ({"data": [{"b64_json": B}], "images": [B]}, Found((ONE,))),
    "address-twice": ({"data": [{"url": U}], "output": [U]}, Found(urls=(U,))),
    "image-and-address": ({"data": [{"b64_json": B, "url": U}], "output": [V]}, Found((ONE,))),
    "two-in-a-list": ({"images": [B, C]}, Found((ONE, TWO))),
    "one-of-each-kind": ({"data": [{"b64_json": B}, {"url": U}]}, Found((ONE,), (U,))),
    "empty-base64": ({"data": [{"b64_json": "", "url": U}]}, Found(urls=(U,))),
    # What was sent, and what is no result
    "input": ({"input": {"image": C}, "output": [B]}, Found((ONE,))),
    "init-image": ({"init_image": C, "result": B}, Found((ONE,))),
    "input-images": ({"input_images": [C], "images": [B]}, Found((ONE,))),
    "request": ({"request": {"image_urls": [f"{V}.png"]}, "result": U}, Found(urls=(U,))),
    "source": ({"source": f"{V}.png", "output": f"{U}.png"}, Found(urls=(f"{U}.png",))),
    "original-of-thumbnail": (
        {"images": [{"original": f"{U}.png", "thumbnail": f"{V}.png"}]},
        Found(urls=(f"{U}.png",)),
    ),
    "thumbnail": ({"data": [{"thumbnail": C, "image": B}]}, Found((ONE,))),
    "preview": ({"data": [{"image": B, "preview_image": C}]}, Found((ONE,))),
    "avatar": ({"user": {"avatar": f"{V}.png"}, "data": [{"img": U}]}, Found(urls=(U,))),
    "callback": ({"callback_url": f"{V}.png", "data": {"picture": U}}, Found(urls=(U,))),
    "service": (
        {
            "urls": {"get": U, "cancel": f"{U}/cancel", "web": f"{U}.png"},
            "docs": f"{U}.png",
            "status_url": U,
            "links": {"self": U},
            "support": U,
        },
        Found(),
    ),
    # Addresses
    "webp-url": ({"webp_url": U}, Found(urls=(U,))),
    "relative": ({"data": [{"url": "/files/1"}]}, Found(urls=("/files/1",))),
    "relative-list": ({"images": ["/f/1.png", "/f/2.png"]}, Found(urls=("/f/1.png", "/f/2.png"))),
    "path-beside-address": (
        {"images": [{"path": "/tmp/a.png", "link": f"{U}.png"}]},
        Found(urls=(f"{U}.png",)),
    ),
    "same-scheme": ({"data": [{"url": "//cdn.example/1"}]}, Found(urls=("//cdn.example/1",))),
    "quoted": ({"data": [{"url": f'{U}?a="b"'}]}, Found(urls=(f'{U}?a="b"',))),
    # A done task
    "done": ({"id": "t", "status": "Ready", "result": {"sample": U}}, Found(urls=(U,))),
}


@pytest.mark.parametrize("place", sorted(PLACES))
def test_an_image_is_found_by_what_it_is(place: str) -> None:
    body, found = PLACES[place]
    assert read(json.dumps(body).encode()).found == found
    assert read(json.dumps(body).encode(), sizes=(7,)).found == found


def test_images_under_two_names_are_had_when_two_are_asked_for() -> None:
    body = json.dumps({"image_1": {"url": U}, "image_2": {"url": V}}).encode()
    assert read(body, asked=2).found.urls == (U, V)
    assert read(body, asked=1).found.urls == (U,)


@pytest.mark.parametrize(
    "body, words",
    [
        ({"error": {"message": f"see {U}.png", "url": f"{U}.png"}}, "see"),
        ({"message": f"see {U}.png for help"}, "see"),
        ({"detail": [{"msg": "no dogs", "url": U}]}, "no dogs"),
    ],
)
def test_the_address_in_an_error_is_that_of_no_image(body: object, words: str) -> None:
    reading = read(json.dumps(body).encode())
    assert reading.found == Found() and words in reading.error


def test_a_text_that_breaks_within_its_base64_is_kept_and_no_half_image_is_saved() -> None:
    reading = read(json.dumps(chat(f"![a](data:image/png;base64,{B[:40]}!*?{B[40:]})")).encode())
    assert reading.found == Found() and len(reading.kept) == 1


CRUMBS = [
    "see ",
    "\n\n",
    "data:",
    "data:image/png",
    "d",
    "iVBOR",
    "/9j/",
    " (",
    ") ",
    "![a](",
    '"',
    "\\",
    "é",
]
WHOLE = [f"{URI} ", f"({OTHER_URI})", f"`{B}`", f"![b]({OTHER_URI} 'b')", f" {C}\n\n"]
PARTS = st.lists(st.sampled_from([*CRUMBS, *WHOLE]), max_size=12).map("".join)


@given(PARTS, st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_property_a_text_holds_the_same_images_however_it_is_split(text: str, sizes: List[int]) -> None:
    whole = json.dumps(chat(text)).encode()
    assert read(whole, tuple(sizes)).found == read(whole).found
    deltas: List[str] = []
    at = number = 0
    while at < len(text):
        size = sizes[number % len(sizes)]
        deltas.append(json.dumps({"choices": [{"delta": {"content": text[at : at + size]}}]}))
        at, number = at + size, number + 1
    stream = "".join(f"data: {delta}\n\n" for delta in deltas) + "data: [DONE]\n\n"
    assert read(stream.encode()).found == read(whole).found


@pytest.mark.parametrize("size", range(1, 60))
def test_a_data_uri_is_read_from_deltas_of_any_size(size: int) -> None:
    text = f"Here: ![image]({URI})!"
    deltas = [text[at : at + size] for at in range(0, len(text), size)]
    chunks = [json.dumps({"choices": [{"delta": {"content": delta}}]}) for delta in deltas]
    assert read("".join(f"data: {chunk}\n\n" for chunk in chunks).encode()).found == Found((ONE,))


MEGABYTE = 1_000_000
HOSTILE: Dict[str, bytes] = {
    "brackets": b"[" * MEGABYTE,
    "braces": b'{"a":' * (MEGABYTE // 5),
    "lists": b"[" + b"[]," * (MEGABYTE // 3),
    "strings": b"[" + b'"a",' * MEGABYTE,
    "addresses": b"[" + b'"https://a.b/c.png",' * (MEGABYTE // 20),
    "addresses-in-words": b"[" + (b'"' + b"http://" * 9000 + b'",') * 64,
    "schemes": b'{"x": "a ' + b"data:" * (MEGABYTE // 5) + b'"}',
    "markdown": b'{"content": "' + b"![" * (MEGABYTE // 2) + b'"}',
    "markdown-brackets": b'{"content": "' + b"![](http://a" + b"(a " * (MEGABYTE // 3) + b'"}',
    "markdown-addresses": b'{"content": "' + b"![](http://a" * (MEGABYTE // 12) + b'"}',
    "markdown-labels": b'{"content": "' + b"[1]: http://a\\n![" * (MEGABYTE // 18) + b'"}',
    "tags": b'{"content": "' + b"<img src=" * (MEGABYTE // 9) + b'"}',
    "one-tag": b'{"content": "<img ' + b"src " * (MEGABYTE // 4) + b'"}',
    "bulletin-boards": b'{"content": "' + b"[img" * (MEGABYTE // 4) + b'"}',
    "escapes": b'{"url": "data:image/svg+xml,<' + b"%2" * (MEGABYTE // 2) + b'"}',
    "huge-text": b'{"content": "' + b"lorem ipsum " * (MEGABYTE // 12) + b'"}',
    "backslashes": b'{"content": "' + b"\\\\" * (MEGABYTE // 2) + b'"}',
    "brackets-in-a-string": b'{"content": "' + b"[" * MEGABYTE + b'"}',
}


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_the_time_for_an_answer_grows_no_faster_than_the_answer(kind: str) -> None:
    """Each takes tenths of a second; what grows by its square would take hours."""
    started = time.process_time()
    assert read(HOSTILE[kind]).found.images == ()
    assert time.process_time() - started < 20


def test_what_follows_more_strings_than_any_answer_has_is_kept_unread() -> None:
    assert read(b"[" + b'"",' * 300_000 + json.dumps(B).encode() + b"]").found == Found()
    assert read(b"[" + b'"",' * 100_000 + json.dumps(B).encode() + b"]").found == Found((ONE,))


def test_of_ten_thousand_addresses_only_as_many_are_fetched_as_make_sense(
    home: Home, recorder: Recorder
) -> None:
    urls = [f"{recorder.root}/{number}.png" for number in range(10_000)]
    pictures = {f"/{number}.png": png(noise=str(number).encode()) for number in range(20)}
    recorder.answer = lambda request: Answer(
        body=json.dumps({"output": urls}).encode() if request.method == "POST" else pictures[request.path]
    )
    run = generate(home, recorder.base_url)
    assert (run.code, run.json["billed"]) == (0, "yes"), run.stderr
    assert run.pictures[0] == pictures["/0.png"]
    assert len(recorder.requests) < 20
    assert "addresses came for 1 images" in str(run.json["warnings"])


def test_the_image_in_a_refusal_is_kept_for_it_was_made(home: Home, recorder: Recorder) -> None:
    body = json.dumps(
        {"error": {"message": "post-processing failed"}, "image": B, "url": f"{recorder.root}/x"}
    )
    recorder.answer = lambda request: Answer(500, body.encode())
    run = generate(home, recorder.base_url)
    assert (run.code, run.json["billed"], run.pictures) == (0, "yes", [ONE]), run.stderr
    assert [request.method for request in recorder.requests] == ["POST"]


def test_a_web_page_with_an_image_is_no_answer(home: Home, recorder: Recorder) -> None:
    page = f"<html><title>Sign in</title><img src='{recorder.root}/logo.png'></html>".encode()
    recorder.answer = lambda request: Answer(body=page)
    run = generate(home, recorder.base_url)
    assert (run.code, run.json["error"]["code"], len(recorder.requests)) == (6, "html_page", 1)
    (kept,) = home.rescued.glob("*")
    assert kept.read_bytes() == page


def test_a_flood_of_tiny_events_is_read_up_to_a_bound_and_then_only_kept() -> None:
    flood, picture = 100_000, f'data: {{"b64_json": "{B}"}}\n\n'.encode()
    assert read(b"data: 1\n\n" * (flood - 1) + picture).found.images == (ONE,)
    began_s = time.process_time()
    assert read(b"data: 1\n\n" * flood + picture * 10).found == Found()
    read_s = time.process_time() - began_s
    assert read(b"data: 1\n\n" * 3 * flood).found == Found()
    assert time.process_time() - began_s - read_s <= 2 * read_s
