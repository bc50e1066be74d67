"""Lines and JSON objects on standard output and standard error, whose readers may be gone."""

from __future__ import annotations

import codecs
import json
import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from typing import Callable, Generator, Iterable, Mapping, Optional, TextIO, Tuple, Union

_ESCAPED = "gpt-image-2-escaped"


def prepare_streams() -> None:
    """Makes the standard streams of this process fit to be used, whoever started it and how.

    The null device stands for one that is closed: no file that is opened later can take its place, and be
    written to by what is printed. What a stream's encoding does not have is written as an escape.
    """
    codecs.register_error(_ESCAPED, _escape)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream: Optional[TextIO] = getattr(sys, name)
        if stream is None:
            null = os.open(os.devnull, os.O_RDWR)
            stream = open(null, "w" if number else "r", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
        reconfigure = getattr(stream, "reconfigure", None)
        if number and reconfigure:
            reconfigure(errors=_ESCAPED if stream is sys.stdout else "backslashreplace")


def _escape(error: UnicodeError) -> Tuple[Union[str, bytes], int]:
    """For results: the bytes of a path that is no valid text as they are, everything else as an escape."""
    if isinstance(error, UnicodeEncodeError) and not error.encoding.startswith(("utf-16", "utf-32")):
        error.end = error.start + 1
        with suppress(UnicodeEncodeError):
            return codecs.lookup_error("surrogateescape")(error)
    return codecs.backslashreplace_errors(error)


def print_text(text: str, stream: TextIO) -> None:
    """Writes a text at once. A reader that has gone away, or a full disk, does not stop the command: the
    images are safe."""
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
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
            try:
                for number, row in enumerate(rows):
                    print(", " if number else "", _json_text(row, stdout), sep="", end="", file=stdout)
            finally:  # one whole object, whatever becomes of its rows
                print("]}", file=stdout, flush=True)
            return
        print(text, file=stdout, flush=True)
    except (OSError, ValueError):
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
    """Points a stream that takes nothing nowhere, so that the interpreter's last flush does not complain."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def ticking(tick: Callable[[], None], interval_s: float) -> Generator[None, None, None]:
    """Calls `tick` from a thread of its own every `interval_s` while the context lasts; never, where the
    system has no thread left."""
    done = threading.Event()

    def run() -> None:
        if hasattr(signal, "pthread_sigmask"):  # they are for the thread that waits for the answer
            signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        while not done.wait(interval_s):
            tick()

    thread = threading.Thread(target=run, daemon=True)
    with suppress(RuntimeError):
        thread.start()
    try:
        yield
    finally:
        done.set()
        if thread.ident is not None:
            thread.join()
