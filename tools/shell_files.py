"""Write the shell completions and the man page from the command's own parsers; `--check` exits 1 when stale.

The completions come from shtab, the man page from argparse-manpage; both read the parsers that the command
itself uses.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List

import shtab
from argparse_manpage.manpage import Manpage  # pyright: ignore[reportMissingTypeStubs]
from cli_reference import SUBCOMMANDS, commands, parser_of
from completion_values import add_values
from consoles import prepare_consoles

from gpt_image2.core.base.about import PROGRAM, VERSION
from gpt_image2.core.base.exit_codes import EXIT_MEANINGS
from gpt_image2.core.commands.parser import Parser

ROOT = Path(__file__).resolve().parent.parent
COMPLETIONS = {"bash": f"{PROGRAM}.bash", "zsh": f"_{PROGRAM}", "fish": f"{PROGRAM}.fish"}
SECTIONS = ROOT / "tools" / "man_sections.txt"
DESCRIPTION = "Generate and edit images with gpt-image-2"
#: Headings of argparse-manpage, and what they are in a manual page.
HEADINGS = {".SH\nPOSITIONAL ARGUMENTS": ".SH COMMANDS", ".SH COMMENTS": ".SH EXIT STATUS"}


def whole_parser() -> argparse.ArgumentParser:
    """One parser that holds every command, also of what is not installed everywhere."""
    parser = Parser(prog=PROGRAM, description=f"{DESCRIPTION}.")
    parser.add_argument("--version", action="version", version=VERSION, help="show the version")
    below: Any = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, summary in commands():
        child = add_command(below, name, name, summary)
        if name in SUBCOMMANDS:
            deeper: Any = child.add_subparsers(dest="subcommand", metavar="COMMAND")
            for word, line in SUBCOMMANDS[name]:
                add_command(deeper, word, f"{name} {word}", line)
    return parser


def add_command(below: Any, word: str, name: str, summary: str) -> argparse.ArgumentParser:
    """Adds a command with the arguments of its own parser."""
    part = parser_of(name)
    part.add_help = False  # left to whoever takes it in
    child: argparse.ArgumentParser = below.add_parser(
        word, help=summary, description=part.description, parents=[part], conflict_handler="resolve"
    )
    child.usage = part.usage
    return child


def completing_parser() -> argparse.ArgumentParser:
    """The parser with the values that its arguments take, and `help`."""
    parser = whole_parser()
    for action in actions_of(parser):
        add_values(action)
    actions: List[Any] = parser._actions  # pyright: ignore[reportPrivateUsage]
    below = next(each for each in actions if each.dest == "command")
    asked: argparse.ArgumentParser = below.add_parser("help", help="show the help of a command")
    asked.add_argument("name", nargs="?", choices=[name for name, _ in commands()], help="a command")
    return parser


def actions_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The arguments of a parser and of all commands below it."""
    actions: List[Any] = parser._actions  # pyright: ignore[reportPrivateUsage]
    for action in actions:
        if action.nargs == argparse.PARSER:
            for child in action.choices.values():
                yield from actions_of(child)
        else:
            yield action


def man_page() -> str:
    """The man page, dated by its version's entry in the changelog."""
    data: Dict[str, Any] = {
        "project_name": PROGRAM,
        "version": VERSION,
        "date": release_date(),
        "manual_title": "User Commands",
        "description": DESCRIPTION,
        "include": str(SECTIONS),
    }
    page: Any = Manpage(whole_parser(), format="single-commands-section", _data=data)
    codes = "\n".join(f".TP\n.B {code}\n{text}" for code, text in EXIT_MEANINGS.items())
    page.add_section("comments", "=", codes)
    text = str(page)
    for made, wanted in HEADINGS.items():
        text = text.replace(made, wanted)
    return "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in text)


def release_date() -> str:
    """When this version was released, by the changelog."""
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    entry = re.search(rf"^## \[{re.escape(VERSION)}\] - (\S+)$", changes, re.MULTILINE)
    if entry is None:
        raise SystemExit(f"CHANGELOG.md has no entry for version {VERSION}")
    return entry.group(1)


def files() -> Dict[Path, str]:
    """Every generated file and its text."""
    made = {
        ROOT / "completions" / name: shtab.complete(completing_parser(), shell=shell)
        for shell, name in COMPLETIONS.items()
    }
    made[ROOT / "completions" / f"{PROGRAM}.1"] = man_page()
    return {path: text.rstrip("\n") + "\n" for path, text in made.items()}


def main() -> int:
    """Write the files, or check them."""
    prepare_consoles()
    arguments = argparse.ArgumentParser(description="Write the shell completions and the man page.")
    arguments.add_argument("--check", action="store_true", help="exit 1 when a file is stale; write nothing")
    check = arguments.parse_args().check
    stale: List[Path] = []
    for path, text in files().items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
    for path in stale:
        print(
            f"{'Stale' if check else 'Wrote'} {path.relative_to(ROOT)}",
            file=sys.stderr if check else sys.stdout,
        )
    if check and stale:
        print("rebuild with: make docs", file=sys.stderr)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
