"""The commands and their flags as Markdown, from the parsers themselves.

Every command is asked for its `--help`, and the parser that is about to print it is read instead: what it
prints differs between versions of Python and widths of terminals, what it is made of does not.
"""

from __future__ import annotations

import argparse
from typing import Iterator, List, Set, Tuple
from unittest import mock

from gpt_image2.core.batch.options import BATCH_COMMANDS
from gpt_image2.core.cli import COMMANDS
from gpt_image2.core.cli import main as run
from gpt_image2.core.commands.package_extras import EXTRAS
from gpt_image2.core.history.options import HISTORY_COMMANDS

#: Flags of this command are not told again of others that take them all.
_MAIN_COMMAND = "generate"
#: The commands below a command, with what each does in a line.
SUBCOMMANDS = {"batch": BATCH_COMMANDS, "history": HISTORY_COMMANDS}
_TABLE_HEAD = ("| argument | what it is |", "|---|---|")


class _HelpAsked(BaseException):
    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def command_reference() -> str:
    """A section a command, with a table a group of flags."""
    common = {_row(action) for action in _actions(parser_of(_MAIN_COMMAND))}
    sections: List[str] = []
    for name, summary in commands():
        sections.append(_section(name, summary, set() if name == _MAIN_COMMAND else common))
        below = SUBCOMMANDS.get(name, ())
        sections += [_section(f"{name} {word}", line, common, level=3) for word, line in below]
    return "\n".join(sections)


def commands() -> List[Tuple[str, str]]:
    """Name and summary of every command."""
    return list(COMMANDS)


def flags_of(name: str) -> List[str]:
    """Every flag that a command takes, or one below it."""
    names = [name, *(f"{name} {word}" for word, _ in SUBCOMMANDS.get(name, ()))]
    return [flag for one in names for action in _actions(parser_of(one)) for flag in action.option_strings]


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of a command, or of one below another: `batch run`."""

    def ask(parser: argparse.ArgumentParser, *_: object) -> None:
        raise _HelpAsked(parser)

    with mock.patch.object(argparse.ArgumentParser, "print_help", ask):
        try:
            run([*name.split(), "--help"])
        except _HelpAsked as asked:
            return asked.parser
    raise SystemExit(f"cannot read the flags of {name}: it needs the development environment (make setup)")


def _section(name: str, summary: str, common: Set[str], level: int = 2) -> str:
    parser = parser_of(name)
    flags = {row for row in common if row.startswith("| `-")}
    takes_all = bool(flags) and flags <= {_row(action) for action in _actions(parser)}
    lines = [f"{'#' * level} {name}", "", parser.description or summary, ""]
    if name in EXTRAS:
        extra = EXTRAS[name].extra
        install = f"`pip install '.[{extra}]'` (Python 3.10 or newer)" if extra else "`pip install .`"
        lines += [f"Not in the script alone: {install} in a clone of the project.", ""]
    if takes_all:
        rows = [row for _, actions in _groups(parser) for row in map(_row, actions) if row not in common]
        lines += [f"All that `{_MAIN_COMMAND}` takes, and:", "", *_TABLE_HEAD, *rows, ""]
        return "\n".join(lines)
    for title, actions in _groups(parser):
        heading = [f"{title[:1].upper()}{title[1:]}:", ""] if title else []
        lines += [*heading, *_TABLE_HEAD, *map(_row, actions), ""]
    return "\n".join(lines)


def _groups(parser: argparse.ArgumentParser) -> Iterator[Tuple[str, List[argparse.Action]]]:
    """The first group has no title: its name differs between versions of Python."""
    positionals, options, *named = parser._action_groups  # pyright: ignore[reportPrivateUsage]
    for title, groups in [("", [positionals, options]), *((group.title or "", [group]) for group in named)]:
        actions = [action for group in groups for action in group._group_actions if _is_shown(action)]  # pyright: ignore[reportPrivateUsage]
        if actions:
            yield title, actions


def _actions(parser: argparse.ArgumentParser) -> List[argparse.Action]:
    return parser._actions  # pyright: ignore[reportPrivateUsage]


def _is_shown(action: argparse.Action) -> bool:
    return action.help != argparse.SUPPRESS and action.dest != "help"


def _row(action: argparse.Action) -> str:
    return f"| {_name(action)} | {_help(action)} |"


def _name(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest.upper()}`".replace("|", "\\|")
    flags = ", ".join(f"`{flag}`" for flag in action.option_strings)
    if action.nargs == 0:
        return flags
    choices = "|".join(map(str, action.choices)) if action.choices else ""
    value = action.metavar or choices or action.dest.upper()
    return f"{flags} `{value if isinstance(value, str) else ' '.join(value)}`".replace("|", "\\|")


def _help(action: argparse.Action) -> str:
    text = (action.help or "") % vars(action)
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
