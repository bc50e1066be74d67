"""The commands of `batch`, by name."""

from __future__ import annotations

from typing import List

from ..base.about import PROGRAM
from ..base.errors import UsageError
from ..base.interrupt import StopSwitch
from ..base.outcome import ExitCode
from ..telling.output import Output
from .options import BATCH_COMMANDS, batch_parser


def run_batch(rest: List[str], output: Output, stop: StopSwitch) -> int:
    """Runs a `batch` command; its exit code.

    Raises:
        GptImage2Error: as that command.
    """
    name, words = (rest[0], rest[1:]) if rest else ("--help", [])
    if name in ("-h", "--help"):
        batch_parser().print_help()
        return int(ExitCode.OK)
    if name == "run":
        from .run import run_batch_run

        return run_batch_run(words, output, stop)
    if name in dict(BATCH_COMMANDS):
        from ..batch_api.commands import run_batch_api

        return run_batch_api(name, words, output, stop)
    raise UsageError(f"unknown command batch {name!r}", hint=f"see {PROGRAM} batch --help")
