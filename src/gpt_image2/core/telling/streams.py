"""Lines and JSON objects on standard output and standard error, whose readers may be gone."""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import contextmanager, suppress
from typing import Callable, Generator, Iterable, Mapping, Optional, TextIO


def keep_paths_printable() -> None:
    """Lets paths that are no valid text through on this process's streams."""
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors=errors)


def print_line(text: str, stream: TextIO) -> None:
    """One line. A reader that has gone away does not stop the command: the images are safe."""
    try:
        print(text, file=stream, flush=True)
    except OSError:
        detach(stream)


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


@contextmanager
def ticking(tick: Callable[[], None], interval_s: float) -> Generator[None, None, None]:
    """Calls `tick` from a thread of its own every `interval_s` while the context lasts."""
    done = threading.Event()

    def run() -> None:
        while not done.wait(interval_s):
            tick()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
