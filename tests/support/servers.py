"""A server on loopback that keeps every request as its bytes came, and answers as it is told.

Imports nothing of the project.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from faulty import WAIT_S, Exchange, serving
from pictures import png

USAGE = {
    "input_tokens": 13,
    "output_tokens": 196,
    "total_tokens": 209,
    "input_tokens_details": {"text_tokens": 13, "image_tokens": 0},
}


class Part(NamedTuple):
    """One part of a multipart body. `filename` is decoded; None when the part is a plain field."""

    name: str
    filename: Optional[str]
    content_type: Optional[str]
    data: bytes


class Request(NamedTuple):
    """One request as it came."""

    method: str
    path: str
    headers: Tuple[Tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> Optional[str]:
        """The value of a header, None when it is not there."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return found[0] if found else None

    @property
    def json(self) -> Dict[str, Any]:
        """The body as JSON."""
        return json.loads(self.body.decode("utf-8"))

    @property
    def parts(self) -> List[Part]:
        """The parts of a multipart body, in their order."""
        content_type = self.header("content-type") or ""
        boundary = re.fullmatch(r'multipart/form-data; boundary="?([^"]+)"?', content_type)
        assert boundary, f"not multipart: {content_type}"
        pieces = (b"\r\n" + self.body).split(b"\r\n--" + boundary.group(1).encode())
        assert pieces[0] == b"" and pieces[-1].rstrip(b"\r\n") == b"--", "not a whole multipart body"
        return [_part(piece[2:]) for piece in pieces[1:-1]]

    def texts(self) -> Dict[str, str]:
        """The plain fields of a multipart body."""
        return {part.name: part.data.decode("utf-8") for part in self.parts if part.filename is None}

    def files(self) -> List[Part]:
        """The files of a multipart body."""
        return [part for part in self.parts if part.filename is not None]


class Answer(NamedTuple):
    """What a server answers."""

    status: int = 200
    body: bytes = b""
    headers: Tuple[Tuple[str, str], ...] = (("Content-Type", "application/json"),)


def images(*pictures: bytes) -> Answer:
    """The API's answer with these images."""
    data = [{"b64_json": base64.b64encode(picture).decode()} for picture in pictures]
    return Answer(body=json.dumps({"created": 1, "data": data, "usage": USAGE}).encode())


def refusal(status: int, message: str, code: Optional[str] = None) -> Answer:
    """The API's error envelope."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return Answer(status, json.dumps({"error": error}).encode())


class Recorder:
    """A running server. `answer` makes the answer of each request; while `held`, all of them wait."""

    def __init__(self) -> None:
        self.root = self.base_url = ""
        self.requests: List[Request] = []
        self.answer: Callable[[Request], Answer] = lambda request: images(png(1024, 1024))
        self._arrived = threading.Semaphore(0)
        self._free = threading.Event()
        self._free.set()

    @property
    def only(self) -> Request:
        """The one request that came."""
        (request,) = self.requests
        return request

    def hold(self) -> None:
        """From now on answers wait for `release`."""
        self._free.clear()

    def release(self) -> None:
        """Lets the answers go."""
        self._free.set()

    def wait_for_request(self) -> None:
        """Returns when one more request has come whole."""
        assert self._arrived.acquire(timeout=WAIT_S), "no request came"

    def talk(self, exchange: Exchange) -> None:
        """Keeps a request; answers it when that may go."""
        request = request_of(exchange)
        self.requests.append(request)
        self._arrived.release()
        self._free.wait()  # at the latest the end of the context lets it go
        answer = self.answer(request)
        exchange.send_head(answer.status, answer.headers, len(answer.body))
        exchange.send(answer.body)


@contextmanager
def recording() -> Iterator[Recorder]:
    """A recorder that runs while the context is entered."""
    recorder = Recorder()
    with serving(recorder.talk) as server:
        recorder.root, recorder.base_url = server.root, server.base_url
        try:
            yield recorder
        finally:
            recorder.release()


def request_of(exchange: Exchange) -> Request:
    opening, *lines = exchange.head.decode("latin-1").split("\r\n")
    method, path, _ = opening.split(" ")
    headers = [line.partition(":") for line in lines]
    return Request(method, path, tuple((name, value.strip()) for name, _, value in headers), exchange.body)


def _part(piece: bytes) -> Part:
    head, _, data = piece.partition(b"\r\n\r\n")
    headers: Dict[str, bytes] = {}
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b": ")
        headers[key.decode("ascii").lower()] = value
    found = re.fullmatch(
        rb'form-data; name="([^"]*)"(?:; filename="([^"\r\n]*)")?', headers["content-disposition"]
    )
    assert found, headers
    name, filename = found.groups()
    content_type = headers.get("content-type")
    return Part(
        name.decode("utf-8"),
        None if filename is None else _decoded(filename),
        content_type.decode("ascii") if content_type is not None else None,
        data,
    )


def _decoded(filename: bytes) -> str:
    """Undoes the WHATWG encoding: only quotes and control characters are percent-encoded."""
    plain = re.sub(rb"%(22|0[0-9A-F]|1[0-9A-F]|7F)", lambda match: bytes([int(match.group(1), 16)]), filename)
    return plain.decode("utf-8", "surrogateescape")
