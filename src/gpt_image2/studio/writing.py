"""Writes the few files that the studio keeps for itself, whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from gpt_image2.core.outputs.files import (
    new_private_file,
    open_part,
    prepare_folder,
    private_folder,
    temporary_folder,
    write_all,
)
from gpt_image2.core.outputs.ours import folder_lock

__all__ = [
    "folder_lock",
    "new_private_file",
    "prepare_folder",
    "private_place",
    "temporary_folder",
    "write_bytes",
]


def private_place(folder: Path) -> Path:
    """The folder, made with mode 0700 where it was missing; an `OSError` where somebody else owns it."""
    return private_folder(folder)


def write_bytes(path: Path, data: bytes) -> None:
    """A private file (0600, its folder 0700) with these bytes; an `OSError` where it cannot be written."""
    private_folder(path.parent)
    part, file = open_part(path, 0o600)
    try:
        with file:
            write_all(file, data)
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
