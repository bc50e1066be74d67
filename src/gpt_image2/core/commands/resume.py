"""The command `resume`: finishes the calls whose processes ended before all that was paid for was saved."""

from __future__ import annotations

import os
from typing import Dict, List, Optional, Sequence

from ..base.about import called
from ..base.errors import GptImage2Error, InterruptedCall, NetworkError, UsageError
from ..base.exit_codes import EXIT_CODES
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed, ExitCode
from ..base.redact import show
from ..calls.exchange import host_of
from ..calls.leftovers import Resumed, Resumer
from ..calls.polling import pending_error
from ..calls.task import Task
from ..ledger.recording import Ledger
from ..outputs.left import held_by_others
from ..settings.config import load_settings
from ..settings.places import state_folder
from ..telling.as_json import failure_json, image_json
from ..telling.in_words import SANDBOX_MADE_IT, saved_line
from ..telling.output import Output
from .options import add_config_flags, add_output_flags, add_timeout_flag
from .parser import Parser


def resume_parser() -> Parser:
    """The flags of `resume`."""
    parser = Parser(
        prog=f"{called()} resume",
        description="Finish calls that were killed, could not fetch an image, or wait for a host's task: "
        "whole images get names, those that came as addresses are fetched, tasks are asked after until they "
        "have ended. Asks for no image, so it costs nothing.",
        epilog=EXIT_CODES,
    )
    parser.add_argument(
        "id", nargs="?", default="", help="only this call: its ID, its row in the history, or its task"
    )
    add_config_flags(parser.add_argument)
    parser.add_argument("--no-wait", action="store_true", help="ask after each task once")
    add_timeout_flag(parser.add_argument, "seconds for all of it")
    add_output_flags(parser.add_argument)
    return parser


def run_resume(words: Sequence[str], output: Output, stop: StopSwitch) -> int:
    """Runs `resume`; its exit code.

    Raises:
        UsageError: nothing is left of the call of that ID.
    """
    args = resume_parser().parse_args(list(words))
    settings = load_settings(os.environ, config=args.config, profile=args.profile)
    folder = state_folder(os.environ)
    ledger = Ledger(folder, settings.secrets) if settings.history else None
    calls: List[Resumed] = []
    with stop:
        host = host_of(settings, os.environ, stop)
        resumer = Resumer(host, ledger, output.warn, args.timeout, waits=not args.no_wait)
        for resumed in resumer.run(args.id):
            calls.append(resumed)
            _say(resumed, output)
            if stop.is_set:
                break
    held = 0 if calls else held_by_others(folder, args.id)
    if held and args.id:
        raise UsageError(
            f"another process makes or finishes call {args.id!r}", hint="wait until it has ended", code="held"
        )
    if not calls and args.id:
        raise UsageError(
            f"nothing is left of a call {args.id!r}",
            hint=f"{called()} resume finishes all that are left",
        )
    if not calls:
        others = f"; other processes make or finish {held} now" if held else ""
        output.say(f"nothing is left to finish{others}")
    error = _error(calls, stop)
    output.finish(
        {
            "ok": error is None,
            "command": "resume",
            "calls": [_call_json(resumed) for resumed in calls],
            "billed": Billed.NO.value,
            "error": failure_json(error),
        }
    )
    if error is None:
        return ExitCode.OK
    output.complain(f"{error.message}; {error.hint}" if error.hint else error.message)
    return 128 + error.signum if isinstance(error, InterruptedCall) else error.exit_code


def _error(calls: Sequence[Resumed], stop: StopSwitch) -> Optional[GptImage2Error]:
    if stop.is_set:
        return InterruptedCall("interrupted; what is left can be resumed again", signum=stop.signum or 2)
    failed = [resumed.error for resumed in calls if resumed.error is not None]
    if failed:
        return failed[0]
    under_way = [(resumed.task, resumed.id) for resumed in calls if resumed.task is not None]
    if under_way:
        return pending_error(*under_way[0])
    waiting = [address for resumed in calls for address in resumed.waiting]
    if not waiting:
        return None
    return NetworkError(
        f"{len(waiting)} images could not be fetched: {'; '.join(waiting)}",
        hint=f"run {called()} resume again soon, the addresses expire",
        code="download_failed",
    )


def _say(resumed: Resumed, output: Output) -> None:
    for image in resumed.new:
        output.result(saved_line(image.path, image.size_bytes))
    if resumed.new and resumed.result.sandbox:
        output.say(SANDBOX_MADE_IT)
    for commands in resumed.then:
        output.say(f"the picture that was asked for is still to be made: {show(commands, limit=None)}")
    if resumed.task is not None:
        found = "the host is still at work on" if resumed.task.is_found else "no known address knows of"
        output.say(f"{resumed.id}: {found} task {show(resumed.task.id)}")
    for place in resumed.kept:
        output.say(f"{resumed.id}: no image; what came was kept: {show(place, limit=None)}")


def _task_json(task: Optional[Task]) -> Optional[Dict[str, object]]:
    if task is None:
        return None
    return {"id": task.id, "status": task.status, "percent": task.percent}


def _call_json(resumed: Resumed) -> Dict[str, object]:
    return {
        "id": resumed.id,
        **({"sandbox": True} if resumed.result.sandbox else {}),
        "images": [image_json(image) for image in resumed.new],
        "kept": list(resumed.kept),
        "waiting": list(resumed.waiting),
        "then": list(resumed.then),
        "task": _task_json(resumed.task),
        "error": failure_json(resumed.error),
    }
