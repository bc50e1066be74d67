"""How a server reaches its clients: stdio, or streamable HTTP on loopback; and how it ends, on a signal too.

Standard output carries the protocol only: the SDK points it at standard error for everybody else.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import anyio
import uvicorn
from mcp.server.stdio import stdio_server

from gpt_image2.core.base.outcome import ExitCode
from gpt_image2.core.telling.streams import print_text
from gpt_image2.serving import HOST, quiet_config

from .server import Built

_PATH = "/mcp"
_STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
#: For answers to go out on a busy machine: of calls that a signal ended, and of calls that had just ended.
_LAST_ANSWERS_S, _LATE_ANSWERS_S = 1.0, 0.2
_STOP_S = 5.0


async def serve_stdio(built: Built) -> int:
    """Serves the one client on stdin and stdout until it goes; the exit code."""
    async with anyio.create_task_group() as group:
        group.start_soon(_on_signal, built, os._exit)
        async with stdio_server() as (reads, writes):
            await built.server.run(reads, writes, built.server.create_initialization_options())
        group.cancel_scope.cancel()
    return int(ExitCode.OK)


async def serve_http(built: Built, sock: socket.socket) -> int:
    """Serves any number of clients until a signal comes; the exit code."""
    exit_codes = [int(ExitCode.OK)]
    # The host makes the SDK check the Host and Origin of every request: no web page gets in by DNS rebinding.
    app = built.server.streamable_http_app(streamable_http_path=_PATH, host=HOST)
    server = _HttpServer(quiet_config(app))

    def leave(exit_code: int) -> None:
        exit_codes.append(exit_code)
        server.should_exit = True

    async with anyio.create_task_group() as group:
        group.start_soon(_on_signal, built, leave)
        print_text(f"MCP: http://{HOST}:{sock.getsockname()[1]}{_PATH}\n", sys.stderr)
        await server.serve(sockets=[sock])
        await built.calls.stop(signal.SIGTERM)
        group.cancel_scope.cancel()
    return exit_codes[-1]


async def _on_signal(built: Built, leave: Callable[[int], None]) -> None:
    """On SIGINT, SIGTERM or SIGHUP ends the calls under way, lets their answers go out, and leaves.

    A thread may be blocked reading stdin, which nothing can wake: on stdio, `leave` ends the process at once.
    """
    if os.name != "posix":
        return
    numbers = [getattr(signal, name) for name in _STOP_SIGNALS]
    # Where a parent made us ignore a signal (nohup), it stays ignored.
    heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    with anyio.open_signal_receiver(*heard) as signals:
        async for number in signals:
            with anyio.move_on_after(_STOP_S):
                had_calls = await built.calls.stop(number)
                await anyio.sleep(_LAST_ANSWERS_S if had_calls else _LATE_ANSWERS_S)
            leave(128 + number)


class _HttpServer(uvicorn.Server):
    """uvicorn's server without its signal handling, which would not end the calls under way."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Leaves the signals alone."""
        return nullcontext()
