"""Clears what dead processes left, and rescues the whole images in it."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import List, Sequence

from ..api.images import is_whole_image
from .files import PART, is_same, private_folder, shortened
from .ours import open_ours, try_lock
from .owned import taken_over


def clear(parts: Sequence[str], folders: Sequence[str], rescue_folder: Path) -> List[str]:
    """Deletes parts and temporary folders whose processes have ended; the paths of whole images that were
    rescued."""
    rescued: List[str] = []
    for path in dict.fromkeys(parts):
        with suppress(OSError):
            rescued += _cleared(path, rescue_folder)
    with suppress(OSError):
        for folder in folders:
            abandoned = taken_over(Path(folder))
            if abandoned is not None:
                abandoned.close()
    return rescued


def _cleared(path: str, rescue_folder: Path) -> List[str]:
    match = re.match(PART, os.path.basename(path))
    name = match.group("name") if match else os.path.basename(path)
    if is_same(path, os.path.join(os.path.dirname(path), name)):
        os.unlink(path)  # it had got its name when its process was killed
        return []
    with os.fdopen(open_ours(Path(path), os.O_RDWR), "rb") as file:
        if try_lock(file.fileno()) is False:
            return []  # its process lives
        whole = is_whole_image(file)
    if not whole:
        os.unlink(path)
        return []
    target = private_folder(rescue_folder) / shortened(f"{os.urandom(3).hex()}-{name}")
    shutil.move(path, str(target))
    return [str(target)]
