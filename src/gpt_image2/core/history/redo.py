"""Completes a `history redo` command line from the request that it repeats."""

from __future__ import annotations

import os
from itertools import chain, count
from pathlib import Path
from typing import Optional

from ..api.request import REQUEST_FIELDS, ImageRequest
from ..base.errors import UsageError
from ..base.record import replace
from ..commands.options import ImageCommand
from ..commands.probe import PROBE_COMMAND
from ..ledger.entries import InputFile, request_from_fields
from ..outputs.naming import extension
from .search import PastRequest


def fill_in(command: ImageCommand, past: PastRequest, image_path: Optional[str]) -> None:
    """Takes from `past` whatever the command line leaves out: fields, inputs, mask and output. By default its
    output is a free name beside `image_path`, else beside the first image of the request."""
    if past.command == PROBE_COMMAND:
        raise UsageError(
            f"request {past.id} is a probe of a base URL", hint="send a new one: doctor --probe --yes"
        )
    inputs = () if command.sources else past.inputs
    mask = None if command.mask else past.mask
    command.request = _changed_request(past, command.request)
    if command.output is None:
        command.output = _beside(past, image_path, command.request.effective_format)
        command.no_clobber = True
    if inputs:
        command.sources = tuple(_kept_source(past, file, "input image") for file in inputs)
    if mask:
        command.mask = _kept_source(past, mask, "mask")
    command.command = "edit" if command.sources else "generate"
    kept = (*inputs, *((mask,) if mask else ()))
    command.expected_sha256 = tuple((file.path or file.source, file.sha256) for file in kept)


def _changed_request(past: PastRequest, changes: ImageRequest) -> ImageRequest:
    """The request as it was, but for the fields that are set in `changes`."""
    given = {name: getattr(changes, name) for name in ("prompt", *REQUEST_FIELDS)}
    changed = {name: value for name, value in given.items() if value not in (None, "") and value is not False}
    request = request_from_fields(past.prompt, past.model, past.fields)
    extra = {**dict(request.extra), **dict(changes.extra)}
    return replace(request, extra=tuple(extra.items()), **changed)


def _kept_source(past: PastRequest, file: InputFile, what: str) -> str:
    if file.source == "-":
        raise UsageError(
            f"the {what} of request {past.id} came from standard input and was not kept",
            hint=_replacement(what),
        )
    if file.path and not os.path.isfile(file.path):
        raise UsageError(
            f"the {what} of request {past.id} is missing: {file.path}",
            hint=f"put it back, or {_replacement(what)}",
        )
    return file.path or file.source


def _replacement(what: str) -> str:
    return f"give another with {'--mask' if what == 'mask' else '--image'}"


def _beside(past: PastRequest, image_path: Optional[str], output_format: str) -> str:
    """A free name like that of the output that was asked for, in the folder where its image is now."""
    asked = Path(image_path or past.output)
    was = past.fields.get("output_format") or "png"
    if asked.suffix and was != output_format:
        asked = asked.with_suffix(f".{extension(output_format)}")
    names = (asked.with_name(f"{asked.stem}-{number}{asked.suffix}") for number in count(1))
    return str(next(path for path in chain([asked], names) if not os.path.lexists(str(path))))
