"""What the servers on this machine share: a socket on loopback, the settings of their calls, the flags."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import uvicorn

from .core.base.about import called
from .core.base.errors import GptImage2Error, UsageError
from .core.base.events import Event
from .core.base.interrupt import StopSwitch
from .core.base.redact import show
from .core.calls.client import DEFAULT_TIMEOUT_S, Client
from .core.commands.options import PROFILE_HELP, amount
from .core.commands.package_extras import SANDBOX_KEY, start_sandbox, two_hosts
from .core.commands.parser import Parser
from .core.telling.streams import print_text

HOST = "127.0.0.1"
_GRACE_S = 2


@dataclass(frozen=True, kw_only=True)
class CallSettings:
    """The settings of all calls of a server. `config`, `profile`, `base_url` and `api_key` are like the CLI's
    flags; `max_cost_usd` bounds what all calls together may cost, None is no bound; `timeout_s` is of one."""

    max_cost_usd: float | None = None
    config: str | None = None
    profile: str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = DEFAULT_TIMEOUT_S

    def client(
        self, stop: StopSwitch | None = None, observer: Callable[[Event], None] | None = None
    ) -> Client:
        """A client with these settings; the configuration is read anew.

        Raises:
            GptImage2Error: the configuration cannot be read, or lacks something.
        """
        return Client(
            config=self.config,
            profile=self.profile,
            base_url=self.base_url,
            api_key=self.api_key,
            timeout_s=self.timeout_s,
            observer=observer,
            stop=stop,
        )


Settings = TypeVar("Settings", bound=CallSettings)


def add_call_flags(parser: Parser, visit: str) -> None:
    """Adds the flags of `CallSettings`; `visit` says what the sum is bounded for."""
    add = parser.add_argument
    add(
        "--max-cost",
        type=amount,
        metavar="USD",
        help=f"refuse calls that could bring the cost of {visit} above this",
    )
    add(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT_S,
        metavar="S",
        help=f"seconds for one call (default {DEFAULT_TIMEOUT_S:.0f})",
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


def call_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of `CallSettings` as the flags have them."""
    return {
        "max_cost_usd": options.max_cost,
        "config": options.config,
        "profile": options.profile,
        "base_url": options.base_url,
        "api_key": options.api_key,
        "timeout_s": options.timeout,
    }


def in_sandbox(settings: Settings, options: argparse.Namespace, stack: ExitStack) -> Settings:
    """The settings; with `--sandbox`, those of one that runs until the stack is closed.

    Raises:
        GptImage2Error: two hosts are named, or the sandbox does not start.
    """
    if not options.sandbox:
        return settings
    if options.base_url is not None:
        raise two_hosts()
    base_url = stack.enter_context(start_sandbox())
    return replace(settings, base_url=base_url, api_key=SANDBOX_KEY, config=None, profile="")


def port(text: str) -> int:
    """A port from a flag, 0 included.

    Raises:
        ValueError: it is none.
    """
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError
    return number


def listen(number: int) -> socket.socket:
    """A listening socket on loopback; 0 takes a free port.

    Raises:
        UsageError: the port is in use, or not ours to take.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there the option would share a port that is in use
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((HOST, number))
        sock.listen()
    except OSError as error:
        sock.close()
        raise UsageError(
            f"cannot listen on {HOST}:{number}: {error.strerror or error}",
            hint="give --port 0 for a free port",
        ) from None
    return sock


def quiet_config(app: Any) -> uvicorn.Config:
    """uvicorn for one local user: no log, no websockets, a short wait for what is open at the end."""
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )


def tell_error(program: str, error: GptImage2Error) -> int:
    """Says on stderr, in a line, why a server does not run; the exit code."""
    text = f"{error.message}; {error.hint}".rstrip("; ")
    print_text(f"{program}: {show(text, limit=None)}\n", sys.stderr)
    return int(error.exit_code)
