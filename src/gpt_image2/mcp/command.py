"""`gpt-image2 mcp`: from arguments to a running server, and its log on standard error, keys masked."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import anyio

from gpt_image2.core.base.about import PROGRAM, called
from gpt_image2.core.base.errors import GptImage2Error, UsageError
from gpt_image2.core.base.redact import show
from gpt_image2.core.calls.client import DEFAULT_TIMEOUT_S, Client
from gpt_image2.core.commands.options import PROFILE_HELP, amount
from gpt_image2.core.commands.package_extras import SANDBOX_KEY, start_sandbox, two_hosts
from gpt_image2.core.commands.parser import Parser
from gpt_image2.core.settings.keys import KEY_VARIABLE
from gpt_image2.core.telling.streams import prepare_streams, print_text

from .server import build_server
from .settings import ServerSettings
from .transports import HOST, listen, serve_http, serve_stdio

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
            if options.sandbox and options.base_url is not None:
                raise two_hosts()
            if options.sandbox:
                base_url = stack.enter_context(start_sandbox())
                settings = replace(settings, base_url=base_url, api_key=SANDBOX_KEY, config=None, profile="")
            _warn(settings, options)
            built = build_server(settings)
            if options.http:
                sock = stack.enter_context(listen(options.port))
                return anyio.run(serve_http, built, sock)
            return anyio.run(serve_stdio, built)
    except GptImage2Error as error:
        text = f"{error.message}; {error.hint}".rstrip("; ")
        print_text(f"{PROGRAM} mcp: {show(text, limit=None)}\n", sys.stderr)
        return int(error.exit_code)


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
        "--max-cost",
        type=amount,
        metavar="USD",
        help="refuse calls that could bring the cost of this session (until the server ends) above this",
    )
    add(
        "--approve-over",
        type=amount,
        metavar="USD",
        help="a call that may cost more than this waits for your yes in the studio; without it, "
        "nothing is sent",
    )
    add(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT_S,
        metavar="S",
        help=f"seconds for one call (default {DEFAULT_TIMEOUT_S:.0f})",
    )
    add(
        "--http",
        action="store_true",
        help=f"serve streamable HTTP on {HOST} instead of stdio; every program of this computer can call it",
    )
    add(
        "--port",
        type=_port,
        default=_DEFAULT_PORT,
        metavar="N",
        help=f"with --http: the port, 0 picks a free one (default {_DEFAULT_PORT})",
    )
    group = parser.add_argument_group(f"settings (see: {called()} config --show)")
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


def _settings(options: argparse.Namespace) -> ServerSettings:
    return ServerSettings(
        output_dir=Path(os.path.expanduser(options.output_dir)),
        allow_dirs=tuple(Path(os.path.expanduser(folder)) for folder in options.allow_dir),
        max_cost_usd=options.max_cost,
        approve_over_usd=options.approve_over,
        config=options.config,
        profile=options.profile,
        base_url=options.base_url,
        api_key=options.api_key,
        timeout_s=options.timeout,
    )


def _warn(settings: ServerSettings, options: argparse.Namespace) -> None:
    """Logs early why calls would fail; a server that does not start tells its client nothing."""
    if options.api_key is not None and not options.sandbox:
        _log.warning("--api-key is visible in ps; use %s instead", KEY_VARIABLE)
    try:
        client = Client(
            config=settings.config,
            profile=settings.profile,
            base_url=settings.base_url,
            api_key=settings.api_key,
            timeout_s=settings.timeout_s,
        )
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
