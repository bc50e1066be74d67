"""The command: from arguments to an exit code. One way in (`main`), one way out for every kind of ending."""

from __future__ import annotations

import os
import sys
from typing import List, Optional, Sequence, Tuple

from .about import PROGRAM, VERSION
from .batch.commands import run_batch
from .errors import GptImage2Error, InterruptedCall, UsageError
from .extras import EXTRAS, run_extra
from .image_commands import run_image_command
from .interrupt import SignalsHandled, StopSwitch
from .options import EXIT_CODES, read_image_command
from .outcome import ExitCode
from .output import Output
from .redact import mask_secrets
from .setup_commands import run_config, run_doctor
from .terminal import Terminal, standard_terminal

COMMANDS: Tuple[Tuple[str, str], ...] = (
    ("generate", "make images from a text"),
    ("edit", "make new images from images and a text"),
    ("batch", "run many jobs from a file, side by side and again"),
    ("history", "list, show, redo or forget the requests that were sent"),
    ("spend", "add up what they cost"),
    ("cost", "tell what a request would cost"),
    ("config", "create a config file, or show the settings in force"),
    ("doctor", "check everything that a call needs, for free"),
    *((name, extra.summary) for name, extra in EXTRAS.items()),
)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Runs the command line and returns its exit code; never raises, but for `SystemExit` after `--help`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    flags = arguments[: arguments.index("--")] if "--" in arguments else arguments
    terminal = standard_terminal(os.environ)
    output = Output(terminal, sys.stdout, sys.stderr, flags)
    stop = StopSwitch()
    command = arguments[0] if arguments else ""
    try:
        with SignalsHandled(stop):
            return _dispatch(arguments, terminal, output, stop)
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


def _dispatch(arguments: List[str], terminal: Terminal, output: Output, stop: StopSwitch) -> int:
    command, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if command in ("-h", "--help", "help"):
        terminal.result(_help())
        return int(ExitCode.OK)
    if command in ("-V", "--version"):
        terminal.result(f"{PROGRAM} {VERSION}")
        return int(ExitCode.OK)
    if command in ("generate", "edit"):
        return int(run_image_command(read_image_command(command, rest), output, stop))
    if command == "batch":
        return run_batch(rest, output, stop)
    if command == "config":
        return int(run_config(rest, output))
    if command == "doctor":
        return int(run_doctor(rest, output, stop))
    if command in ("history", "spend", "cost"):
        from .ledger.commands import run_cost, run_history, run_spend

        if command == "history":
            return int(run_history(rest, output, stop))
        return int(run_spend(rest, output) if command == "spend" else run_cost(rest, output))
    if command in EXTRAS:
        return run_extra(command, rest)
    names = ", ".join(name for name, _ in COMMANDS)
    raise UsageError(f"unknown command {command!r}", hint=f"the commands are {names}; see {PROGRAM} --help")


def _help() -> str:
    width = max(len(name) for name, _ in COMMANDS)
    commands = "\n".join(f"  {name:<{width}}  {summary}" for name, summary in COMMANDS)
    return (
        f"usage: {PROGRAM} COMMAND [options]\n\n"
        f"Generate and edit images with gpt-image-2.\n\ncommands:\n{commands}\n\n"
        f"Help for one: {PROGRAM} COMMAND --help. Version: {PROGRAM} --version.\n\n{EXIT_CODES}"
    )
