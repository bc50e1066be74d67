"""What a sandbox leaves to the next one: files and batches, each as a JSON file in a folder of this user."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .batch import Batch, BatchOrder
from .input_file import LineError
from .stored_file import StoredFile

_LIVES_S = 30 * 86400.0
_ENDED = ("failed", "completed", "expired", "cancelled")


class Keeper:
    """The folder; without one nothing is kept. What is older than 30 days goes when it is opened."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        oldest = time.time() - _LIVES_S
        for path in folder.iterdir():
            with suppress(OSError):  # another sandbox was faster
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def keep_file(self, file: StoredFile) -> None:
        self._write(file.id, {**vars(file), "path": file.path.name})

    def forget_file(self, file_id: str) -> None:
        if self._folder is not None:
            (self._folder / f"{file_id}.json").unlink(missing_ok=True)

    def keep_batch(self, batch: Batch) -> None:
        """Keep one that has ended as it is; of another only what it needs to begin anew."""
        kept = asdict(batch)
        if batch.status not in _ENDED:
            moments = {status: at_s for status, at_s in batch.moments.items() if status == "cancelling"}
            kept = {"order": kept["order"], "id": batch.id, "created_at_s": batch.created_at_s}
            kept["moments"] = moments
        self._write(batch.id, kept)

    def files(self) -> Iterator[StoredFile]:
        """The files whose bytes are there."""
        for fields in self._read("file-*.json"):
            path = Path(str(self._folder)) / fields["path"]
            if path.is_file():
                yield StoredFile(**{**fields, "path": path})

    def batches(self) -> Iterator[Batch]:
        """The batches, oldest first."""
        for fields in sorted(self._read("batch_*.json"), key=lambda each: each["created_at_s"]):
            order = BatchOrder(**fields.pop("order"))
            errors = tuple(LineError(**each) for each in fields.pop("errors", ()))
            yield Batch(order=order, errors=errors, **fields)

    def _write(self, name: str, fields: dict[str, Any]) -> None:
        if self._folder is None:
            return
        part = self._folder / f"{name}.{os.getpid()}.part"
        part.write_text(json.dumps(fields), encoding="utf-8")
        part.replace(self._folder / f"{name}.json")

    def _read(self, pattern: str) -> Iterator[dict[str, Any]]:
        for path in () if self._folder is None else self._folder.glob(pattern):
            with suppress(OSError, ValueError):
                yield json.loads(path.read_text(encoding="utf-8"))
