"""The command: from arguments to an exit code. One way in (`main`), one way out for every kind of ending."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

from .about import PROGRAM, VERSION
from .client import Client, PreparedCall
from .config import KEY_VARIABLE, TEMPLATE, config_locations, load_settings, state_folder
from .errors import GptImage2Error, InterruptedCall, OutputError, UsageError
from .exchange import auth_header, describe
from .extras import EXTRAS, run_extra, start_sandbox
from .files import write_config
from .interrupt import SignalsHandled, StopSwitch
from .options import EXIT_CODES, ImageCommand, config_parser, read_image_command
from .outcome import ExitCode, Result
from .redact import mask_key, mask_secrets
from .report import Reporter, Terminal, error_json, print_json, result_json, standard_terminal

_COMMANDS: Tuple[Tuple[str, str], ...] = (
    ("generate", "make images from a text"),
    ("edit", "make new images from images and a text"),
    ("config", "create a config file, or show the settings in force"),
    *((name, extra.summary) for name, extra in EXTRAS.items()),
)
_SANDBOX_KEY = "sandbox"


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Runs the command line and returns its exit code; never raises, but for `SystemExit` after `--help`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    terminal = standard_terminal(os.environ)
    stop = StopSwitch()
    as_json = "--json" in arguments
    command = arguments[0] if arguments else ""
    try:
        with SignalsHandled(stop):
            return _dispatch(arguments, terminal, stop)
    except GptImage2Error as error:
        if as_json:
            print_json(error_json(error, command), sys.stdout)
        else:
            terminal.error(error)
        return _signal_exit(error) if isinstance(error, InterruptedCall) else int(error.exit_code)
    except Exception as error:
        if "--debug" in arguments:
            raise
        internal = GptImage2Error(
            f"internal error: {type(error).__name__}: {mask_secrets(str(error))}",
            hint="run it again with --debug for the traceback, and report it",
        )
        if as_json:
            print_json(error_json(internal, command), sys.stdout)
        else:
            terminal.error(internal)
        return int(ExitCode.INTERNAL)


def _signal_exit(error: InterruptedCall) -> int:
    return 128 + error.signum


def _dispatch(arguments: List[str], terminal: Terminal, stop: StopSwitch) -> int:
    command, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if command in ("-h", "--help", "help"):
        terminal.result(_help())
        return int(ExitCode.OK)
    if command in ("-V", "--version"):
        terminal.result(f"{PROGRAM} {VERSION}")
        return int(ExitCode.OK)
    if command in ("generate", "edit"):
        return _run_image_command(read_image_command(command, rest), terminal, stop)
    if command == "config":
        return _run_config(rest, terminal)
    if command in EXTRAS:
        return run_extra(command, rest)
    names = ", ".join(name for name, _ in _COMMANDS)
    raise UsageError(f"unknown command {command!r}", hint=f"the commands are {names}; see {PROGRAM} --help")


def _help() -> str:
    commands = "\n".join(f"  {name:<10} {summary}" for name, summary in _COMMANDS)
    return (
        f"usage: {PROGRAM} COMMAND [options]\n\n"
        f"Generate and edit images with gpt-image-2.\n\ncommands:\n{commands}\n\n"
        f"Help for one: {PROGRAM} COMMAND --help. Version: {PROGRAM} --version.\n\n{EXIT_CODES}"
    )


def _run_image_command(command: ImageCommand, terminal: Terminal, stop: StopSwitch) -> int:
    with ExitStack() as stack:
        if command.sandbox:
            base_url = stack.enter_context(start_sandbox())
            command = replace(command, base_url=base_url, api_key=_SANDBOX_KEY, config=None)
        elif command.api_key is not None:
            terminal.say(
                f"--api-key is visible in ps and in the shell history; use {KEY_VARIABLE} instead",
                "warning",
                "yellow",
            )
        reporter = Reporter(terminal, quiet=command.quiet, results=not command.json and command.output != "-")
        client = _client(command, reporter, stop)
        request = command.request
        if command.sources or command.command == "edit":
            request = stack.enter_context(client.with_inputs(request, command.sources, command.mask))
        output = _output(command, client)
        prepared = client.prepare(
            request, output, no_clobber=command.no_clobber, max_cost_usd=command.max_cost_usd
        )
        if command.dry_run:
            _show_dry_run(prepared, client, command, terminal)
            return int(ExitCode.OK)
        with reporter:
            result = client.run(prepared, save_partials=command.save_partials)
    if command.json:
        print_json(result_json(result), sys.stdout)
    if command.output == "-":
        _pour(result)
    return int(ExitCode.OK)


def _client(command: ImageCommand, reporter: Reporter, stop: StopSwitch) -> Client:
    return Client(
        config=command.config,
        base_url=command.base_url,
        api_key=command.api_key,
        timeout_s=command.timeout_s,
        retries=command.retries,
        retry_ambiguous=command.retry_ambiguous,
        max_download_bytes=command.max_download_bytes,
        observer=reporter,
        stop=stop,
    )


def _output(command: ImageCommand, client: Client) -> Optional[str]:
    """Where the image goes on disk. For stdout that is the rescue folder, until the reader has it all."""
    if command.output != "-":
        return command.output
    if command.request.n not in (None, 1):
        raise UsageError("-o - writes one image to stdout", hint="leave --n out, or give a file name")
    if command.json:
        raise UsageError("-o - and --json both want stdout", hint="give a file name, or leave --json out")
    return str(client.rescue_folder) + os.sep


def _pour(result: Result) -> None:
    """Writes the one image to stdout; its file goes only when the reader took every byte."""
    image = result.images[0]
    try:
        with open(image.path, "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except OSError as error:
        failure = OutputError(
            f"stdout did not take the image ({error.strerror or error}); it was saved as {image.path}",
            hint="copy it from there",
            billed=result.billed,
        )
        failure.result = result
        raise failure from None
    os.unlink(image.path)


def _show_dry_run(prepared: PreparedCall, client: Client, command: ImageCommand, terminal: Terminal) -> None:
    settings, request = client.settings, prepared.request
    url, body = describe(settings, request)
    name, value = auth_header(settings, settings.masked_key)
    estimate = request.estimate()
    outputs = [str(prepared.plan.path(index)) for index in range(1, request.count + 1)]
    if command.json:
        print_json(
            {
                "ok": True,
                "command": command.command,
                "dry_run": True,
                "url": url,
                "headers": {name: value},
                "body": mask_secrets(body, settings.secrets),
                "outputs": outputs,
                "cost_usd": None
                if estimate is None
                else {"low": estimate.low_usd, "high": estimate.high_usd},
                "billed": "no",
                "warnings": list(prepared.warnings),
            },
            sys.stdout,
        )
        return
    kind = "multipart/form-data" if request.images else "application/json"
    cost = "unknown for this model"
    if estimate is not None:
        cost = f"${estimate.low_usd:.4f}"
        if estimate.high_usd > estimate.low_usd:
            cost += f" to ${estimate.high_usd:.4f}"
        cost += f" ({estimate.note})" if estimate.note else ""
    for warning in prepared.warnings:
        terminal.say(warning, "warning", "yellow")
    terminal.result(
        f"POST {url}\n{name}: {value}\nContent-Type: {kind}\n\n{mask_secrets(body, settings.secrets)}\n"
    )
    if request.size and request.size != command.request.size:
        terminal.result(f"Size: {command.request.size} is {request.size}")
    terminal.result(f"Estimated cost: {cost}")
    terminal.result("\n".join(f"Output: {path}" for path in outputs))
    terminal.result("Nothing was sent.")


def _run_config(rest: List[str], terminal: Terminal) -> int:
    args = config_parser().parse_args(rest)
    if args.init:
        path = Path(args.config).expanduser() if args.config else config_locations(os.environ)[0]
        write_config(path.absolute(), TEMPLATE, force=args.force)
        if args.json:
            print_json({"ok": True, "command": "config", "path": str(path.absolute())}, sys.stdout)
        else:
            terminal.result(f"Created: {path.absolute()}")
            terminal.say("edit it, or set the variable that api_key_env names; then: config --show")
    if args.show or not args.init:
        _show_config(args.config, args.json, terminal)
    return int(ExitCode.OK)


def _show_config(config: Optional[str], as_json: bool, terminal: Terminal) -> None:
    settings = load_settings(os.environ, config=config)
    active = settings.config_file.path if settings.config_file else None
    key, key_source = "(none)", settings.key_problem or "no source has one"
    if settings.api_key:
        key, key_source = mask_key(settings.api_key.value), settings.api_key.source
    rows = [
        ("base_url", settings.base_url.value, settings.base_url.source),
        ("api_key", key, key_source),
        ("format_field", settings.format_field.value, settings.format_field.source),
        ("state_folder", str(state_folder(os.environ)), "XDG_STATE_HOME or its default"),
    ]
    for warning in settings.warnings:
        terminal.say(warning, "warning", "yellow")
    if as_json:
        values = {name: {"value": value, "source": source} for name, value, source in rows}
        looked = [str(path) for path in config_locations(os.environ)]
        print_json(
            {"ok": True, "command": "config", "active": active, "looked_in": looked, "settings": values},
            sys.stdout,
        )
        return
    terminal.result(f"Active config: {active or 'none'}")
    if active is None:
        for path in config_locations(os.environ):
            terminal.result(f"  looked for {path}")
    for name, value, source in rows:
        terminal.result(f"{name:<13} {value}  ({source})")
