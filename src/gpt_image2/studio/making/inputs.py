"""The pictures that can be sent along: those of the gallery, and what was dropped, pasted or chosen, which is
kept by its content below the studio's own folder. An id leads to a file; no path ever comes from the page.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.ledger.database import LEDGER_NAME, read_database
from gpt_image2.core.ledger.entries import InputFile
from gpt_image2.pictures.files import open_picture
from gpt_image2.pictures.masks import mask_png
from gpt_image2.pictures.uploads import for_upload

from ..gallery.cards import ids_with_content
from ..gallery.picture_files import PictureFiles, image_row
from ..writing import temporary_folder, write_bytes
from .masks import painted_mask

_ID = re.compile(r"in-([0-9a-f]{64})")


@dataclass(frozen=True)
class Input:
    """A picture that can be sent. Sizes are pixels; `notes` say what was done so that the API takes it."""

    id: str
    path: Path
    sha256: str
    width: int
    height: int
    notes: tuple[str, ...] = ()


class Inputs:
    """The inputs of one studio."""

    def __init__(self, folder: Path, state_dir: Path, files: PictureFiles) -> None:
        self._folder = folder
        self._ledger = state_dir / LEDGER_NAME
        self._files = files

    def add(self, data: bytes) -> Input:
        """Keeps a picture as the API takes it.

        Raises:
            UsageError: it is no picture that can be read.
            OSError: it cannot be kept.
        """
        with temporary_folder() as folder:  # the same may be added twice at once
            raw = folder / f"{hashlib.sha256(data).hexdigest()}.raw"
            write_bytes(raw, data)
            upload = for_upload(str(raw), folder)
            return self.keep(Path(upload.path).read_bytes(), upload.notes)

    def keep(self, data: bytes, notes: tuple[str, ...] = ()) -> Input:
        """Keeps a file that the API takes as it is."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self._path(sha256)
        write_bytes(path, data)
        picture = open_picture(str(path))
        return Input(f"in-{sha256}", path, sha256, *picture.size, notes)

    def paint(self, picture_id: str, painting: Mapping[str, Any]) -> tuple[Input, float]:
        """Keeps the mask that was painted over a picture; with the share of it that is to be edited.

        Raises:
            UsageError: see `painted_mask`.
        """
        picture = open_picture(str(self.path(picture_id)), "input image")
        with temporary_folder() as folder:
            mask = painted_mask(picture, painting, folder, self.path)
        data, note = mask_png(mask)
        return self.keep(data, (*mask.notes, *([note] if note else []))), mask.share

    def path(self, input_id: str) -> Path:
        """The file of an id of the gallery or of an input.

        Raises:
            UsageError: there is none, or it is gone.
        """
        match = _ID.fullmatch(input_id)
        path = self._path(match[1]) if match else self._of_gallery(input_id)
        if path is None or not path.is_file():
            raise UsageError("an input image is gone", hint="take it out and add it again")
        return path

    def found(self, file: InputFile) -> str | None:
        """The id of what was sent once, by its content: of the gallery, of an input, or of the file that it
        was read from, which becomes an input; None where it is there no more."""
        database = read_database(self._ledger)
        try:
            known = ids_with_content(database, file.sha256)
        finally:
            database.close()
        for each in (*known, f"in-{file.sha256}"):
            with suppress(UsageError):
                self.path(each)
                return each
        path = self._files.find(file.path, file.sha256, file.size_bytes) if file.path else None
        if path is not None:
            with suppress(UsageError, OSError):
                return self.keep(path.read_bytes()).id
        return None

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256

    def _of_gallery(self, picture_id: str) -> Path | None:
        database = read_database(self._ledger)
        try:
            row = image_row(database, picture_id)
        finally:
            database.close()
        if row is None:
            return None
        return self._files.find(str(row["path"]), str(row["sha256"]), int(str(row["bytes"])))
