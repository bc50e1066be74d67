"""The words of the sandbox command: flags in, `Settings` out."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import TypeVar, get_args

from gpt_image2.core.commands.parser import Parser, parser_of

from .settings import DialectName, Limits, Settings, Tasks, tasks_of

_N = TypeVar("_N", int, float)

_DEFAULT_PORT = 8787
_DEFAULTS = Settings()


def parse(argv: list[str] | None) -> tuple[Settings, int, bool]:
    """Settings, port, and whether to list the faults; a `UsageError` for a bad flag."""
    parser = sandbox_parser()
    flags = parser.parse_args(argv)
    limits = None
    if flags.images_per_minute:
        limits = Limits(flags.images_per_minute, flags.burst, flags.fixed_window)
        if flags.burst and flags.fixed_window:
            parser.error("--burst has no meaning with --fixed-window")
    elif flags.burst or flags.fixed_window:
        parser.error("--burst and --fixed-window need --images-per-minute")
    settings = Settings(
        latency_s=flags.latency,
        log_requests=flags.log_requests,
        batch_job_s=flags.batch_seconds,
        clock_speed=flags.clock_speed,
        limits=limits,
        limit_headers=not flags.no_limit_headers,
        tasks=flags.tasks,
    )
    return settings, flags.port, flags.list_faults


def sandbox_parser() -> Parser:
    """The flags of `sandbox`."""
    parser = parser_of(
        "sandbox",
        "An offline Images API on loopback: no key, no cost; pictures are drawn, not generated.",
        epilog="",
    )
    parser.add_argument(
        "--port",
        type=_PORT,
        default=_DEFAULT_PORT,
        help="port to listen on, 0 picks a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--latency",
        type=_latency,
        default=_DEFAULTS.latency_s,
        metavar="SECONDS|real",
        help="how long one call takes; 'real' is what the API usually takes (default: %(default)s)",
    )
    parser.add_argument(
        "--tasks",
        type=_tasks,
        metavar="DIALECT[:SECONDS]",
        help="answer with a task that is polled for its images, as relays do: "
        f"{', '.join(get_args(DialectName))}; for one request, a base URL of "
        "http://127.0.0.1:PORT/tasks/DIALECT[:SECONDS]/v1 or a header x-sandbox-tasks does it",
    )
    parser.add_argument(
        "--images-per-minute",
        type=_COUNT,
        metavar="N",
        help="answer 429 to what goes beyond N images a minute (default: no limit)",
    )
    parser.add_argument(
        "--burst",
        type=_COUNT,
        metavar="N",
        help="how many images can be had at once (default: as many as in a minute)",
    )
    parser.add_argument(
        "--fixed-window", action="store_true", help="the images of a minute come back all at once, not evenly"
    )
    parser.add_argument(
        "--no-limit-headers",
        action="store_true",
        help="leave out the x-ratelimit and retry-after headers; a 429 keeps its message",
    )
    parser.add_argument(
        "--batch-seconds",
        type=_SECONDS,
        default=_DEFAULTS.batch_job_s,
        metavar="S",
        help="how long one job of a batch takes, in seconds of the sandbox's clock (default: %(default)s)",
    )
    parser.add_argument(
        "--clock-speed",
        type=_SPEED,
        default=_DEFAULTS.clock_speed,
        metavar="X",
        help="how many times faster than real time that clock runs (default: %(default)s)",
    )
    parser.add_argument("--log-requests", action="store_true", help="write one line a request to stderr")
    parser.add_argument(
        "--list-faults",
        action="store_true",
        help="list the faults that a base URL of http://127.0.0.1:PORT/fault/NAME/v1 brings, and exit",
    )
    return parser


def _latency(text: str) -> float | None:
    """Seconds, or None for as long as the API takes."""
    return None if text == "real" else _LATENCY_S(text)


def _tasks(text: str) -> Tasks:
    try:
        return tasks_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _number(kind: Callable[[str], _N], name: str, allowed: Callable[[_N], bool]) -> Callable[[str], _N]:
    """Reads a number; argparse names it in its messages by the `__name__` of what reads it."""

    def read(text: str) -> _N:
        number = kind(text)
        if not allowed(number):
            raise ValueError
        return number

    read.__name__ = name
    return read


_PORT = _number(int, "port", lambda port: 0 <= port <= 65535)
_COUNT = _number(int, "count", lambda count: count >= 1)
_SECONDS = _number(float, "number of seconds", lambda seconds: 0 <= seconds < math.inf)
_SPEED = _number(float, "speed", lambda speed: 0 < speed < math.inf)
_LATENCY_S = _number(float, "latency", lambda seconds: 0 <= seconds < 3600)
_latency.__name__ = "latency"
