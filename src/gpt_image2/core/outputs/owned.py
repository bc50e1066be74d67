"""Private folders of a living process: locked while it lives, so that what a dead one left shows."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Optional

from .files import lock_file

_MARKER = ".gpt-image-2-owner"


class OwnedFolder:
    """A private folder of this process."""

    def __init__(self, path: Path, marker: int) -> None:
        self.path = path
        self._marker = marker

    def close(self) -> None:
        """Deletes it with all that is in it."""
        shutil.rmtree(str(self.path), ignore_errors=True)
        self.leave()

    def leave(self) -> None:
        """Leaves it where it is, abandoned."""
        os.close(self._marker)


def owned_folder(parent: Path, prefix: str) -> OwnedFolder:
    """A new private folder below a parent."""
    path = parent / f"{prefix}{os.urandom(4).hex()}"
    path.mkdir(mode=0o700)
    marker = os.open(str(path / _MARKER), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    lock_file(marker)
    return OwnedFolder(path, marker)


def taken_over(folder: Path) -> Optional[OwnedFolder]:
    """An abandoned folder, which is this process's from now on."""
    try:
        marker = os.open(str(folder / _MARKER), os.O_RDWR)
    except OSError:
        return None
    if lock_file(marker):
        return OwnedFolder(folder, marker)
    os.close(marker)
    return None
