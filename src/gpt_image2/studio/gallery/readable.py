"""What the page is told about one request: all that the ledger has of it, and how it is asked again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from gpt_image2.core.base.about import PROGRAM
from gpt_image2.core.commands.field_flags import flag_of
from gpt_image2.core.history.formatting import request_json
from gpt_image2.core.history.search import PastRequest


def request_shown(past: PastRequest) -> Mapping[str, object]:
    """The request as `history show --json` tells it, with the command that asks for the same."""
    return {**request_json(past), "as_command": as_command(past)}


def as_command(past: PastRequest) -> str:
    """The command line of a request, quoted for a POSIX shell."""
    files = [file.path or file.source for file in past.inputs]
    options: list[str] = []
    for file in files[1:]:
        options += ["--image", file]
    for name, file in (("mask", past.mask), ("markup", past.markup)):
        if file is not None:
            options += [f"--{name}", file.path or file.source]
    options += ["--model", past.model]
    for name, value in past.fields.items():
        if value is True:
            options.append(flag_of(name))
        elif isinstance(value, (str, int, float)) and value is not False:
            options += [flag_of(name), str(value)]
    given = [*files[:1], past.prompt]
    is_flag_like = any(word.startswith("-") for word in given)
    words = [*options, "--", *given] if is_flag_like else [*given, *options]
    return shlex.join([PROGRAM, "edit" if files else "generate", *words])
