"""`gpt-image2 studio`: from arguments to a running server, its address printed and opened once."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path

import uvicorn

from gpt_image2.core.base.about import PROGRAM
from gpt_image2.core.base.errors import GptImage2Error
from gpt_image2.core.base.outcome import ExitCode
from gpt_image2.core.base.redact import show
from gpt_image2.core.calls.client import DEFAULT_TIMEOUT_S
from gpt_image2.core.commands.options import PROFILE_HELP, amount
from gpt_image2.core.commands.package_extras import SANDBOX_KEY, start_sandbox, two_hosts
from gpt_image2.core.commands.parser import Parser
from gpt_image2.core.settings.places import home_folder, state_folder
from gpt_image2.core.telling.streams import prepare_streams, print_text

from .app import Studio
from .listening import listen
from .settings import StudioSettings

_DEFAULT_PORT = 8788
_DEFAULT_FOLDER = "gpt-image2-studio"
_GRACE_S = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code. Raises only `SystemExit` after `--help`."""
    prepare_streams()
    logging.basicConfig(level=logging.WARNING, format=f"{PROGRAM} studio: %(message)s", stream=sys.stderr)
    try:
        options = _parser().parse_args(argv)
        settings = _settings(options)
        with ExitStack() as stack:
            if options.sandbox and options.base_url is not None:
                raise two_hosts()
            if options.sandbox:
                base_url = stack.enter_context(start_sandbox())
                settings = replace(settings, base_url=base_url, api_key=SANDBOX_KEY, config=None, profile="")
            sock = stack.enter_context(listen(options.port))
            studio = Studio(settings, sock.getsockname()[1])
            stack.callback(_close, studio)
            server = _Server(studio, opens=not options.no_open)
            server.run(sockets=[sock])
            return server.exit_code
    except GptImage2Error as error:
        text = f"{error.message}; {error.hint}".rstrip("; ")
        print_text(f"{PROGRAM} studio: {show(text, limit=None)}\n", sys.stderr)
        return int(error.exit_code)


def _close(studio: Studio) -> None:
    unsent = studio.close()
    if unsent:
        what = "1 call was" if unsent == 1 else f"{unsent} calls were"
        print_text(f"{what} not sent; the next studio asks whether to send them.\n", sys.stderr)


class _Server(uvicorn.Server):
    """uvicorn's server, which tells the address once it listens."""

    def __init__(self, studio: Studio, opens: bool) -> None:
        super().__init__(
            uvicorn.Config(
                studio.door,
                http="h11",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._studio = studio
        self._opens = opens
        self.exit_code = int(ExitCode.OK)

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Ends on a signal with its exit code; uvicorn would end the process by the signal."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            # Where a parent made us ignore a signal (nohup), it stays ignored.
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._leave)
        return nullcontext()

    async def startup(self, sockets: object = None) -> None:
        """Listens; then the address may be opened."""
        await super().startup(sockets)  # type: ignore[arg-type]
        address = self._studio.door.address
        print_text(f"Studio: {address}\n", sys.stdout)
        print_text("The address works once. Ctrl-C ends the studio, and every call under way.\n", sys.stderr)
        if self._opens:
            self._studio.way_in.open(address)

    async def shutdown(self, sockets: object = None) -> None:
        """Ends the streams, which would keep the server waiting."""
        self._studio.events.close()
        await super().shutdown(sockets)  # type: ignore[arg-type]

    def _leave(self, number: int, _: object) -> None:
        self.exit_code = 128 + number
        self.should_exit = True


def _settings(options: argparse.Namespace) -> StudioSettings:
    folder = options.output_dir
    if folder is None:
        output_dir = home_folder(os.environ) / _DEFAULT_FOLDER
    else:
        output_dir = Path(os.path.abspath(os.path.expanduser(folder)))
    return StudioSettings(
        output_dir=output_dir,
        state_dir=state_folder(os.environ),
        max_cost_usd=options.max_cost,
        config=options.config,
        profile=options.profile,
        base_url=options.base_url,
        api_key=options.api_key,
        timeout_s=options.timeout,
    )


def _parser() -> Parser:
    parser = Parser(
        prog=f"{PROGRAM} studio",
        description="Make, find and look at pictures in a page of your own browser. It is served on "
        "127.0.0.1 to the browser that opens the printed address, shows every picture of the "
        "history, and never sees the key.",
    )
    add = parser.add_argument
    add(
        "--port",
        type=_port,
        default=_DEFAULT_PORT,
        metavar="N",
        help="port to listen on, 0 picks a free one (default %(default)s)",
    )
    add("--no-open", action="store_true", help="do not open the browser")
    add(
        "--output-dir",
        metavar="DIR",
        help=f"the folder for what is made here (default ~/{_DEFAULT_FOLDER})",
    )
    add(
        "--max-cost",
        type=amount,
        metavar="USD",
        help="refuse calls that could bring the cost of this visit (until the studio ends) above this",
    )
    add(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT_S,
        metavar="S",
        help=f"seconds for one call (default {DEFAULT_TIMEOUT_S:.0f})",
    )
    group = parser.add_argument_group(f"settings (see: {PROGRAM} config --show)")
    group.add_argument(
        "--config", metavar="PATH", help="this config file; what it sets goes before all flags"
    )
    group.add_argument("--profile", metavar="NAME", help=PROFILE_HELP)
    group.add_argument("--base-url", metavar="URL", help="the API's base URL")
    group.add_argument(
        "--api-key",
        metavar="KEY",
        help="the API key (visible in ps: prefer the config file or the environment)",
    )
    group.add_argument("--sandbox", action="store_true", help="use an offline sandbox: no key, no cost")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


_port.__name__ = "port"
