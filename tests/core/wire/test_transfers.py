"""Headers and body come apart for good, compressed bodies are undone within bounds, and only curl reports."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import time
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple

import pytest
from faulty import Exchange, body_of, completed, serving
from harness import Home, Run
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import png
from servers import Answer, Recorder

from gpt_image2.core.base.interrupt import StopSwitch
from gpt_image2.core.wire import curl as curl_module
from gpt_image2.core.wire.curl import Curl
from gpt_image2.core.wire.decompress import BodyDecoder
from gpt_image2.core.wire.heads import MAX_HEAD_BYTES, HeadReader
from gpt_image2.core.wire.messages import BadEncoding, HttpRequest, Received, ResponseHead

ONE = png(noise=b"1")
BODY = body_of([ONE])


def generate(home: Home, base_url: str, *more: str) -> Run:
    return home.run("generate", "a cat", "-o", "cat.png", "--json", *more, base_url=base_url)


def received(url: str, **options: object) -> Tuple[Received, bytes]:
    """What curl makes of a URL, and the body."""
    data = bytearray()
    request = HttpRequest(url, (), 30.0, **options)  # type: ignore[arg-type]
    done = Curl(os.environ, (), StopSwitch()).receive(request, data.extend)
    return done, bytes(data)


@contextmanager
def raw(answer: bytes) -> Iterator[str]:
    """A server that sends these bytes; its address."""
    with serving(lambda exchange: exchange.send(answer)) as server:
        yield server.root


def chunked(*chunks: bytes, trailers: bytes = b"") -> bytes:
    framed = b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks)
    return framed + b"0\r\n" + trailers + b"\r\n"


@pytest.fixture(params=["pipe", "file"])
def _channel(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    """Both ways by which headers come; the file is what Windows uses."""
    if request.param == "file":
        monkeypatch.setattr(curl_module.os.path, "exists", lambda path: False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield
    assert list(tmp_path.iterdir()) == []


HEADS: Dict[str, Tuple[bytes, Dict[str, str]]] = {
    "LF alone": (b"HTTP/1.1 200 OK\nX-A: 1\nContent-Length: 2\n\n", {"x-a": "1"}),
    "mixed": (b"HTTP/1.1 200 OK\r\nX-A: 1\nContent-Length: 2\r\n\n", {"x-a": "1"}),
    "folded": (b"HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\n\t3\r\nContent-Length: 2\r\n\r\n", {"x-a": "1 2 3"}),
    "duplicate": (b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 2\r\n\r\n", {"x-a": "2"}),
    "utf-8": (b"HTTP/1.1 200 OK\r\nX-A: \xc3\xa9\r\nContent-Length: 2\r\n\r\n", {"x-a": "\u00e9"}),
    "latin-1": (b"HTTP/1.1 200 OK\r\nX-A: \xe9\r\nContent-Length: 2\r\n\r\n", {"x-a": "\u00e9"}),
    "no reason": (b"HTTP/1.1 200\r\nX-A: 1\r\nContent-Length: 2\r\n\r\n", {"x-a": "1"}),
    "no value": (b"HTTP/1.1 200 OK\r\nX-A:\r\nContent-Length: 2\r\n\r\n", {"x-a": ""}),
    "interim": (
        b"HTTP/1.1 103 X\r\nX-A: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
        {"x-a": "-"},
    ),
}


@pytest.mark.usefixtures("_channel")
@pytest.mark.parametrize("name", HEADS)
def test_headers_that_curl_accepts_are_accepted(name: str) -> None:
    head, expected = HEADS[name]
    with raw(head + b"ok") as url:
        done, body = received(url)
    assert done.head is not None and (done.head.status, body) == (200, b"ok")
    assert {key: done.head.headers.get(key, "-") for key in expected} == expected


@pytest.mark.usefixtures("_channel")
@pytest.mark.parametrize("size", [0, 10, 200_000])
def test_trailers_are_no_part_of_the_body_however_long(size: int) -> None:
    trailers = b"X-Sum: abc\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(size // 1000))
    head = b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
    with raw(head + chunked(b"some", b"thing", trailers=trailers)) as url:
        done, body = received(url)
    assert (done.end.exit_code, body) == (0, b"something")
    assert done.head is not None and "x-sum" not in done.head.headers


def test_a_trailer_costs_no_usage_and_ends_in_no_image(home: Home) -> None:
    def talk(exchange: Exchange) -> None:
        head = b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
        usage = {"input_tokens": 1, "output_tokens": 2}
        answer = {"data": [{"url": f"{server.root}/1.png"}], "usage": usage}
        body = ONE if exchange.path == "/1.png" else json.dumps(answer).encode()
        exchange.send(head + chunked(body, trailers=b"X-Sum: abc\r\n"))

    with serving(talk) as server:
        run = generate(home, server.base_url)
    assert (run.code, run.json["usage"]["output_tokens"]) == (0, 2)
    assert (home.cwd / "cat.png").read_bytes() == ONE


def test_the_first_byte_of_a_stream_is_given_before_the_rest_comes() -> None:
    def talk(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n\r\n")
        assert heads_seen.wait(20)
        exchange.send(b"a")
        assert bodies_seen.wait(20)
        exchange.send(b"b")

    import threading

    heads_seen, bodies_seen = threading.Event(), threading.Event()
    heads: List[ResponseHead] = []
    body: List[bytes] = []

    def on_head(head: ResponseHead) -> None:
        heads.append(head)
        heads_seen.set()

    def take(data: bytes) -> None:
        body.append(data)
        bodies_seen.set()

    with serving(talk) as server:
        Curl(os.environ, (), StopSwitch()).receive(HttpRequest(server.root, (), 30.0), take, on_head)
    assert (len(heads), body) == (1, [b"a", b"b"])


def test_headers_without_end_are_bounded() -> None:
    def talk(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n")
        for number in range(5000):
            exchange.send(b"X-%d: %s\r\n" % (number, b"x" * 1000))

    with serving(talk) as server:
        done, body = received(server.root)
    assert (done.head, body, done.end.sent) == (None, b"", True) and done.end.exit_code != 0


@given(st.lists(st.binary(max_size=40), max_size=30))
def test_property_headers_are_read_the_same_however_they_are_cut(pieces: List[bytes]) -> None:
    start = [b"HTTP/1.1 200 OK\r\nA: 1\r\n"]
    whole, cut = HeadReader(), HeadReader()
    whole.feed(b"".join(start + pieces))
    for piece in start + pieces:
        cut.feed(piece)
    assert whole.head == cut.head and whole.size_bytes == cut.size_bytes <= MAX_HEAD_BYTES


# The report


@pytest.mark.parametrize("word", ["gpt-image2-report", "0 0 0 0 0", "1.0 1.0 1.0"])
def test_a_host_or_a_header_cannot_speak_for_curl(word: str) -> None:
    # curl resolves no such name, and says so with the name in it
    done, _ = received(f"http://{word.replace(' ', '-')}.onion:1/x.png")
    assert (done.head, done.end.exit_code, done.end.sent) == (None, 6, False)
    assert word.replace(" ", "-") in done.end.message
    for header in ("Transfer-Encoding", "Content-Length", "Content-Encoding"):
        with raw(f"HTTP/1.1 200 OK\r\n{header}: {word}\r\n\r\n".encode()) as url:
            done, _ = received(url)
        assert done.end.sent and done.end.connect_s > 0


# Compression that nobody asked for


def deflated(data: bytes, wbits: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return packer.compress(data) + packer.flush()


ENCODINGS: Dict[str, Tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "parts": ("gzip", lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:])),
    "padded": ("gzip", lambda data: gzip.compress(data) + b"\0" * 20),
    "deflate": ("deflate", lambda data: deflated(data, 15)),
    "raw deflate": ("deflate", lambda data: deflated(data, -15)),
    "twice": ("gzip, deflate", lambda data: deflated(gzip.compress(data), 15)),
    "named only": ("gzip", lambda data: data),
    "deflate named only": ("deflate", lambda data: data),
    "identity": ("identity", lambda data: data),
}


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_that_is_compressed_unasked_is_read(
    name: str, status: int, home: Home, recorder: Recorder
) -> None:
    encoding, compress = ENCODINGS[name]
    refusal = b'{"error": {"message": "Invalid size", "code": "invalid_value", "param": "size"}}'
    body = compress(BODY if status == 200 else refusal)
    recorder.answer = lambda request: Answer(status, body, (("Content-Encoding", encoding),))
    run = generate(home, recorder.base_url)
    if status == 200:
        assert (run.code, (home.cwd / "cat.png").read_bytes()) == (0, ONE), run.stdout
    else:
        assert run.json["error"]["code"] == "invalid_value"
    assert "accept-encoding" not in str(recorder.only.headers).lower()


def test_a_stream_that_is_compressed_unasked_is_read(home: Home, recorder: Recorder) -> None:
    body = gzip.compress(completed(ONE))
    recorder.answer = lambda request: Answer(200, body, (("Content-Encoding", "gzip"),))
    assert generate(home, recorder.base_url, "--stream").code == 0
    assert (home.cwd / "cat.png").read_bytes() == ONE


@given(
    st.binary(max_size=300),
    st.sampled_from(["gzip", "parts", "padded", "deflate", "twice"]),
    st.lists(st.integers(1, 40), min_size=1, max_size=30),
)
def test_property_what_was_compressed_comes_out_whole_however_it_is_cut(
    data: bytes, name: str, cuts: List[int]
) -> None:
    encoding, compress = ENCODINGS[name]
    stream, decoder, out = io.BytesIO(compress(data)), BodyDecoder(encoding), bytearray()
    for cut in cuts:
        for piece in decoder.feed(stream.read(cut)):
            out += piece
    for piece in decoder.feed(stream.read()):
        out += piece
    for piece in decoder.finish():
        out += piece
    assert bytes(out) == data


@settings(deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from(["gzip", "deflate", "gzip, gzip", "br", "x" * 50, ",,", "\u0130"]),
)
def test_property_no_bytes_and_no_name_break_the_decoder(data: bytes, encoding: str) -> None:
    decoder = BodyDecoder(encoding)
    for start in (b"", b"\x1f\x8b\x08\x00", b"\x78\x9c"):
        try:
            list(decoder.feed(start + data))
            list(decoder.finish())
        except BadEncoding:
            pass


def test_an_image_before_the_damage_in_a_compressed_answer_is_saved(home: Home, recorder: Recorder) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = packer.compress(BODY) + packer.flush(zlib.Z_FULL_FLUSH) + b"\xff" * 50
    recorder.answer = lambda request: Answer(200, body, (("Content-Encoding", "gzip"),))
    run = generate(home, recorder.base_url)
    assert (run.json["billed"], (home.cwd / "cat.png").read_bytes(), len(recorder.requests)) == (
        "yes",
        ONE,
        1,
    )


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br", "gzip, gzip, gzip, gzip"])
def test_a_compression_that_cannot_be_undone_is_told_and_the_answer_is_kept(
    encoding: str, home: Home, recorder: Recorder
) -> None:
    body = b"\x8b\x00\x80" + base64.b85encode(os.urandom(100)) + b"\x03"
    recorder.answer = lambda request: Answer(200, body, (("Content-Encoding", encoding),))
    run = generate(home, recorder.base_url)
    (kept,) = home.rescued.glob("*answer.txt")
    assert run.code != 0 and run.json["billed"] == "maybe" and len(recorder.requests) == 1
    assert "compressed by" in run.json["error"]["message"] and str(kept) in run.json["error"]["hint"]
    assert kept.read_bytes() == body


def test_a_bomb_ends_as_an_error_and_what_came_is_kept(home: Home, recorder: Recorder) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b" " * (1 << 20)
    body = packer.compress(BODY) + b"".join(packer.compress(block) for _ in range(300)) + packer.flush()
    recorder.answer = lambda request: Answer(200, body, (("Content-Encoding", "gzip"),))
    run = generate(home, recorder.base_url)
    assert (home.cwd / "cat.png").read_bytes() == ONE
    assert (run.json["billed"], len(recorder.requests)) == ("yes", 1)
    assert any("the answer was cut" in warning for warning in run.json["warnings"])


def test_a_bomb_in_place_of_an_image_is_bounded_like_any_download(home: Home, recorder: Recorder) -> None:
    bomb = gzip.compress(ONE + b"\0" * (40 << 20))
    recorder.answer = lambda request: (
        Answer(200, bomb, (("Content-Encoding", "gzip"),))
        if request.method == "GET"
        else Answer(body=json.dumps({"data": [{"url": f"{recorder.root}/1.png"}]}).encode())
    )
    run = generate(home, recorder.base_url, "--max-download", "1")
    assert run.code == 7 and "--max-download" in run.json["error"]["message"]
    assert len(recorder.requests) == 2


def test_gzip_is_undone_although_no_header_tells_of_it(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: Answer(body=gzip.compress(BODY))
    run = generate(home, recorder.base_url)
    assert (run.code, run.json["billed"], run.pictures) == (0, "yes", [ONE])


def test_a_transfer_ends_at_its_time_however_slowly_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """curl waits for us to read, and cannot look at the clock meanwhile."""
    monkeypatch.setattr(curl_module, "_GRACE_S", 0.0)
    taken: List[int] = []

    def take(piece: bytes) -> None:
        until = time.monotonic() + 0.05
        while time.monotonic() < until:  # as one does who reads something hostile
            pass
        taken.append(len(piece))

    def talk(exchange: Exchange) -> None:
        exchange.start(1 << 25)
        exchange.send(b"x" * (1 << 25))

    with serving(talk) as server:
        request = HttpRequest(server.root, (), 0.5)
        done = Curl(os.environ, (), StopSwitch()).receive(request, take)
    assert (done.end.exit_code, done.body_bytes) == (28, sum(taken))
    assert sum(taken) < 1 << 22


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_what_a_defect_does_not_read_is_salvaged_as_it_was_before_it_was_compressed(fails_at: int) -> None:
    noise = os.urandom(1 << 18)
    taken: List[bytes] = []
    kept = bytearray()

    def take(piece: bytes) -> None:
        if len(taken) + 1 == fails_at:
            raise TypeError("a defect")
        taken.append(piece)

    body = gzip.compress(noise)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with raw(head + body) as url, pytest.raises(TypeError):
        Curl(os.environ, (), StopSwitch()).receive(HttpRequest(url, (), 30.0), take, salvage=kept.extend)
    assert b"".join(taken) + bytes(kept) == noise
