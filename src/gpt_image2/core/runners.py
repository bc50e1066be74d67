"""The functions of the commands that lie beside the script, imported when they are asked for."""

from __future__ import annotations

from functools import partial
from typing import Callable, Mapping, Sequence

from .base.interrupt import StopSwitch
from .base.outcome import ExitCode
from .telling.output import Output

#: What runs a command: by the words behind its name, to an exit code.
CommandRunner = Callable[[Sequence[str], Output, StopSwitch], int]


def runners_of(command: str) -> Mapping[str, CommandRunner]:
    """What runs a command and those below it, by their words."""
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
