"""Runs one command, from its words to an exit code: one way out for every kind of ending."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import List

from .base.about import PROGRAM
from .base.errors import GptImage2Error, InterruptedCall, UsageError
from .base.interrupt import SignalsHandled, StopSwitch
from .base.outcome import ExitCode
from .base.redact import mask_secrets
from .telling.output import Output
from .telling.terminal import standard_terminal


def run_command(arguments: List[str], names: List[str]) -> int:
    """Runs the command that the first argument names, one of `names`; its exit code."""
    if hasattr(gc, "freeze"):
        atexit.register(gc.freeze)  # or Python looks for garbage in what ends with the process anyway, 5 ms
    flags = arguments[: arguments.index("--")] if "--" in arguments else arguments
    output = Output(standard_terminal(os.environ), sys.stdout, sys.stderr, flags)
    stop = StopSwitch()
    command = arguments[0]
    try:
        with SignalsHandled(stop):
            if command not in names:
                hint = f"the commands are {', '.join(names)}; see {PROGRAM} --help"
                raise UsageError(f"unknown command {command!r}", hint=hint)
            return _dispatch(command, arguments[1:], output, stop)
    except GptImage2Error as error:
        output.fail(error, command)
        return 128 + error.signum if isinstance(error, InterruptedCall) else int(error.exit_code)
    except Exception as error:
        if "--debug" in flags:
            raise
        internal = GptImage2Error(
            f"internal error: {type(error).__name__}: {mask_secrets(str(error))}",
            hint="run it again with --debug for the traceback, and report it",
        )
        output.fail(internal, command)
        return int(ExitCode.INTERNAL)


def _dispatch(command: str, rest: List[str], output: Output, stop: StopSwitch) -> int:
    if command in ("generate", "edit"):
        from .commands.make_images import run_image_command
        from .commands.options import read_image_command

        return int(run_image_command(read_image_command(command, rest), output, stop))
    if command == "batch":
        from .batch.commands import run_batch

        return run_batch(rest, output, stop)
    if command == "config":
        from .commands.doctor import run_config

        return int(run_config(rest, output))
    if command == "doctor":
        from .commands.doctor import run_doctor

        return int(run_doctor(rest, output, stop))
    if command in ("history", "spend", "cost"):
        from .history.commands import run_cost, run_history, run_spend

        if command == "history":
            return int(run_history(rest, output, stop))
        return int(run_spend(rest, output) if command == "spend" else run_cost(rest, output))
    from .commands.package_extras import run_extra

    return run_extra(command, rest)
