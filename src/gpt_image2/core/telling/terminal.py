"""Writes for people and programs on this process's stdout and stderr: lines, colour, a live line, JSON."""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import suppress
from typing import Iterable, Mapping, Optional, TextIO

from ..base.errors import GptImage2Error
from ..base.redact import show

_CLEAR_LINE = "\r\x1b[K"
_COLOURS = {"red": "31", "yellow": "33", "green": "32"}


class Terminal:
    """Writes for people: one line a message, colour and a live line only where a terminal shows them."""

    def __init__(self, env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._lock = threading.Lock()
        smart = stderr.isatty() and env.get("TERM") != "dumb"
        self.is_live = smart
        self._colours = smart and not env.get("NO_COLOR")

    def result(self, text: str) -> None:
        """A line on stdout. A reader that has gone away does not stop the call: the images are safe."""
        self._clear()
        try:
            print(text, file=self._stdout, flush=True)
        except OSError:
            detach(self._stdout)

    def say(self, text: str, label: str = "", colour: str = "") -> None:
        """A line on stderr, with a label in colour in front."""
        if label and self._colours and colour:
            label = f"\x1b[{_COLOURS[colour]}m{label}\x1b[0m"
        self._clear()
        try:
            print(f"{label}: {text}" if label else text, file=self._stderr, flush=True)
        except OSError:
            detach(self._stderr)

    def live(self, text: str) -> None:
        """Replaces the live line."""
        if self.is_live:
            with self._lock:
                self._stderr.write(_CLEAR_LINE + text)
                self._stderr.flush()

    def error(self, error: GptImage2Error) -> None:
        """An error: one line what happened and what to do, and one about the money if anything was sent."""
        text = show(error.message, limit=None)
        self.say(
            f"{text.rstrip('.')}; {show(error.hint, limit=None)}" if error.hint else text, "error", "red"
        )
        if error.result and error.result.attempts:
            request = f", request id {error.request_id}" if error.request_id else ""
            self.say(f"billed: {error.billed.value} (requests sent: {error.result.attempts}{request})")

    def _clear(self) -> None:
        self.live("")


def print_json(
    value: Mapping[str, object], stdout: TextIO, rows: Optional[Iterable[Mapping[str, object]]] = None
) -> None:
    """One JSON object on one line, with `rows` as its last field where there are any, written as they come.

    Escaped where it holds a path that is no text, or stdout takes no UTF-8. A reader that has gone away does
    not change how the command ends.
    """
    text = _json_text(value, stdout)
    try:
        if rows is not None:
            print(text[:-1], '"rows": [', sep=", ", end="", file=stdout)
            for number, row in enumerate(rows):
                print(", " if number else "", _json_text(row, stdout), sep="", end="", file=stdout)
            text = "]}"
        print(text, file=stdout, flush=True)
    except OSError:
        detach(stdout)


def _json_text(value: Mapping[str, object], stdout: TextIO) -> str:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode("utf-8")
        text.encode(stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value)
    return text


def detach(stream: TextIO) -> None:
    """Points a closed stream nowhere, so that the interpreter's last flush does not complain."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def standard_terminal(env: Mapping[str, str]) -> Terminal:
    """The terminal of this process; paths that are no valid text survive on it."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="surrogateescape" if stream is sys.stdout else "backslashreplace")
    return Terminal(env, sys.stdout, sys.stderr)
