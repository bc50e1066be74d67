"""A server that is not the bottleneck: every answer is ready before the first request and leaves by sendfile.

`python -m bench.server SPEC` where SPEC is a JSON list of `Answer`s. The base URL of an answer is
`http://127.0.0.1:PORT/NAME/v1`; what is asked there does not matter, and uploads are thrown away unread.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from .pictures import noise_png

_BACKLOG = 1024
_HEAD_BYTES = 1 << 16
_DRAIN_BYTES = 1 << 20
_SEND_BYTES = 1 << 30
# Linux throws the bytes away without copying them.
_DRAIN_FLAGS = socket.MSG_TRUNC if sys.platform == "linux" else 0


@dataclass(frozen=True)
class Answer:
    """Served under a name: `images` of `image_bytes`, after `latency_s`; with `partials` as a stream."""

    name: str
    images: int
    image_bytes: int
    latency_s: float = 0.0
    partials: int = 0


@dataclass(frozen=True)
class Serving:
    """A running server: `http://127.0.0.1:PORT`, and by answer the sizes of a picture and of all of it."""

    url: str
    picture_bytes: Mapping[str, int]
    answer_bytes: Mapping[str, int]


@dataclass(frozen=True)
class _Ready:
    """An answer with its head in a nameless file; `closes` where the body ends with the connection."""

    file: int
    size_bytes: int
    latency_s: float
    closes: bool


def render(answer: Answer) -> bytes:
    """The answer with its head, as it goes over the wire."""
    picture = base64.b64encode(noise_png(answer.image_bytes)).decode("ascii")
    if answer.partials:
        head = "content-type: text/event-stream\r\nconnection: close\r\n"
        body = _stream(picture, answer.partials)
    else:
        body = _document(picture, answer.images)
        head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return f"HTTP/1.1 200 OK\r\n{head}x-request-id: req_bench\r\n\r\n".encode("ascii") + body


def _usage(images: int) -> dict[str, int]:
    return {"input_tokens": 13, "output_tokens": 196 * images, "total_tokens": 13 + 196 * images}


def _document(picture: str, images: int) -> bytes:
    start = '{"created": 1713833628, "background": "opaque", "data": ['
    data = ", ".join([f'{{"b64_json": "{picture}"}}'] * images)
    end = f'], "output_format": "png", "quality": "low", "usage": {json.dumps(_usage(images))}}}'
    return (start + data + end).encode("ascii")


def _stream(picture: str, partials: int) -> bytes:
    events = [
        ("image_generation.partial_image", f'"partial_image_index": {index}') for index in range(partials)
    ]
    events.append(("image_generation.completed", f'"usage": {json.dumps(_usage(1))}'))
    lines = [
        f'event: {name}\ndata: {{"type": "{name}", "b64_json": "{picture}", {rest}}}\n\n'
        for name, rest in events
    ]
    return "".join(lines).encode("ascii")


class FastServer:
    """Serves answers from threads, one a connection. `port` is where it listens."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._ready = {answer.name: _prepare(answer) for answer in answers}
        self._pictures = {answer.name: len(noise_png(answer.image_bytes)) for answer in answers}
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self.port: int = self._socket.getsockname()[1]

    def describe(self) -> Serving:
        """What it serves, and where."""
        sizes = {name: ready.size_bytes for name, ready in self._ready.items()}
        return Serving(f"http://127.0.0.1:{self.port}", self._pictures, sizes)

    def run(self) -> None:
        """Serves until the process ends."""
        while True:
            connection, _ = self._socket.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = bytearray(_DRAIN_BYTES)
        with connection, suppress(OSError):
            while True:
                ready = self._read_request(connection, buffer)
                if ready is None:
                    return
                time.sleep(ready.latency_s)
                _send(connection, ready)
                if ready.closes:
                    return

    def _read_request(self, connection: socket.socket, buffer: bytearray) -> _Ready | None:
        """Reads one request to its end; the answer to it, None when none came or nothing is served there."""
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(_HEAD_BYTES)
            if not piece:
                return None
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        if headers.get("expect", "").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "content-length" not in headers:
            connection.sendall(
                b"HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            return None
        left = int(headers["content-length"]) - len(body)
        while left > 0:
            got = connection.recv_into(buffer, min(left, len(buffer)), _DRAIN_FLAGS)
            if not got:
                return None
            left -= got
        name = lines[0].split(" ")[1].split("/")[1]
        if name not in self._ready:
            connection.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        return self._ready.get(name)


def _prepare(answer: Answer) -> _Ready:
    data = render(answer)
    with tempfile.TemporaryFile(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as file:  # noqa: S108
        file.write(data)
        file.flush()
        return _Ready(os.dup(file.fileno()), len(data), answer.latency_s, answer.partials > 0)


def _send(connection: socket.socket, ready: _Ready) -> None:
    at = 0
    while at < ready.size_bytes:
        at += os.sendfile(connection.fileno(), ready.file, at, min(_SEND_BYTES, ready.size_bytes - at))


@contextmanager
def serving(answers: Sequence[Answer]) -> Generator[Serving, None, None]:
    """A fast server in a process of its own, so that its size is not ours."""
    spec = json.dumps([asdict(answer) for answer in answers])
    command = [sys.executable, "-m", "bench.server", spec]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parent.parent
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the benchmark's server did not start; what it said is above")
            yield Serving(**json.loads(line))
        finally:
            process.terminate()


def main() -> None:
    """Prints what is served, as JSON, and serves."""
    server = FastServer([Answer(**fields) for fields in json.loads(sys.argv[1])])
    print(json.dumps(asdict(server.describe())), flush=True)
    server.run()


if __name__ == "__main__":
    main()
