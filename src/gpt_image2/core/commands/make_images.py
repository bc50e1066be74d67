"""The commands `generate` and `edit`: from a parsed command line to what is printed."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, suppress
from typing import Any, Callable, Dict, Optional, Sequence

from ..base.about import called
from ..base.errors import OutputError, UsageError
from ..base.interrupt import StopSwitch
from ..base.outcome import ExitCode, Result
from ..base.record import replace
from ..base.redact import show
from ..calls.client import Client
from ..ledger.entries import STDOUT, check_unchanged
from ..settings.keys import KEY_VARIABLE
from ..telling.as_json import result_json
from ..telling.output import Output
from ..telling.streams import detach
from .options import ImageCommand, client_of, read_image_command


def run_images(name: str, words: Sequence[str], output: Output, stop: StopSwitch) -> int:
    return make_images(read_image_command(name, words), output, stop)


def make_images(command: ImageCommand, output: Output, stop: StopSwitch) -> int:
    asked_size = command.request.size
    with ExitStack() as stack:
        if command.sandbox:
            from .package_extras import use_sandbox

            use_sandbox(command, stack)
        elif command.api_key is not None:
            output.warn(f"--api-key is visible in ps and in the shell history; use {KEY_VARIABLE} instead")
        client = client_of(command, stop)
        request = client.with_model(command.request)
        finishing = _finishing(command, stack, output)
        show_images = _showing(command, output)
        if command.sources or command.command == "edit":
            inputs = client.with_inputs(request, command.sources, command.mask, command.markup)
            request = stack.enter_context(inputs)
        if finishing is not None:
            request = finishing.before(request)
        check_unchanged(request, command.expected_sha256)
        prepared = client.prepare(
            request,
            _target(command, client),
            no_clobber=command.no_clobber,
            max_cost_usd=command.max_cost,
        )
        if command.output == STDOUT:
            prepared = replace(prepared, output=STDOUT)
        asked = prepared
        if finishing is not None:
            prepared = finishing.set_aside(prepared)
            finishing.price(client, prepared, command.max_cost)
        size = prepared.request.size
        if size != asked_size:
            output.say(f"size {asked_size or 'auto'} is {size}")
        if command.dry_run:
            from .dry_run import show_unsent

            show_unsent(asked, client, command, output, finishing)
            return ExitCode.OK
        with output.observer(results=command.output != "-") as observer:
            if finishing is not None:
                result: Result = finishing.run(client, prepared, command.save_partials, observer)
            else:
                result = client.run(
                    prepared,
                    save_partials=command.save_partials,
                    observer=observer,
                    no_wait=command.no_wait,
                )
    outcome = result_json(result)
    if prepared.request.background == "transparent":
        _look_at(outcome, output)
    if show_images is not None:
        show_images(result)
    if command.output == "-":
        _pour(result)
        for image in result.images[1:]:
            output.warn(f"the server sent one more image; it was saved as {image.path}")
    for task in result.tasks:
        output.result(f"Task: {show(task)}")
    if result.tasks:
        output.say(f"{called()} resume fetches its images; do not send the request again")
    output.finish(outcome)
    return ExitCode.OK


def _look_at(outcome: Dict[str, Any], output: Output) -> None:
    """Adds whether the images are transparent, where there is what can tell."""
    with suppress(Exception):  # they are paid for and saved, whatever is found
        from .further_calls import add_checks

        for warning in add_checks(outcome):
            output.warn(warning)


def _finishing(command: ImageCommand, stack: ExitStack, output: Output) -> Any:
    """The steps before and after the call, `commands/finishing`; None where no flag asks for one."""
    wishes = command.read_wishes(command) if hasattr(command, "read_wishes") else None
    if wishes is None:
        return None
    if command.no_wait and wishes.need_extra:
        raise UsageError("--no-wait ends before there is an image to work on", hint="leave it out")
    from .finishing import Finishing

    return Finishing(wishes, stack, output.say)


def _showing(command: ImageCommand, output: Output) -> Optional[Callable[[Result], None]]:
    """What draws the images on the terminal; None where that is not asked for."""
    if not getattr(command, "show", False):
        return None
    from .showing import showing

    return showing(output)


def _target(command: ImageCommand, client: Client) -> Optional[str]:
    """Where the image goes on disk. For stdout that is the rescue folder, until the reader has it all."""
    if command.output != "-":
        return command.output
    if command.request.n not in (None, 1):
        raise UsageError("-o - writes one image to stdout", hint="leave --n out, or give a file name")
    if command.json:
        raise UsageError("-o - and --json both want stdout", hint="give a file name, or leave --json out")
    if command.no_wait:
        raise UsageError("-o - waits for the image, --no-wait does not", hint="leave one of them out")
    if sys.__stdout__ is None:
        raise UsageError("-o - writes to stdout, which is closed", hint="open it, or give a file name")
    return str(client.rescue_folder) + os.sep


def _pour(result: Result) -> None:
    """Writes the one image to stdout, and removes its file once the reader has taken every byte."""
    import shutil

    image = result.images[0]
    try:
        with open(image.path, "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except (OSError, ValueError) as error:
        detach(sys.stdout)
        reason = getattr(error, "strerror", None) or error
        failure = OutputError(
            f"stdout did not take the image ({reason}); it was saved as {image.path}",
            hint="copy it from there",
            billed=result.billed,
        )
        failure.result = result
        raise failure from None
    os.unlink(image.path)
