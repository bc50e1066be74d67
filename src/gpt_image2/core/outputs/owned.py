"""Private folders of a living process: locked while it lives, so that what a dead one left shows."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .files import lock_file

_MARKER = ".gpt-image-2"


class OwnedFolder:
    """A private folder of this process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700)
        self._descriptor = os.open(str(path / _MARKER), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        lock_file(self._descriptor)

    def remove(self) -> None:
        """Deletes it with all that is in it."""
        shutil.rmtree(str(self.path), ignore_errors=True)
        self.release()

    def release(self) -> None:
        """Leaves it to others, as if this process had ended."""
        os.close(self._descriptor)


def owned_folder(parent: Path, prefix: str) -> OwnedFolder:
    """A new private folder below a parent."""
    return OwnedFolder(parent / f"{prefix}{os.urandom(4).hex()}")


def is_abandoned(folder: Path) -> bool:
    """Whether a folder is one of ours whose process has ended."""
    try:
        descriptor = os.open(str(folder / _MARKER), os.O_RDWR)
    except OSError:
        return False
    try:
        return lock_file(descriptor)
    finally:
        os.close(descriptor)
