"""`gpt-image2 mcp`: from arguments to a running server, and its log on standard error, keys masked."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import anyio

from gpt_image2.core.base.about import PROGRAM, called
from gpt_image2.core.base.errors import GptImage2Error, UsageError
from gpt_image2.core.base.redact import show
from gpt_image2.core.commands.options import amount
from gpt_image2.core.commands.parser import Parser
from gpt_image2.core.settings.keys import KEY_VARIABLE
from gpt_image2.core.telling.streams import prepare_streams
from gpt_image2.serving import HOST, add_call_flags, call_settings, in_sandbox, listen, port, tell_error

from .server import build_server
from .settings import ServerSettings
from .transports import serve_http, serve_stdio

_DEFAULT_PORT = 8789

_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code. Raises only `SystemExit` after `--help`."""
    prepare_streams()
    try:
        options = _parser().parse_args(argv)
        settings = _settings(options)
        _log_to_stderr(settings)
        with ExitStack() as stack:
            settings = in_sandbox(settings, options, stack)
            _warn(settings, options)
            built = build_server(settings)
            if options.http:
                sock = stack.enter_context(listen(options.port))
                return anyio.run(serve_http, built, sock)
            return anyio.run(serve_stdio, built)
    except GptImage2Error as error:
        return tell_error(f"{PROGRAM} mcp", error)


def _parser() -> Parser:
    parser = Parser(
        prog=f"{called()} mcp",
        description="Serve tools that make, edit, mask and check images over the Model "
        "Context Protocol: on stdin and stdout, or with --http on loopback.",
    )
    add = parser.add_argument
    add(
        "--output-dir",
        default=".",
        metavar="DIR",
        help="the only folder that files are written to (default: the current folder)",
    )
    add(
        "--allow-dir",
        action="append",
        default=[],
        metavar="DIR",
        help="a folder that input images may be read from, besides the output folder; repeatable",
    )
    add(
        "--approve-over",
        type=amount,
        metavar="USD",
        help="a call that may cost more than this waits for your yes in the studio; without it, "
        "nothing is sent",
    )
    add(
        "--http",
        action="store_true",
        help=f"serve streamable HTTP on {HOST} instead of stdio; every program of this computer can call it",
    )
    add(
        "--port",
        type=port,
        default=_DEFAULT_PORT,
        metavar="N",
        help=f"with --http: the port, 0 picks a free one (default {_DEFAULT_PORT})",
    )
    add_call_flags(parser, "this session (until the server ends)")
    return parser


def _settings(options: argparse.Namespace) -> ServerSettings:
    return ServerSettings(
        output_dir=Path(os.path.expanduser(options.output_dir)),
        allow_dirs=tuple(Path(os.path.expanduser(folder)) for folder in options.allow_dir),
        approve_over_usd=options.approve_over,
        **call_settings(options),
    )


def _warn(settings: ServerSettings, options: argparse.Namespace) -> None:
    """Logs early why calls would fail; a server that does not start tells its client nothing."""
    if options.api_key is not None and not options.sandbox:
        _log.warning("--api-key is visible in ps; use %s instead", KEY_VARIABLE)
    try:
        client = settings.client()
        for warning in client.settings.warnings:
            _log.warning("%s", show(warning, client.settings.secrets, limit=None))
        client.check_way()
    except UsageError:
        raise
    except GptImage2Error as error:
        _log.warning("calls will fail: %s; %s", error.message, error.hint)


class _Masked(logging.Formatter):
    """One line a record, without keys and stack traces."""

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            text += f" ({type(record.exc_info[1]).__name__}: {record.exc_info[1]})"
        return f"{PROGRAM} mcp: {record.levelname.lower()}: {show(text, self._secrets)}"


def _log_to_stderr(settings: ServerSettings) -> None:
    names = [name for name in os.environ if name.upper().endswith("API_KEY")]
    secrets = [os.environ[name] for name in names] + [settings.api_key or ""]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Masked(secrets))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
