"""Folders that belong to a living process: whoever finds one can tell whether its owner is still at work.

Such a folder is private (0700) and holds a marker that its owner keeps locked while it lives. Only what has
our marker and no living owner is abandoned; a folder that merely has a name like ours is somebody else's.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Optional

from .ours import is_mine, open_ours, stat_of, try_lock

MARKER = ".gpt-image-2-owner"
_MARK = b"gpt-image-2 "
_EMPTIED = b"gpt-image-2!"  # what it becomes first when the folder is deleted: what is left then is no whole
STALE_S = 24 * 3600.0
#: From this age on an empty folder without a mark has no owner that is about to mark it.
_UNMARKED_S = 3600.0


class OwnedFolder:
    """A folder of this process. A context manager: leaving it closes it. Neither way out ever raises."""

    def __init__(self, path: Path, marker: int) -> None:
        self.path = path
        self._marker = marker
        self._made = os.lstat(str(path))

    def __enter__(self) -> OwnedFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Deletes it with all that is in it. It may be gone by then, or another folder have its name."""
        marker, self._marker = self._marker, -1
        if marker < 0:
            return
        if self._is_there():
            with suppress(OSError):
                os.lseek(marker, 0, os.SEEK_SET)
                os.write(marker, _EMPTIED)
            _empty(self.path)
            _delete_marker(self.path)  # while it is locked: nobody takes over what is being deleted
        with suppress(OSError):
            os.close(marker)
        if self._is_there():
            _delete_marker(self.path)  # Windows deletes no open file
            with suppress(OSError):
                self.path.rmdir()

    def leave(self) -> None:
        """Leaves it where it is, abandoned, for another process to take over."""
        marker, self._marker = self._marker, -1
        if marker >= 0:
            with suppress(OSError):
                os.close(marker)

    def _is_there(self) -> bool:
        info = _folder_stat(self.path)
        return info is not None and os.path.samestat(info, self._made)


def owned_folder(parent: Path, prefix: str) -> OwnedFolder:
    """A new folder of this process with a name of its own; an `OSError` where it cannot be made."""
    return own_folder(parent / f"{prefix}{os.urandom(4).hex()}", prefix.strip("-"))


def own_folder(folder: Path, kind: str) -> OwnedFolder:
    """As `owned_folder`, by exactly this name. `kind` is for those who look into the marker."""
    folder.mkdir(mode=0o700)
    marker = -1
    try:
        marker = os.open(
            str(folder / MARKER),
            os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0),
            0o600,
        )
        try_lock(marker)
        os.lseek(marker, 0, os.SEEK_SET)
        # Only now does it say what it is: an unlocked marker with its mark has no living owner.
        os.write(marker, _MARK + kind.encode("utf-8") + b"\n")
        return OwnedFolder(folder, marker)
    except BaseException:
        if marker >= 0:
            os.close(marker)
        _delete_marker(folder)
        with suppress(OSError):
            folder.rmdir()
        raise


def taken_over(folder: Path) -> Optional[OwnedFolder]:
    """An abandoned folder, which is this process's from now on; None where it is not abandoned. One whose
    owner was killed while he deleted it is deleted."""
    path = folder / MARKER
    info = _folder_stat(folder)
    if info is None or not is_mine(info):
        return None
    try:
        marker = open_ours(path, os.O_RDWR)
    except OSError:
        return None
    owned: Optional[OwnedFolder] = None
    mark = b""
    with suppress(OSError):
        mark = os.read(marker, len(_MARK))
        if mark in (_MARK, _EMPTIED) and _has_no_owner(marker, path, info):
            owned = OwnedFolder(folder, marker)
    if owned is None:
        os.close(marker)
    elif mark == _EMPTIED:
        owned.close()
        return None
    return owned


def is_abandoned(folder: Path) -> bool:
    """Whether it has our marker and no living owner. Without locks, what is younger than a day has one."""
    owned = taken_over(folder)
    if owned is not None:
        owned.leave()
    return owned is not None


def sweep_unmarked(folder: Path) -> None:
    """Deletes a folder that `is_unmarked`. For places where only we make folders."""
    if is_unmarked(folder):
        _delete_marker(folder)
        with suppress(OSError):
            folder.rmdir()


def is_unmarked(folder: Path) -> bool:
    """Whether the owner of a folder died before it was marked: for long it has been empty, but for a marker
    without its mark that nobody holds."""
    info = _folder_stat(folder)
    if info is None or not is_mine(info) or time.time() - info.st_mtime < _UNMARKED_S:
        return False
    try:
        names = os.listdir(str(folder))
        if names != [MARKER]:
            return not names
        marker = open_ours(folder / MARKER, os.O_RDWR)
        try:
            return os.fstat(marker).st_size == 0 and try_lock(marker) is not False
        finally:
            os.close(marker)
    except OSError:
        return False


def _has_no_owner(marker: int, path: Path, folder: os.stat_result) -> bool:
    lock = try_lock(marker)
    opened, there = os.fstat(marker), stat_of(path)
    if lock is None:
        return time.time() - max(opened.st_mtime, folder.st_mtime) > STALE_S
    return lock and there is not None and os.path.samestat(opened, there)


def _folder_stat(folder: Path) -> Optional[os.stat_result]:
    """What is known of a real folder; None for a link (on Windows a junction too), and for anything else."""
    try:
        info = stat_of(folder)
    except OSError:
        return None
    if info is None or not stat.S_ISDIR(info.st_mode) or getattr(info, "st_reparse_tag", 0):
        return None
    return info


def _empty(folder: Path) -> None:
    """Deletes what is in a folder, but for its marker."""
    with suppress(OSError), os.scandir(str(folder)) as entries:
        for entry in list(entries):
            if entry.name == MARKER:
                continue
            if entry.is_dir(follow_symlinks=False):
                import shutil

                shutil.rmtree(entry.path, ignore_errors=True)
                continue
            with suppress(OSError):
                os.unlink(entry.path)


def _delete_marker(folder: Path) -> None:
    with suppress(OSError):
        os.unlink(str(folder / MARKER))
