"""Write the shell completions and the man page from the command's own parsers; `--check` exits 1 when stale.

The completions come from shtab, the man page from argparse-manpage; both read the parsers that the command
itself uses.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any, Dict, List

import shtab
from argparse_manpage.manpage import Manpage  # pyright: ignore[reportMissingTypeStubs]
from consoles import prepare_consoles

from gpt_image2.core.base.about import PROGRAM, VERSION
from gpt_image2.core.base.exit_codes import EXIT_CODES
from gpt_image2.core.batch.options import BATCH_COMMANDS, batch_parser, batch_run_parser
from gpt_image2.core.batch_api.commands import BATCH_API_PARSERS
from gpt_image2.core.cli import COMMANDS
from gpt_image2.core.commands.config import config_parser
from gpt_image2.core.commands.doctor import doctor_parser
from gpt_image2.core.commands.options import Parser, image_parser
from gpt_image2.core.commands.resume import resume_parser
from gpt_image2.core.history.options import (
    HISTORY_COMMANDS,
    HISTORY_PARSERS,
    cost_parser,
    history_parser,
    spend_parser,
)

ROOT = Path(__file__).resolve().parent.parent
COMPLETIONS = {"bash": f"{PROGRAM}.bash", "zsh": f"_{PROGRAM}", "fish": f"{PROGRAM}.fish"}
PARSERS = {
    "generate": lambda: image_parser("generate"),
    "edit": lambda: image_parser("edit"),
    "batch": batch_parser,
    "history": history_parser,
    "spend": spend_parser,
    "cost": cost_parser,
    "config": config_parser,
    "doctor": doctor_parser,
    "resume": resume_parser,
}
#: The commands below a command: name and summary of each, and its parser.
SUBCOMMANDS = {
    "batch": (BATCH_COMMANDS, {"run": batch_run_parser, **BATCH_API_PARSERS}),
    "history": (HISTORY_COMMANDS, HISTORY_PARSERS),
}
FILE_OPTIONS = {
    *("config", "image", "jobs", "mask", "more_images", "out_dir", "output", "prompt_file", "target"),
}


def whole_parser() -> argparse.ArgumentParser:
    """One parser that holds every command."""
    parser = Parser(
        prog=PROGRAM,
        description="Generate and edit images with gpt-image-2.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=VERSION, help="show the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, summary in COMMANDS:
        if name not in PARSERS:
            commands.add_parser(name, help=summary, description=summary)
            continue
        child = add_command(commands, name, summary, PARSERS[name]())
        if name in SUBCOMMANDS:
            below = child.add_subparsers(dest="subcommand", metavar="COMMAND")
            summaries, parsers = SUBCOMMANDS[name]
            for word, line in summaries:
                if word in parsers:
                    add_command(below, word, line, parsers[word]())
                else:
                    below.add_parser(word, help=line, description=line)
    return parser


def add_command(commands: Any, name: str, summary: str, part: Parser) -> argparse.ArgumentParser:
    """Adds a command with the arguments of its own parser."""
    part.add_help = False
    child: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=part.description,
        parents=[without_help(part)],
        conflict_handler="resolve",
    )
    child.usage = part.usage
    return child


def without_help(parser: Parser) -> Parser:
    """The parser with its files marked for completion, and `--help` left to whoever takes it in."""
    actions: List[Any] = list(parser._actions)  # pyright: ignore[reportPrivateUsage]
    for action in actions:
        if action.dest in FILE_OPTIONS:
            action.complete = shtab.FILE
    return parser


def man_page() -> str:
    """The man page, dated by its version's entry in the changelog."""
    data: Dict[str, Any] = {
        "project_name": PROGRAM,
        "version": VERSION,
        "date": release_date(),
        "manual_title": "User Commands",
    }
    return str(Manpage(whole_parser(), format="single-commands-section", _data=data))


def release_date() -> str:
    """When this version was released, by the changelog."""
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    entry = re.search(rf"^## \[{re.escape(VERSION)}\] - (\S+)$", changes, re.MULTILINE)
    if entry is None:
        raise SystemExit(f"CHANGELOG.md has no entry for version {VERSION}")
    return entry.group(1)


def files() -> Dict[Path, str]:
    """Every generated file and its text."""
    parser = whole_parser()
    made = {
        ROOT / "completions" / name: shtab.complete(parser, shell=shell)
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
