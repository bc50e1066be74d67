"""Files of many lines that only grow: journals."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Sequence

from .ours import open_ours, try_lock


def open_to_append(path: Path) -> int:
    """A file of this user, made where it is missing, as its folder is, whose writes all go to its end.

    Raises:
        OSError: it is a link or anything else than a plain file of ours (its text says what), or cannot be
            opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return open_ours(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)


def end_line(descriptor: int) -> None:
    """Ends the last line of an open file where it has no end."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if size:
        os.lseek(descriptor, size - 1, os.SEEK_SET)
        if os.read(descriptor, 1) != b"\n":
            os.write(descriptor, b"\n")


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one at a path."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(str(path)))
    except OSError:
        return False


def close_or_take_away(descriptor: int, path: Path) -> None:
    """Closes a locked file; one that is empty goes, and nobody else can have locked it meanwhile."""
    is_empty = os.fstat(descriptor).st_size == 0
    on_windows = os.name == "nt"  # where what is open cannot be removed
    if is_empty and not on_windows:
        _take_away(path)
    os.close(descriptor)
    if is_empty and on_windows:
        _take_away(path)


def remove_empty(folders: Sequence[Path]) -> None:
    """Removes folders that were made for nothing, the innermost first; the first with something in it stays,
    and all around it."""
    with suppress(OSError):
        for folder in folders:
            with suppress(FileNotFoundError):  # another process did so
                os.rmdir(str(folder))


def _take_away(path: Path) -> None:
    with suppress(OSError):
        os.unlink(str(path))


def lock_file(descriptor: int) -> bool:
    """Locks an open file until it is closed; False when another process has it locked."""
    # A file system without locks: better unguarded than not at all.
    return try_lock(descriptor) is not False
