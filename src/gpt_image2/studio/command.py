"""`gpt-image2 studio`: from arguments to a running server, its address printed and opened once."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

import uvicorn

from gpt_image2.core.base.about import PROGRAM
from gpt_image2.core.base.errors import GptImage2Error
from gpt_image2.core.base.outcome import ExitCode
from gpt_image2.core.commands.parser import Parser
from gpt_image2.core.settings.places import home_folder, state_folder
from gpt_image2.core.telling.streams import prepare_streams, print_text
from gpt_image2.serving import (
    add_call_flags,
    call_settings,
    in_sandbox,
    listen,
    port,
    quiet_config,
    tell_error,
)

from .app import Studio
from .settings import StudioSettings

_DEFAULT_PORT = 8788
_DEFAULT_FOLDER = "gpt-image2-studio"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code. Raises only `SystemExit` after `--help`."""
    prepare_streams()
    logging.basicConfig(level=logging.WARNING, format=f"{PROGRAM} studio: %(message)s", stream=sys.stderr)
    try:
        options = _parser().parse_args(argv)
        with ExitStack() as stack:
            settings = in_sandbox(_settings(options), options, stack)
            sock = stack.enter_context(listen(options.port))
            studio = Studio(settings, sock.getsockname()[1])
            stack.callback(_close, studio)
            server = _Server(studio, opens=not options.no_open)
            server.run(sockets=[sock])
            return server.exit_code
    except GptImage2Error as error:
        return tell_error(f"{PROGRAM} studio", error)


def _close(studio: Studio) -> None:
    unsent = studio.close()
    if unsent:
        what = "1 call was" if unsent == 1 else f"{unsent} calls were"
        print_text(f"{what} not sent; the next studio asks whether to send them.\n", sys.stderr)


class _Server(uvicorn.Server):
    """uvicorn's server, which tells the address once it listens."""

    def __init__(self, studio: Studio, opens: bool) -> None:
        super().__init__(quiet_config(studio.door))
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
        **call_settings(options),
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
        type=port,
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
    add_call_flags(parser, "this visit (until the studio ends)")
    return parser
