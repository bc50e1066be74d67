"""Uploaded files and the files that batches write: their bytes in a folder on disk, what is known of them in
memory.

The folder is the sandbox's own and is removed at its end, unless it is kept for the next. Lives on one event
loop.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..api.errors import Refused
from ..api.submission import Upload
from ..clock import SimulatedClock
from .keeping import Keeper
from .stored_file import StoredFile


class FileStore:
    """The files of one sandbox."""

    def __init__(self, clock: SimulatedClock, keeper: Keeper, folder: Path | None = None) -> None:
        self._clock = clock
        self._keeper = keeper
        self._files = {file.id: file for file in sorted(keeper.files(), key=lambda file: file.created_at_s)}
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if folder is None:
            self._temporary = tempfile.TemporaryDirectory(
                prefix="gpt-image2-sandbox-", ignore_cleanup_errors=True
            )
        self._folder = folder or Path(self._temporary.name if self._temporary else "")

    def close(self) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()

    def new_path(self) -> Path:
        """Where the bytes of a new file can be written."""
        return self._folder / secrets.token_hex(16)

    def add(
        self,
        path: Path,
        filename: str,
        purpose: str,
        lives_s: float | None = None,
        declared_type: str | None = None,
        created_at_s: float | None = None,
    ) -> StoredFile:
        """Take in what was written to a `new_path`; it is forgotten `lives_s` seconds after its creation."""
        created_at_s = self._clock.now_s if created_at_s is None else created_at_s
        expires_at_s = None if lives_s is None else created_at_s + lives_s
        file = StoredFile(path, filename, purpose, created_at_s, expires_at_s, declared_type)
        self._files[file.id] = file
        self._keeper.keep_file(file)
        return file

    def find(self, file_id: str) -> StoredFile | None:
        """A file that exists and has not expired. May be asked from any thread."""
        file = self._files.get(file_id)
        if file is not None and file.expires_at_s is not None and file.expires_at_s <= self._clock.now_s:
            return None
        return file

    def as_upload(self, field: str, file_id: str) -> Upload | None:
        """A file as the input image of an edit. May be asked from any thread."""
        file = self.find(file_id)
        return file and Upload(field, file.filename, file.content_type, file.path.read_bytes())

    def get(self, file_id: str) -> StoredFile:
        file = self.find(file_id)
        if file is None:
            raise Refused(404, f"No such File object: {file_id}", param="id")
        return file

    def files(self, purpose: str | None = None) -> Sequence[StoredFile]:
        """All files, or those of a purpose, oldest first."""
        found = [file for file_id in list(self._files) if (file := self.find(file_id))]
        return [file for file in found if purpose in (None, file.purpose)]

    def delete(self, file_id: str) -> None:
        file = self.get(file_id)
        del self._files[file_id]
        self._keeper.forget_file(file_id)
        file.path.unlink()
