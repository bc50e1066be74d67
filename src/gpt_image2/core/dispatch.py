"""Runs one command, from its words to an exit code: one way out for every kind of ending.

The one place that knows the functions of all commands. What a command needs is imported when it is asked for.
"""

from __future__ import annotations

import atexit
import gc
from functools import partial
from typing import Callable, List, Mapping, Sequence

from .base.errors import GptImage2Error, InterruptedCall, UsageError
from .base.interrupt import SignalsHandled, StopSwitch
from .base.outcome import ExitCode
from .base.redact import mask_secrets
from .telling.output import Output, output_for


def run_command(arguments: List[str], names: List[str]) -> int:
    """Runs the command that the first argument names, one of `names`; its exit code."""
    if hasattr(gc, "freeze"):
        atexit.register(gc.freeze)  # else Python looks for garbage at its end: 5 to 9 of 130 ms
    output = output_for(arguments)
    stop = StopSwitch()
    command = arguments[0]
    try:
        with SignalsHandled(stop):
            if command not in names:
                from .commands.parser import mistake

                raise mistake("command", f"unknown command {command!r}", arguments, names)
            return int(_dispatch(arguments, output, stop))
    except GptImage2Error as error:
        if isinstance(error, UsageError):
            from .commands.field_flags import name_flags

            name_flags(error)
        output.fail(error, command)
        return 128 + error.signum if isinstance(error, InterruptedCall) else int(error.exit_code)
    except Exception as error:
        if output.shows_tracebacks:
            raise
        internal = GptImage2Error(
            f"internal error: {type(error).__name__}: {mask_secrets(str(error))}",
            hint="run it again with --debug for the traceback, and report it",
        )
        output.fail(internal, command)
        return int(ExitCode.INTERNAL)


def _dispatch(arguments: List[str], output: Output, stop: StopSwitch) -> int:
    """Runs the command that the first two words name, or else the first."""
    runners = _runners(arguments[0])
    size = 2 if " ".join(arguments[:2]) in runners else 1
    return runners[" ".join(arguments[:size])](arguments[size:], output, stop)


def _runners(command: str) -> Mapping[str, Callable[[Sequence[str], Output, StopSwitch], int]]:
    """What runs a command and those below it, by their words."""
    if command in ("generate", "edit"):
        from .commands.make_images import run_images

        return {command: partial(run_images, command)}
    if command == "config":
        from .commands.config import run_config

        return {"config": run_config}
    if command == "doctor":
        from .commands.doctor import run_doctor

        return {"doctor": run_doctor}
    if command == "resume":
        from .commands.resume import run_resume

        return {"resume": run_resume}
    if command in ("history", "spend", "cost"):
        from .history.commands import run_forget, run_list, run_redo, run_show, run_spend
        from .history.estimates import run_cost

        return {
            "history": run_list,
            "history show": run_show,
            "history redo": run_redo,
            "history forget": run_forget,
            "spend": run_spend,
            "cost": run_cost,
        }
    if command == "batch":
        from .batch.run import run_batch_run
        from .batch_api.fetch import run_fetch
        from .batch_api.follow import run_cancel, run_list_batches, run_status, run_wait
        from .batch_api.submit import run_submit
        from .commands.package_extras import run_extra

        return {
            "batch": _run_batch,
            "batch run": run_batch_run,
            "batch plan": partial(run_extra, "batch plan"),
            "batch report": partial(run_extra, "batch report"),
            "batch submit": run_submit,
            "batch status": run_status,
            "batch wait": run_wait,
            "batch fetch": run_fetch,
            "batch cancel": run_cancel,
            "batch list": run_list_batches,
        }
    from .commands.package_extras import run_extra

    return {command: partial(run_extra, command)}


def _run_batch(words: Sequence[str], _output: Output, _stop: StopSwitch) -> int:
    """`batch` without a command below it: its help."""
    from .batch.options import BATCH_COMMANDS, batch_parser
    from .commands.parser import mistake

    if words and words[0] not in ("-h", "--help"):
        names = [name for name, _ in BATCH_COMMANDS]
        raise mistake("command", f"unknown command batch {words[0]!r}", words, names, "batch")
    batch_parser().print_help()
    return ExitCode.OK
