"""How an answer is sent: at its pace, when bytes have really left, and how a connection ends badly.

The sandbox runs on uvicorn's h11 protocol and not on its faster ones: it is plain Python that writes each
ASGI message to the transport at once, so that what a fault has sent is exactly what the client got when the
connection ends.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol

from gpt_image2.core.settings.base_url import SANDBOX_HEADER

#: cut: closed early; reset: TCP RST before any byte; silent: open until the client goes.
Ending = Literal["complete", "cut", "reset", "silent"]
Role = Literal["text", "preview", "image"]
Headers = Sequence[tuple[str, str]]

_LINGER_FORMAT = "hh" if os.name == "nt" else "ii"


@dataclass(frozen=True)
class Piece:
    """A stretch of a body. A `role` of `image` says that its last byte completes a final image.

    It is sent when `at` (0 to 1) of the call's latency has passed, and `pause_s` seconds after the piece
    before it.
    """

    data: bytes
    role: Role = "text"
    at: float = 0.0
    pause_s: float = 0.0


@dataclass(frozen=True)
class Answer:
    """What the server sends; headers go out when the part `at` of the latency has passed.

    `sized` answers carry a Content-Length, the others are chunked. `unsent_bytes` is what a cut answer
    promised there and never sends: that is how its client can know.
    """

    status: int
    headers: Headers
    pieces: tuple[Piece, ...] = ()
    ending: Ending = "complete"
    at: float = 0.0
    sized: bool = True
    unsent_bytes: int = 0


class Connection:
    """One client's connection."""

    def __init__(self, transport: asyncio.Transport, flow: FlowControl) -> None:
        self._transport = transport
        self._flow = flow
        # asyncio sees to it only where a listening socket names its protocol; without it, each answer on a
        # connection that is kept waits 40 ms for the client's acknowledgement of the one before it.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(high=0)  # "paused" now means: not everything has left

    async def drained(self) -> bool:
        """Wait until every byte has left this process; False when the client has gone."""
        await self._flow.drain()
        return not self._transport.is_closing()

    def cut(self) -> None:
        """Close the connection after what was written, whatever HTTP still expects."""
        self._transport.close()

    def reset(self) -> None:
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(_LINGER_FORMAT, 1, 0))
        self._transport.abort()


class SandboxProtocol(H11Protocol):
    """uvicorn's HTTP protocol, which hands the `Connection` to the application in `scope["state"]`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {**self.app_state, "connection": Connection(transport, self.flow)}


class CallTimer:
    """The time since a request came, measured against how long its call is to take."""

    def __init__(self, latency_s: float = 0.0) -> None:
        self.latency_s = latency_s
        self._started = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._started

    async def until(self, part: float) -> None:
        """Wait until this part (0 to 1) of the latency has passed."""
        left_s = part * self.latency_s - self.elapsed_s
        if left_s > 0:
            await asyncio.sleep(left_s)


class Delivery:
    """An ASGI response that sends one `Answer` at its pace and calls `on_image` for each image sent."""

    def __init__(
        self, answer: Answer, timer: CallTimer | None = None, on_image: Callable[[], None] = lambda: None
    ) -> None:
        self.answer = answer
        self._timer = timer or CallTimer()
        self._on_image = on_image

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection: Connection = scope["state"]["connection"]
        answer = self.answer
        await self._timer.until(answer.at)
        if answer.ending == "reset":
            connection.reset()
        else:
            headers = self._raw_headers()
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await self._send_pieces(connection, send)
        if answer.ending == "complete":
            await send({"type": "http.response.body", "body": b""})
            return
        if answer.ending == "cut":
            connection.cut()
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _send_pieces(self, connection: Connection, send: Send) -> None:
        for piece in self.answer.pieces:
            await self._timer.until(piece.at)
            if piece.pause_s:
                await asyncio.sleep(piece.pause_s)
            await send({"type": "http.response.body", "body": piece.data, "more_body": True})
            if await connection.drained() and piece.role == "image":
                self._on_image()

    def _raw_headers(self) -> list[tuple[bytes, bytes]]:
        processing = ("openai-processing-ms", str(round(self._timer.elapsed_s * 1000)))
        headers = [*self.answer.headers, processing, (SANDBOX_HEADER, "1")]
        if self.answer.sized:
            size_bytes = sum(len(piece.data) for piece in self.answer.pieces) + self.answer.unsent_bytes
            headers.append(("content-length", str(size_bytes)))
        return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
