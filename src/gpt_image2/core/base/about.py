"""The program's name and version, as shown to people and sent to servers."""

from __future__ import annotations

import os
import sys

VERSION = "0.1.0"
PROGRAM = "gpt-image2"
USER_AGENT = f"{PROGRAM}/{VERSION}"

_UNQUOTED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/\\:._-+,@~")


def called() -> str:
    """This program as its user called it, so that a hint can be typed as it stands: the command, or Python
    and the script."""
    path = str(getattr(sys, "argv", [""])[0])
    folder, name = os.path.split(path)
    python = "python" if os.name == "nt" else "python3"
    if called.__module__ == "__main__" or name == "gpt_image2.py":  # the script, whatever it is named
        return f"{python} {in_quotes(path)}"
    if name == "__main__.py" and os.path.basename(folder) == "gpt_image2":
        return f"{python} -m gpt_image2"
    return PROGRAM


def in_quotes(word: str) -> str:
    """A word as a shell takes it for one word."""
    if word and _UNQUOTED.issuperset(word):
        return word
    if os.name == "nt":
        return '"' + word.replace('"', '\\"') + '"'
    return "'" + word.replace("'", "'\"'\"'") + "'"
