"""How the commands of this layer end: what was saved, what it was made from and how, in lines and as JSON."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from gpt_image2.core.api.images import sha256_of
from gpt_image2.core.base.errors import GptImage2Error
from gpt_image2.core.base.outcome import Derivation, ExitCode, MadeFrom, SavedImage
from gpt_image2.core.base.record import replace
from gpt_image2.core.base.redact import show
from gpt_image2.core.commands.options import add_output_flags
from gpt_image2.core.commands.parser import Parser, parser_of
from gpt_image2.core.ledger.afterwards import record_derived
from gpt_image2.core.ledger.recording import Ledger
from gpt_image2.core.settings.config import load_settings
from gpt_image2.core.settings.places import state_folder
from gpt_image2.core.telling.as_json import image_json
from gpt_image2.core.telling.in_words import saved_line
from gpt_image2.core.telling.output import Output

Add = Callable[..., object]


def picture_parser(command: str, description: str, usage: str) -> Parser:
    """The parser of a command, which gets the flags for how it tells what it did."""
    parser = parser_of(command, description, usage)
    add_output_flags(parser.add_argument)
    return parser


def add_target(add: Add, text: str = "the file to write: .png, .jpg or .webp") -> None:
    """Adds `-o`, which every command needs that writes a picture."""
    add("-o", "--output", required=True, metavar="FILE", help=text)


def add_history_flag(add: Add) -> None:
    """Adds `--no-history`, for commands whose pictures the ledger keeps."""
    add("--no-history", action="store_true", help="leave no trace of this picture in the history")


def keep_derivation(
    output: Output,
    saved: SavedImage,
    derived_from: Sequence[str],
    method: str,
    *,
    no_history: bool,
) -> None:
    """Puts into the ledger what a picture was made from, unless that is off. The picture stands, whatever
    comes of it."""
    if no_history:
        return
    try:
        settings = load_settings(os.environ)
        if settings.history:
            sources = tuple(MadeFrom(path, sha256_of(path)) for path in derived_from)
            made = replace(saved, derivation=Derivation(method, sources))
            ledger = Ledger(state_folder(os.environ), settings.secrets)
            record_derived(ledger, made, output.warn)
    except (GptImage2Error, OSError) as problem:
        output.warn(f"this picture is not in the history: {show(str(problem), limit=None)}")


def finish(
    output: Output,
    command: str,
    saved: Sequence[SavedImage],
    derived_from: Sequence[str],
    method: str,
    figures: Mapping[str, object],
    notes: Sequence[str] = (),
    warnings: Sequence[str] = (),
    code: ExitCode = ExitCode.OK,
) -> int:
    """Says how a command ended; its exit code.

    `derived_from` are the files that it was made from, `figures` what was measured, in the JSON's own names.
    """
    for note in notes:
        output.say(show(note, limit=None))
    for warning in warnings:
        output.warn(show(warning, limit=None))
    for image in saved:
        output.result(saved_line(image.path, image.size_bytes))
    output.finish(
        {
            "ok": code == ExitCode.OK,
            "command": command,
            "images": [image_json(image) for image in saved],
            "derived_from": list(derived_from),
            "method": method,
            **figures,
            "notes": list(notes),
            "warnings": list(warnings),
        }
    )
    return int(code)
