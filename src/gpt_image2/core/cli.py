"""The command's front door: `--help` and `--version` at once, everything else by `dispatch`.

It imports nothing that takes time, not even `typing`: who asks for the version waits for nothing else.
"""

from __future__ import annotations

import sys

from .base.about import PROGRAM, VERSION, called
from .base.exit_codes import EXIT_CODES

COMMANDS = (
    ("generate", "make images from a text"),
    ("edit", "make new images from images and a text"),
    ("batch", "run many jobs from a file, side by side and again"),
    ("history", "list, show, redo or forget the requests that were sent"),
    ("spend", "add up what they cost"),
    ("cost", "tell what a request would cost"),
    ("resume", "finish calls that were killed or could not fetch an image"),
    ("config", "create a config file, or show the settings in force"),
    ("doctor", "check everything that a call needs, for free"),
    ("mask", "make the mask for an edit from shapes in words"),
    ("compose", "put the source of an edit back outside its mask"),
    ("cutout", "cut a subject out of its background"),
    ("fit", "bring a picture to an exact size, under a weight, or into another format"),
    ("check", "check a picture's size, transparency, or what an edit changed"),
    ("sheet", "put pictures on one sheet, with letters and prompts"),
    ("show", "show pictures in the terminal"),
    ("studio", "make, find and look at pictures in a page of your own browser"),
    ("sandbox", "run an offline Images API on loopback, to rehearse without a key"),
    ("mcp", "serve the tools over the Model Context Protocol"),
    ("install-skill", "copy the skill to where an agent looks for it"),
)


def main(argv: list[str] | None = None) -> int:
    """Runs the command line and returns its exit code; never raises, but for `SystemExit` after `--help`, or
    where it cannot tell what happens in the way that was asked for."""
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:  # before the call that could be stopped had begun, or when it was done
        return 130


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["help"] and len(arguments) > 1:
        arguments = [*arguments[1:], "--help"]
    command = arguments[0] if arguments else "--help"
    if command in ("-h", "--help", "help"):
        return _print(_help())
    if command in ("-V", "-v", "--version", "version"):
        return _print(f"{PROGRAM} {VERSION}")
    from .dispatch import run_command

    return run_command(arguments, [name for name, _ in COMMANDS])


def _print(text: str) -> int:
    """A text on stdout, which may be closed, full, or left by its reader."""
    try:
        print(text, flush=True)
    except (OSError, ValueError):
        from .telling.streams import detach

        detach(sys.stdout)
    return 0


def _help() -> str:
    width = max(len(name) for name, _ in COMMANDS)
    commands = "\n".join(f"  {name:<{width}}  {summary}" for name, summary in COMMANDS)
    text = (
        f"usage: {called()} COMMAND [options]\n\n"
        f"Generate and edit images with gpt-image-2.\n\ncommands:\n{commands}\n\n"
        f"Help for one: {called()} help COMMAND. Version: {called()} --version.\n\n{EXIT_CODES}"
    )
    try:
        from .base.terminal import narrowed

        return narrowed(text)
    except Exception:  # the script lies alone
        return text
