"""Files of many lines: journals, which only grow, and contact sheets, which are written whole."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Iterable

from ..base.errors import OutputError
from .files import open_part, write_all
from .ours import check_replaceable, open_ours, try_lock


def write_pieces(path: Path, pieces: Iterable[str]) -> None:
    """Writes a text file from its pieces, whole or not at all; an `OutputError` where it cannot."""
    try:
        part, file = open_part(path)
        try:
            with file:
                for piece in pieces:
                    write_all(file, piece.encode("utf-8", "replace"))
            check_replaceable(path)
            os.replace(str(part), str(path))
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None


def open_to_append(path: Path) -> int:
    """A file of this user, made where it is missing, whose writes all go to its end.

    Raises:
        OSError: it is a link or anything else than a plain file of ours (its text says what), or cannot be
            opened.
    """
    return open_ours(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)


def end_line(descriptor: int) -> None:
    """Ends the last line of an open file where it has no end."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if size:
        os.lseek(descriptor, size - 1, os.SEEK_SET)
        if os.read(descriptor, 1) != b"\n":
            os.write(descriptor, b"\n")


def lock_file(descriptor: int) -> bool:
    """Locks an open file until it is closed; False when another process has it locked."""
    # A file system without locks: better unguarded than not at all.
    return try_lock(descriptor) is not False
