"""How the commands of this layer end: what was saved, what it was made from and how, in lines and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gpt_image2.core.base.outcome import ExitCode, SavedImage
from gpt_image2.core.base.redact import show
from gpt_image2.core.commands.options import Parser, add_output_flags, parser_of
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
