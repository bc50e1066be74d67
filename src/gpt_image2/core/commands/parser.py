"""The parser of every command line, and what is said of one that is mistyped."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from typing import Any, NoReturn, Sequence

from ..base.about import called
from ..base.errors import UsageError
from ..base.exit_codes import EXIT_CODES
from ..telling.streams import print_text

_PIPE_COLUMNS = 80


def _help_columns() -> int:
    """How wide help is written. Left to itself argparse imports `shutil` for that at every start, 3 ms."""
    try:
        columns = int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size(1).columns
    except (OSError, ValueError):
        columns = 0
    return (columns or _PIPE_COLUMNS) - 2


def fitted_to_terminal(text: str) -> str:
    """Help whose lines fit a narrow terminal; as it is, where the script lies alone."""
    try:
        from ..base.terminal import narrowed

        return narrowed(text)
    except UsageError:
        return text


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations, keeps the lines of its epilog, and raises instead of leaving the
    process."""

    def __init__(self, **settings: Any) -> None:
        kind = argparse.RawDescriptionHelpFormatter if settings.get("epilog") else argparse.HelpFormatter
        settings.setdefault("formatter_class", partial(kind, width=_help_columns()))
        settings.setdefault("allow_abbrev", False)
        super().__init__(**settings)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            raise mistake("words", unrecognized(unknown), self, args, unknown)
        return found

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"see {self.prog} --help")

    def format_help(self) -> str:
        return fitted_to_terminal(super().format_help())

    def _print_message(self, message: str, file: Any = None) -> None:
        print_text(message, file or sys.stderr)


def mistake(kind: str, plain: str, *facts: Any) -> UsageError:
    """The error for a mistyped command line: what was probably meant, or a plain message where nothing lies
    beside the script that knows."""
    try:
        from .mistakes import MISTAKES

        return MISTAKES[kind](*facts)
    except UsageError as missing:
        if missing.code != "extra_missing":
            raise
        return UsageError(plain, hint=f"see {called()} --help")


def unrecognized(words: Sequence[str]) -> str:
    """What is wrong with words that nothing takes: names the flags alone where there are any, for a value may
    be a key."""
    flags = [word.partition("=")[0] for word in words if word.startswith("-")]
    return f"unrecognized arguments: {' '.join(flags or words)}"


def parser_of(command: str, description: str, usage: str = "", epilog: str = EXIT_CODES) -> Parser:
    """The parser of a command; by default its usage is made from its flags."""
    return Parser(
        prog=f"{called()} {command}",
        usage=f"%(prog)s {usage}" if usage else None,
        description=description,
        epilog=epilog,
    )
