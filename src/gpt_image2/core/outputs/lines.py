"""Files of many lines that only grow: journals."""

from __future__ import annotations

import os
from pathlib import Path

from .ours import open_ours, try_lock


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
