"""Servers that want us to crash, to hang, to pay twice or to lose an image."""

from __future__ import annotations

import base64
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Dict, List, Tuple

import pytest
from faulty import Exchange, body_of, completed, partial, serving
from harness import Home, generate
from pictures import png
from servers import Answer, Recorder

ONE, TWO = png(noise=b"1"), png(noise=b"2")
TEXT = base64.b64encode(ONE).decode()
HUGE = "9" * 5000


#: What stands beside an image, and must not cost it.
BESIDE: Dict[str, bytes] = {
    "huge-usage": f'"usage": {{"input_tokens": 1{"0" * 400}, "output_tokens": 1{"0" * 400}}}'.encode(),
    "number-too-long-for-python": f'"created": {HUGE}'.encode(),
    "negative-usage": b'"usage": {"input_tokens": -1, "output_tokens": -5}',
    "usage-of-words": b'"usage": {"input_tokens": "many", "output_tokens": [1]}',
    "usage-as-list": b'"usage": [1, 2]',
    "infinite-usage": b'"usage": {"input_tokens": Infinity, "output_tokens": NaN}',
    "deep-nesting": b'"deep": ' + b"[" * 100_000 + b"]" * 100_000,
    "deep-error": b'"error": {"message": ' + b"[" * 900 + b"]" * 900 + b"}",
    "not-json": b"'single': True,,}",
    "half-an-escape": b'"x": "\\u12"',
    "lone-surrogate": b'"x": "\\ud800", "error": {"message": "\\udc00"}',
    "not-utf-8": b'"x": "\xff\xfe"',
    "nul": b'"x": "\x00"',
    "long-key": b'"' + b"k" * 100_000 + b'": 1',
    "same-keys": b'"data": [], "data": null',
}


@pytest.mark.parametrize("nonsense", sorted(BESIDE))
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_nonsense_beside_an_image_does_not_cost_the_image(
    nonsense: str, first: bool, home: Home, recorder: Recorder
) -> None:
    image = b'"data": [{"b64_json": "' + TEXT.encode() + b'"}]'
    parts = [BESIDE[nonsense], image] if first else [image, BESIDE[nonsense]]
    recorder.answer = lambda request: Answer(body=b"{" + b", ".join(parts) + b"}")
    run = generate(home, recorder.base_url)
    assert (run.code, run.json["billed"]) == (0, "yes"), run.stdout[-2000:]
    assert (home.cwd / "cat.png").read_bytes() == ONE
    assert len(recorder.requests) == 1


def test_a_preview_with_an_absurd_number_is_only_a_preview(home: Home, recorder: Recorder) -> None:
    stream = partial(TWO, 0).replace(b'"partial_image_index": 0', b'"partial_image_index": ' + HUGE.encode())
    recorder.answer = lambda request: Answer(body=stream + completed(ONE))
    run = generate(home, recorder.base_url, "--stream", "--save-partials")
    assert run.code == 0, run.stdout
    assert (home.cwd / "cat.png").read_bytes() == ONE


HEADERS: List[Tuple[str, str]] = [
    ("Retry-After", ","),
    ("Retry-After", "Mon, 99 Foo 99999 99:99:99 GMT"),
    ("Retry-After", HUGE),
    ("Retry-After", "1e9"),
    ("Retry-After-Ms", HUGE),
    ("X-Request-Id", "\x7f" * 100),
    ("X-Request-Id", "r" * 60_000),
]


@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize("header", HEADERS, ids=[f"{name}-{value[:8]}" for name, value in HEADERS])
def test_nonsense_in_a_header_ends_in_no_crash(
    header: Tuple[str, str], status: int, home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: Answer(status, body_of([ONE]) if status == 200 else b"{}", (header,))
    run = generate(home, recorder.base_url, "--retries", "0")
    assert run.code == {200: 0, 429: 4}[status], run.stdout
    assert len(run.stdout) < 10_000


@pytest.mark.parametrize("place", ["http://[::1", "", "\\x", "x" * 9000])
def test_a_redirect_to_nonsense_ends_in_no_crash(place: str, home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: Answer(302, b"", (("Location", place),))
    assert generate(home, recorder.base_url).json["error"]["code"] == "redirect"


def test_a_page_that_is_all_titles_is_read_in_no_time(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: Answer(body=b"<title>" * 140_000)
    assert generate(home, recorder.base_url).json["error"]["code"] == "html_page"


def test_headers_without_end_are_given_up(home: Home) -> None:
    def talk(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n")
        for number in range(10_000):
            exchange.send(f"X-{number}: {'x' * 1000}\r\n".encode())

    with serving(talk) as server:
        run = generate(home, server.base_url)
    assert (run.code, run.json["billed"], server.hits) == (7, "maybe", 1)


def test_many_interim_answers_come_before_the_real_one(home: Home) -> None:
    def talk(exchange: Exchange) -> None:
        for status in (b"100 Continue", b"103 Early Hints", b"102 Processing") * 5:
            exchange.send(b"HTTP/1.1 " + status + b"\r\nLink: </x>\r\n\r\n")
        exchange.answer(body_of([ONE]))

    with serving(talk) as server:
        run = generate(home, server.base_url)
    assert (run.code, run.json["http_status"]) == (0, 200), run.stdout
    assert (home.cwd / "cat.png").read_bytes() == ONE


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 999999 x\r\n\r\n",
        b"\x00" * 100,
    ],
)
def test_what_is_no_http_is_a_network_error_that_may_be_billed(raw: bytes, home: Home) -> None:
    with serving(lambda exchange: exchange.send(raw)) as server:
        run = generate(home, server.base_url)
    assert (run.code, run.json["billed"], server.hits) == (7, "maybe", 1), run.stdout


@pytest.mark.parametrize("framing", ["too-long", "too-short", "broken-chunks", "twice"])
def test_a_body_that_is_not_framed_as_it_says_costs_no_image(framing: str, home: Home) -> None:
    body = body_of([ONE])

    def talk(exchange: Exchange) -> None:
        if framing == "too-long":
            exchange.start(len(body) + 10)
            exchange.send(body)
        elif framing == "too-short":
            exchange.start(len(body))
            exchange.send(body + b"more than was promised")
        elif framing == "twice":
            exchange.start(len(body))
            exchange.send(body + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        else:
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            exchange.send(head + f"{len(body):x}\r\n".encode() + body + b"\r\nnot a number\r\n")

    with serving(talk) as server:
        run = generate(home, server.base_url)
    assert (run.code, run.json["billed"], server.hits) == (0, "yes", 1), run.stdout
    assert (home.cwd / "cat.png").read_bytes() == ONE


def test_an_image_under_an_error_status_is_saved_and_never_asked_for_again(
    home: Home, recorder: Recorder
) -> None:
    for status in (400, 429, 500, 503):
        recorder.requests.clear()
        recorder.answer = lambda request, status=status: Answer(  # type: ignore[misc]
            status, body_of([ONE]), (("X-Should-Retry", "true"), ("Retry-After", "0"))
        )
        run = generate(home, recorder.base_url, "--retry-ambiguous")
        assert (len(recorder.requests), run.json["billed"]) == (1, "yes")
        assert [Path(image["path"]).read_bytes() for image in run.json["images"]] == [ONE]


def test_an_address_under_a_status_that_is_sent_again_is_fetched_and_never_asked_for_again(
    home: Home, recorder: Recorder
) -> None:
    for status in (429, 500, 503):
        recorder.requests.clear()
        body = json.dumps({"data": [{"url": f"{recorder.root}/1.png"}]}).encode()
        recorder.answer = lambda request, status=status, body=body: (  # type: ignore[misc]
            Answer(body=ONE) if request.method == "GET" else Answer(status, body, (("Retry-After", "0"),))
        )
        run = generate(home, recorder.base_url, "--retry-ambiguous")
        sent = [request.method for request in recorder.requests]
        assert (sent, run.json["billed"]) == (["POST", "GET"], "yes")
        assert [Path(image["path"]).read_bytes() for image in run.json["images"]] == [ONE]


def test_one_image_of_three_is_reason_enough_not_to_ask_again(home: Home) -> None:
    body = body_of([ONE, TWO, ONE])

    def talk(exchange: Exchange) -> None:
        exchange.start(len(body))
        exchange.send(body[: body.index(b"}") + 30])
        exchange.reset()

    with serving(talk) as server:
        run = generate(home, server.base_url, "--n", "3", "--retry-ambiguous", "--retries", "5")
    assert (run.code, server.hits, len(run.json["images"])) == (9, 1, 1)


@pytest.mark.parametrize("target", ["generations", "elsewhere"])
def test_a_redirect_never_carries_the_request_or_the_key_on(
    target: str, home: Home, recorder: Recorder
) -> None:
    with serving(lambda exchange: exchange.answer(body_of([ONE]))) as thief:
        place = f"{recorder.base_url if target == 'generations' else thief.root}/images/generations"
        for status in (301, 302, 303, 307, 308):
            recorder.requests.clear()
            recorder.answer = lambda request, status=status: Answer(  # type: ignore[misc]
                status, b"", (("Location", place),)
            )
            run = generate(home, recorder.base_url, "--retry-ambiguous")
            assert (run.code, len(recorder.requests), run.json["billed"]) == (6, 1, "no")
        assert thief.exchanges == []


def test_a_file_that_an_answer_names_is_not_written(home: Home, recorder: Recorder) -> None:
    body = {"data": [{"b64_json": TEXT, "filename": "../../evil.png", "path": str(home.root / "evil.png")}]}
    recorder.answer = lambda request: Answer(
        200, json.dumps(body).encode(), (("Content-Disposition", 'attachment; filename="../evil.png"'),)
    )
    assert generate(home, recorder.base_url).code == 0
    assert not list(home.root.parent.rglob("evil*"))


def test_an_answer_without_an_end_ends_at_its_bound_and_is_kept(home: Home) -> None:
    megabyte = b" " * 1_000_000

    def talk(exchange: Exchange) -> None:
        exchange.start(10**12)
        with suppress(OSError):
            exchange.send(b'{"data": [')
            for _ in range(1000):
                exchange.send(megabyte)

    with serving(talk) as server:
        run = generate(home, server.base_url, "--max-download", "1", "--retries", "0")
        assert server.hits == 1
    assert (run.code, run.json["error"]["code"], run.json["billed"]) == (7, "too_long", "maybe")
    assert "--max-download" in run.json["error"]["hint"]
    (kept,) = home.rescued.glob("*answer.txt")
    assert 16_000_000 < kept.stat().st_size < 19_000_000


def pictures_of(kind: str) -> bytes:
    """An answer with far more pictures under way at once than files may be open, and the one that counts."""
    others = [base64.b64encode(png(noise=b"o%d" % number)).decode() for number in range(150)]
    if kind == "inputs":
        echoes = [base64.b64encode(TWO).decode()] * 150
        return json.dumps({"data": [{"b64_json": text} for text in [*echoes, TEXT]]}).encode()
    if kind == "an event":
        return f"data: {json.dumps({'images': [*others, TEXT]})}\n\n".encode()
    deltas = [{str(number): f"data:image/png;base64,{text}"} for number, text in enumerate(others)]
    events = [json.dumps({"choices": [{"delta": delta}]}) for delta in deltas]
    return "".join(f"data: {event}\n\n" for event in events).encode() + completed(ONE)


@pytest.mark.skipif(os.name == "nt", reason="files are bounded on POSIX")
@pytest.mark.parametrize("kind", ["inputs", "an event", "deltas"])
def test_more_pictures_than_files_may_be_open_cost_none_of_them(
    kind: str, home: Home, recorder: Recorder
) -> None:
    (home.cwd / "in.png").write_bytes(TWO)
    recorder.answer = lambda request: Answer(body=pictures_of(kind))
    command = home.command("edit", "in.png", "a cat", "-o", "cat.png", "--json")
    bounded = ["/bin/sh", "-c", 'ulimit -n 90 && exec "$@"', "sh", *command]
    run = home.run_program(*bounded, base_url=recorder.base_url)
    assert (run.code, run.json["billed"]) == (0, "yes"), run.stdout[-2000:]
    assert ONE in run.pictures
    assert len(run.pictures) == (1 if kind == "inputs" else 151)
