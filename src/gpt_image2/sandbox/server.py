"""The sandbox as a command and as a thread: the listening socket, start and clean stop."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from gpt_image2.core.base.about import called
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.optional_part import install_line
from gpt_image2.core.telling.streams import prepare_streams, print_text

from .arguments import parse
from .settings import Settings

if TYPE_CHECKING:
    import uvicorn

_HOST = "127.0.0.1"
_BACKLOG = 2048
_EXIT_FAILED = 1
_EXIT_NOT_INSTALLED = 3


def main(argv: list[str] | None = None) -> int:
    """Run the sandbox command; returns its exit code."""
    prepare_streams()
    try:
        settings, port, lists_faults = parse(argv)
    except UsageError as error:
        print_text(f"{called()} sandbox: {error.message}; {error.hint}\n", sys.stderr)
        return int(error.exit_code)
    try:
        if lists_faults:
            from .faults.table import table

            print_text(f"{table()}\n", sys.stdout)
            return 0
        sock = socket.create_server((_HOST, port), backlog=_BACKLOG)
        server, close = _build(settings, _announce)
    except ImportError as error:
        hint = install_line("sandbox")
        print_text(f"The sandbox needs more packages ({error.name} is missing): {hint}\n", sys.stderr)
        return _EXIT_NOT_INSTALLED
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        print_text(f"Cannot listen on {_HOST}:{port}: {reason}. Try --port 0.\n", sys.stderr)
        return _EXIT_FAILED

    def stop(_: int, __: object) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        server.run(sockets=[sock])
    finally:
        close()
    return 0


@contextmanager
def serve_in_thread(latency_s: float, settings: Settings | None = None) -> Generator[str]:
    """A running sandbox: yields its base URL and stops the server at exit."""
    listening = threading.Event()
    chosen = replace(settings or Settings(), latency_s=latency_s)
    server, close = _build(chosen, lambda _: listening.set())  # first: what it needs may not be installed
    sock = socket.create_server((_HOST, 0), backlog=_BACKLOG)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, name="sandbox", daemon=True)
    thread.start()
    listening.wait()
    try:
        yield _base_url(sock)
    finally:
        server.should_exit = True
        thread.join()
        close()


def _base_url(sock: socket.socket) -> str:
    return f"http://{_HOST}:{sock.getsockname()[1]}/v1"


def _announce(url: str) -> None:
    print_text(f"Sandbox: {url}\n", sys.stdout)
    print_text(
        f'Point the tool at it: {called()} generate "…" --base-url {url} --api-key sandbox\n'
        f"Faults: a base URL of {url[:-3]}/fault/NAME/v1; --list-faults names them. Ctrl-C stops.\n",
        sys.stderr,
    )


def _build(
    settings: Settings, on_listening: Callable[[str], None]
) -> tuple[uvicorn.Server, Callable[[], None]]:
    """A server that is not running yet, and what to call when it has stopped."""
    import uvicorn

    from .app import Sandbox
    from .connection import SandboxProtocol

    class Server(uvicorn.Server):
        """uvicorn's server without its signal handling, which would end the process by the signal it got."""

        def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
            return nullcontext()

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            for sock in sockets or []:
                on_listening(_base_url(sock))

    sandbox = Sandbox(settings)
    config = uvicorn.Config(
        sandbox.app(),
        http=SandboxProtocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level=logging.CRITICAL,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=0,
    )
    return Server(config), sandbox.close
