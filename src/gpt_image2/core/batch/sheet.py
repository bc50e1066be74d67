"""Puts the contact sheet in the folder of a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterable

from ..api.request import ImageRequest
from ..base.errors import OutputError
from ..outputs.files import write_pieces
from .contact_sheet import SHEET_MARK, SHEET_NAME, contact_sheet

_HEAD_BYTES_READ = 4096


def write_sheet(
    folder: Path, title: str, words: str, rows: Iterable[Dict[str, Any]], requests: Iterable[ImageRequest]
) -> str:
    """Writes the contact sheet of a folder anew; its path.

    Raises:
        OutputError: another file has its name, or it cannot be written.
        OSError: what is there cannot be read.
    """
    path = folder / SHEET_NAME
    if path.exists():
        with open(str(path), "rb") as file:
            if SHEET_MARK.encode() not in file.read(_HEAD_BYTES_READ):
                raise OutputError(f"{path} is not ours; the contact sheet was left out")
    write_pieces(path, contact_sheet(title, words, rows, requests, str(folder)))
    return str(path)
