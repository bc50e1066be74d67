"""Raw servers on loopback that send what a test tells them, byte by byte. Imports nothing of the project.

A test gives a function that talks on each connection: it decides what is sent, when, and how it ends.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import struct
import threading
from contextlib import contextmanager, suppress
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

WAIT_S = 30.0
OPENING = b'{"created": 1, "data": ['
CLOSING = b'], "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}}'


class Exchange:
    """One connection, whose request has been read whole."""

    def __init__(self, connection: socket.socket, head: bytes, body: bytes) -> None:
        self.connection = connection
        self.head = head
        self.body = body

    @property
    def path(self) -> str:
        """The path that was asked for."""
        return self.head.split(b" ", 2)[1].decode("latin-1")

    def start(
        self, length: Optional[int] = None, status: int = 200, content_type: str = "application/json"
    ) -> None:
        """Sends the status and headers; a length that is never reached is how a client knows of a cut."""
        self.send_head(status, (("Content-Type", content_type),), length)

    def send_head(self, status: int, headers: Sequence[Tuple[str, str]], length: Optional[int]) -> None:
        """Sends the status and just these headers, and the length when there is one."""
        lines = [f"HTTP/1.1 {status} Something", *map(": ".join, headers), "Connection: close"]
        if length is not None:
            lines.append(f"Content-Length: {length}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def send(self, data: bytes) -> None:
        """Hands bytes to the system for the client's socket."""
        self.connection.sendall(data)

    def answer(self, body: bytes, status: int = 200, content_type: str = "application/json") -> None:
        """A whole answer."""
        self.start(len(body), status, content_type)
        self.send(body)

    def wait_until_gone(self) -> None:
        """Returns when the client has closed the connection."""
        with suppress(OSError):
            self.connection.settimeout(WAIT_S)
            while self.connection.recv(4096):
                pass

    def reset(self) -> None:
        """Ends the connection with a TCP reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


Talk = Callable[[Exchange], None]
#: What is done with a connection before HTTP is spoken on it: TLS, a proxy's greeting.
Before = Callable[[socket.socket], socket.socket]


class RawServer:
    """A running server; `exchanges` are the requests that came whole."""

    def __init__(self, talk: Talk, before: Before) -> None:
        self._talk = talk
        self._before = before
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self._arrived = threading.Semaphore(0)
        self.exchanges: List[Exchange] = []
        self.port = self._listener.getsockname()[1]
        self.root = f"http://127.0.0.1:{self.port}"
        self.base_url = f"{self.root}/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def hits(self) -> int:
        """How many paid requests came."""
        return sum(exchange.head.startswith(b"POST ") for exchange in self.exchanges)

    def wait_for_request(self) -> None:
        """Returns when one more request has come whole."""
        assert self._arrived.acquire(timeout=WAIT_S), "no request came"

    def close(self) -> None:
        """Takes no more connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # An OSError: the client has gone, as some tests want, or does not trust us.
        with connection, suppress(OSError), self._before(connection) as ready:
            request = _read_request(ready)
            if request is None:
                return
            exchange = Exchange(ready, *request)
            self.exchanges.append(exchange)
            self._arrived.release()
            self._talk(exchange)


@contextmanager
def serving(talk: Talk, before: Before = lambda connection: connection) -> Iterator[RawServer]:
    """A raw server that runs while the context is entered."""
    server = RawServer(talk, before)
    try:
        yield server
    finally:
        server.close()


def quoted(picture: bytes) -> bytes:
    """An image as an item of `data`, up to the quote that ends it."""
    return b'{"b64_json": "' + base64.b64encode(picture) + b'"'


def body_of(pictures: Sequence[bytes]) -> bytes:
    """A whole answer with these images."""
    return OPENING + b", ".join(quoted(picture) + b"}" for picture in pictures) + CLOSING


def event(name: str, fields: Dict[str, object]) -> bytes:
    """One server-sent event."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


def partial(picture: bytes, index: int) -> bytes:
    """The event of a preview."""
    text = base64.b64encode(picture).decode()
    return event("image_generation.partial_image", {"b64_json": text, "partial_image_index": index})


def completed(picture: bytes) -> bytes:
    """The event of a final image."""
    text = base64.b64encode(picture).decode()
    return event(
        "image_generation.completed", {"b64_json": text, "usage": {"input_tokens": 1, "output_tokens": 2}}
    )


def _read_request(connection: socket.socket) -> Optional[Tuple[bytes, bytes]]:
    with connection.makefile("rb") as file:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = file.readline()
            if not line:
                return None
            head += line
        match = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        length = int(match.group(1)) if match else 0
        body = file.read(length)
        return (head[:-4], body) if len(body) == length else None
