"""Every shape that relays answer in: an image is saved from it, or the answer is kept and explained."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any, Dict, List

import pytest
from faulty import Exchange, body_of, completed, event, partial, serving
from harness import KEY, Home, generate
from pictures import jpeg, png, webp
from servers import Answer, Recorder

ONE, TWO, THREE = (png(noise=bytes([number])) for number in (1, 2, 3))


def text_of(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


def kept(home: Home) -> Path:
    """The one answer that was kept whole."""
    (path,) = home.rescued.glob("*")
    return path


SHAPES: Dict[str, bytes] = {
    "official": json.dumps({"created": 1, "data": [{"b64_json": text_of(ONE)}], "usage": {}}).encode(),
    "data-last": json.dumps({"usage": None, "size": "auto", "data": [{"b64_json": text_of(ONE)}]}).encode(),
    "pretty": json.dumps({"data": [{"b64_json": text_of(ONE)}]}, indent=4).encode(),
    "windows-lines": json.dumps({"data": [{"b64_json": text_of(ONE)}]}, indent=4)
    .replace("\n", "\r\n")
    .encode(),
    "byte-order-mark": b"\xef\xbb\xbf" + json.dumps({"data": [{"b64_json": text_of(ONE)}]}).encode(),
    "blanks-first": b" \n" * 5000 + json.dumps({"data": [{"b64_json": text_of(ONE)}]}).encode(),
    "escaped-slashes": json.dumps({"data": [{"b64_json": text_of(ONE)}]}).replace("/", "\\/").encode(),
    "escaped-plus": json.dumps({"data": [{"b64_json": text_of(ONE)}]}).replace("+", "\\u002B").encode(),
    "all-escaped": (
        '{"data": [{"b64_json": "' + "".join(f"\\u{ord(c):04x}" for c in text_of(ONE)) + '"}]}'
    ).encode(),
    "escaped-key": json.dumps({"data": [{"b64_json": text_of(ONE)}]}).replace("b64_", "b64\\u005f").encode(),
    "url-safe": json.dumps({"data": [{"b64_json": base64.urlsafe_b64encode(ONE).decode()}]}).encode(),
    "unpadded": json.dumps({"data": [{"b64_json": text_of(ONE).rstrip("=")}]}).encode(),
    "mime-lines": json.dumps({"data": [{"b64_json": base64.encodebytes(ONE).decode()}]}).encode(),
    "data-uri": json.dumps({"data": [{"url": "data:image/png;base64," + text_of(ONE)}]}).encode(),
    "data-uri-as-b64": json.dumps({"data": [{"b64_json": "data:image/png;base64," + text_of(ONE)}]}).encode(),
    "data-uri-odd": json.dumps(
        {"data": [{"url": "DATA:image/png;name=a.png;charset=utf-8;BASE64," + text_of(ONE)}]}
    ).encode(),
    "url-beside-image": json.dumps(
        {"data": [{"url": "https://192.0.2.1/never.png", "b64_json": text_of(ONE)}]}
    ).encode(),
    "bare-list": json.dumps([{"b64_json": text_of(ONE)}]).encode(),
    "bare-object": json.dumps({"b64_json": text_of(ONE)}).encode(),
    "said-to-be-ok": json.dumps(
        {"errMsg": "ok", "images": [f"data:image/png;base64,{text_of(ONE)}"]}
    ).encode(),
    "nested": json.dumps({"code": 0, "result": {"images": [{"b64_json": text_of(ONE)}]}}).encode(),
    "null-error": json.dumps({"error": None, "data": [{"b64_json": text_of(ONE)}]}).encode(),
    "warning-beside": json.dumps(
        {"error": {"message": "slow"}, "data": [{"b64_json": text_of(ONE)}]}
    ).encode(),
    "junk-after": json.dumps({"data": [{"b64_json": text_of(ONE)}]}).encode() + b"\n<!-- relay -->",
    "events": completed(ONE),
    "events-crlf": completed(ONE).replace(b"\n", b"\r\n"),
    "events-cr": completed(ONE).replace(b"\n", b"\r"),
    "events-no-names": b"data: " + json.dumps({"b64_json": text_of(ONE)}).encode() + b"\n\ndata: [DONE]\n\n",
    "events-no-last-line": completed(ONE).rstrip(b"\n"),
    "events-official-json": b"data: "
    + json.dumps({"data": [{"b64_json": text_of(ONE)}]}).encode()
    + b"\n\ndata: [DONE]\n\n",
    "events-comment-first": b": ping\n\n:\n\nretry: 100\nid: 1\n\n" + completed(ONE),
    "events-named-message": completed(ONE).replace(b"event: image_generation.completed", b"event: message"),
    "events-with-pings": event("ping", {}) + completed(ONE) + event("done", {}),
}


#: Whether to ask for a stream does not matter to the reading; these are checked both ways.
BOTH_WAYS = ("official", "data-uri", "events", "events-no-names", "events-named-message")


@pytest.mark.parametrize(
    "shape, streamed",
    [*((shape, False) for shape in sorted(SHAPES)), *((shape, True) for shape in BOTH_WAYS)],
)
def test_the_image_is_saved_from_every_known_shape_whatever_was_asked(
    shape: str, streamed: bool, home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: Answer(body=SHAPES[shape])
    run = generate(home, recorder.base_url, *(["--stream"] if streamed else []))
    assert (run.code, run.json["billed"], len(recorder.requests)) == (0, "yes", 1), run.stderr
    assert run.pictures == [ONE]
    assert [path.name for path in home.cwd.iterdir()] == ["cat.png"]
    assert home.leftovers() == [] and not list(home.rescued.glob("*"))


@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize("delta", [{"content": "![cat](ADDRESS)"}, {"images": [{"image_url": "DATA"}]}])
def test_a_stream_of_chat_is_whole_with_its_last_word(
    delta: Dict[str, Any], is_whole: bool, home: Home, recorder: Recorder
) -> None:
    text = json.dumps({"choices": [{"delta": delta}]}).replace("ADDRESS", f"{recorder.root}/cat.png")
    text = text.replace("DATA", "data:image/png;base64," + text_of(ONE))
    last = "data: [DONE]\n\n" if is_whole else 'data: {"choices": [{"del'
    stream = Answer(body=f"data: {text}\n\n{last}".encode())
    recorder.answer = lambda request: Answer(body=ONE) if request.method == "GET" else stream
    run = generate(home, recorder.base_url, "--stream")
    assert (run.code, run.pictures) == (0, [ONE]), run.stderr
    assert bool(run.json["warnings"]) is not is_whole


@pytest.mark.parametrize("picture", [png(), jpeg(), jpeg(padding=60000), webp()])
def test_what_arrives_is_saved_byte_by_byte(picture: bytes, home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: Answer(body=body_of([picture]))
    run = generate(home, recorder.base_url)
    assert run.pictures == [picture]
    assert (run.json["images"][0]["width"], run.json["images"][0]["height"]) == (64, 48)


def test_fewer_images_than_asked_for_is_partial_and_says_so(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: Answer(body=body_of([ONE, TWO]))
    run = generate(home, recorder.base_url, "--n", "3")
    assert (run.code, run.json["billed"], run.json["error"]["code"]) == (9, "yes", "fewer_images")
    assert run.pictures == [ONE, TWO]
    assert "2 images instead of 3" in run.json["error"]["message"]


def test_more_images_than_asked_for_are_all_saved(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: Answer(body=body_of([ONE, TWO, THREE]))
    run = generate(home, recorder.base_url)
    assert run.code == 0
    assert run.pictures == [ONE, TWO, THREE]


@pytest.mark.parametrize("n", [1, 2])
def test_an_image_that_nobody_asked_for_replaces_no_file(n: int, home: Home, recorder: Recorder) -> None:
    bystander = home.cwd / f"cat-{n + 1}.png"
    bystander.write_bytes(b"precious")
    recorder.answer = lambda request: Answer(body=body_of([ONE, TWO, THREE]))
    run = generate(home, recorder.base_url, "--n", str(n))
    assert run.code == 0
    assert bystander.read_bytes() == b"precious"
    assert run.pictures == [ONE, TWO, THREE]


UNKNOWN: Dict[str, bytes] = {
    "other-scheme": json.dumps(
        {"data": [{"url": "s3://bucket/1.png"}, {"url": "file:///etc/passwd"}]}
    ).encode(),
    "plain-text": b"your image is on its way",
    "html": b"<html><head><title>Sign in</title></head><body>password</body></html>",
    "xml": b"<?xml version='1.0'?><Error><Code>SlowDown</Code></Error>",
    "binary": bytes(range(256)) * 20,
    "megabytes": json.dumps({"picture": "A" * 3_000_000}).encode(),
    "cut-words": b'{"data": [',
}


@pytest.mark.parametrize("shape", sorted(UNKNOWN))
def test_an_answer_of_unknown_shape_is_kept_whole_in_a_private_file(
    shape: str, home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: Answer(body=UNKNOWN[shape])
    run = generate(home, recorder.base_url)
    assert (run.code, run.json["billed"], len(recorder.requests)) == (6, "maybe", 1)
    assert kept(home).read_bytes() == UNKNOWN[shape]
    assert str(kept(home)) in run.json["error"]["hint"]
    assert list(home.cwd.iterdir()) == []
    if os.name == "posix":
        assert kept(home).stat().st_mode & 0o777 == 0o600
        assert kept(home).parent.stat().st_mode & 0o777 == 0o700


def test_a_key_that_the_server_echoes_is_masked_in_what_is_shown_and_kept_as_it_came(home: Home) -> None:
    body = json.dumps({"you": f"Bearer {KEY}", "again": KEY, "pad": "x" * 100}).encode()

    def talk(exchange: Exchange) -> None:
        exchange.start(len(body))
        at = body.index(KEY.encode())
        exchange.send(body[: at + 7])
        exchange.send(body[at + 7 :])

    with serving(talk) as server:
        run = generate(home, server.base_url)
    assert "0123456789" not in run.stdout + run.stderr
    assert "sk-…jKEY" in run.stdout
    assert kept(home).read_bytes() == body
    assert kept(home).stat().st_mode & 0o777 == 0o600


def test_a_web_page_is_named_by_its_title(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: Answer(
        body=b"<!DOCTYPE html>\n<html><title>\n Just a \x1b[31mmoment...\n</title>", headers=()
    )
    run = generate(home, recorder.base_url)
    assert run.json["error"]["code"] == "html_page"
    assert run.json["error"]["message"] == r"the server answered a web page: Just a \x1b[31mmoment..."


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500, 502, 524])
def test_a_web_page_under_an_error_status_is_shown_by_its_title(
    status: int, home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: Answer(status, b"<html><title>Oh no</title><body>" + b"x" * 9999)
    run = generate(home, recorder.base_url)
    assert run.json["error"]["message"] == f"HTTP {status}: Oh no"
    assert run.json["error"]["http_status"] == status
    assert len(recorder.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no dogs", "code": "policy"}},
        {"error": "no dogs"},
        {"error": {"message": "no dogs"}, "data": []},
        {"error": {"message": "no dogs"}, "data": None},
        {"detail": "no dogs"},
        {"message": "no dogs", "success": False},
        {"errors": [{"message": "no dogs"}]},
    ],
)
def test_an_error_under_status_200_is_an_error(body: Dict[str, Any], home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: Answer(body=json.dumps(body).encode())
    run = generate(home, recorder.base_url)
    assert (run.code, run.json["billed"]) == (6, "maybe")
    assert "no dogs" in run.json["error"]["message"]


@pytest.mark.parametrize("status", [200, 400, 422, 500])
def test_the_address_of_documentation_in_an_error_is_never_fetched_and_no_sign_of_an_image(
    status: int, home: Home, recorder: Recorder
) -> None:
    address = f"{recorder.root}/docs"
    errors: List[Any] = [
        {"error": {"message": "see the docs", "url": address}},
        {"detail": [{"type": "missing", "loc": ["body"], "msg": "Field required", "url": address}]},
    ]
    for body in errors:
        recorder.requests.clear()
        recorder.answer = lambda request, body=body: Answer(status, json.dumps(body).encode())  # type: ignore[misc]
        run = generate(home, recorder.base_url)
        assert [request.method for request in recorder.requests] == ["POST"]
        assert run.code == 6
        assert run.json["billed"] == ("no" if 400 <= status < 500 else "maybe")


def test_text_where_an_image_should_be_is_kept_aside_beside_the_images_that_are_some(
    home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: Answer(body=body_of([ONE, b"I cannot draw that.", THREE]))
    run = generate(home, recorder.base_url, "--n", "3")
    assert (run.code, run.json["billed"]) == (9, "yes")
    assert run.pictures == [ONE, THREE]
    assert kept(home).read_bytes() == b"I cannot draw that."
    assert str(kept(home)) in run.json["error"]["hint"]


@pytest.mark.parametrize("spoilt", ["!", "=", "AAAA====AAAA", "\u20ac", "\\n!"])
def test_faulty_base64_is_kept_as_text_and_the_other_images_are_saved(
    spoilt: str, home: Home, recorder: Recorder
) -> None:
    text = text_of(ONE)
    middle = len(text) // 2 // 4 * 4 + 1
    text = text[:middle] + spoilt + text[middle:]
    body = f'{{"data": [{{"b64_json": "{text}"}}, {{"b64_json": "{text_of(TWO)}"}}]}}'
    recorder.answer = lambda request: Answer(body=body.encode())
    run = generate(home, recorder.base_url, "--n", "2")
    assert run.code == 9
    assert run.pictures == [TWO]
    assert kept(home).read_bytes() == json.loads(f'"{text}"').encode()


def test_an_empty_string_as_image_is_no_image(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: Answer(body=b'{"data": [{"b64_json": ""}]}')
    run = generate(home, recorder.base_url)
    assert (run.code, run.json["billed"]) == (6, "maybe")
    assert list(home.cwd.iterdir()) == []


def test_an_error_event_after_an_image_keeps_the_image(home: Home, recorder: Recorder) -> None:
    stream = completed(ONE) + event("error", {"error": {"message": "the second failed", "code": "oops"}})
    recorder.answer = lambda request: Answer(body=stream)
    run = generate(home, recorder.base_url, "--n", "2")
    assert (run.code, run.json["billed"], run.pictures) == (9, "yes", [ONE])
    assert "the second failed" in run.json["error"]["message"]


def test_a_stream_that_ends_with_previews_only_is_no_success(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: Answer(body=partial(ONE, 0) + partial(TWO, 1) + b"data: [DONE]\n\n")
    run = generate(home, recorder.base_url, "--stream")
    assert (run.code, run.json["billed"]) == (7, "maybe")
    assert run.json["error"]["code"] == "stream_ended_early"
    assert run.json["images"] == []


def test_an_input_that_the_answer_repeats_is_no_result(home: Home, recorder: Recorder) -> None:
    (home.cwd / "in.png").write_bytes(TWO)
    args = ("edit", "in.png", "a cat", "-o", "cat.png", "--json")
    body = {"image": text_of(TWO), "data": [{"b64_json": text_of(ONE)}]}
    recorder.answer = lambda request: Answer(body=json.dumps(body).encode())
    run = home.run(*args, base_url=recorder.base_url)
    assert (run.code, run.pictures) == (0, [ONE])
    assert sorted(path.name for path in home.cwd.iterdir()) == ["cat.png", "in.png"]


def test_an_input_that_is_all_that_comes_is_the_result(home: Home, recorder: Recorder) -> None:
    (home.cwd / "in.png").write_bytes(ONE)
    recorder.answer = lambda request: Answer(body=body_of([ONE]))
    run = home.run("edit", "in.png", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url)
    assert (run.code, run.pictures) == (0, [ONE])
