"""`gpt-image2 sheet`: pictures side by side, with letters and prompts, as a page or a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing

from gpt_image2.core.base.errors import LedgerError, UsageError
from gpt_image2.core.base.redact import show
from gpt_image2.core.commands.parser import Parser
from gpt_image2.core.history.search import made_by_file
from gpt_image2.core.ledger.database import LEDGER_NAME, read_database
from gpt_image2.core.settings.places import state_folder
from gpt_image2.core.telling.in_words import saved_line
from gpt_image2.core.telling.output import output_for

from ..files import check_output, encode, format_for, save, save_text
from ..sheet import Entry, as_page, as_picture
from .ending import add_target, finish, picture_parser

COMMAND = "sheet"
#: What a browser shows too; of a folder only these are taken.
_SHOWN = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif")
_MAX_PICTURES = 500


def main(argv: Sequence[str]) -> int:
    """Runs the command; its exit code."""
    output = output_for(list(argv))
    options = _parser().parse_args(argv)
    is_page = options.output.lower().endswith((".html", ".htm"))
    kind = "" if is_page else format_for(options.output)
    paths = _paths(options.files, options.output)
    target = check_output(options.output, paths)
    entries, warnings = _with_prompts(paths)
    figures: dict[str, object] = {}
    if is_page:
        size = save_text(target, as_page(entries, os.path.dirname(target)))
        output.result(saved_line(target, size))
        figures["page"] = target
    saved = [] if is_page else [save(target, encode(as_picture(entries), kind))]
    count = f"{len(entries)} {'picture' if len(entries) == 1 else 'pictures'}"
    return finish(output, COMMAND, saved, paths, "sheet", figures, [count], warnings)


def _paths(words: Sequence[str], target: str) -> list[str]:
    """The pictures that files and folders name, in their order; those of a folder by their names."""
    paths: list[str] = []
    for word in words:
        path = os.path.abspath(os.path.expanduser(word))
        if os.path.isdir(path):
            found = sorted(os.listdir(path))
            shown = [each for each in found if each.lower().endswith(_SHOWN) and not each.startswith(".")]
            paths += [os.path.join(path, each) for each in shown]
        elif os.path.isfile(path):
            paths.append(path)
        else:
            raise UsageError(
                f"{show(word, limit=None)} is missing", hint="give pictures, or a folder of them"
            )
    own = os.path.abspath(os.path.expanduser(target))
    paths = [path for path in dict.fromkeys(paths) if path != own or path in map(os.path.abspath, words)]
    if not 0 < len(paths) <= _MAX_PICTURES:
        many = "no picture" if not paths else f"{len(paths)} pictures, more than {_MAX_PICTURES}"
        raise UsageError(f"there is {many} to put on the sheet", hint="name the pictures, or another folder")
    return paths


def _with_prompts(paths: Sequence[str]) -> tuple[list[Entry], list[str]]:
    """The pictures with the prompts that the history knows, and what went wrong with that."""
    try:
        with closing(read_database(state_folder(os.environ) / LEDGER_NAME)) as database:
            past = [made_by_file(database, path)[0] for path in paths]
    except LedgerError as error:
        return [Entry(path) for path in paths], [f"no prompts: {error.message}"]
    return [Entry(path, each.prompt if each else "") for path, each in zip(paths, past, strict=True)], []


def _parser() -> Parser:
    parser = picture_parser(
        COMMAND,
        "Put pictures on one sheet, each with a letter to name it by and the prompt that the history knows.",
        "FILE|DIR… -o sheet.html|.png [options]",
    )
    parser.add_argument("files", nargs="+", metavar="FILE|DIR", help="pictures, or folders of them")
    add_target(parser.add_argument, "the sheet to write: a page (.html) or a picture (.png, .jpg, .webp)")
    return parser
