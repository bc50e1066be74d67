"""What is needed to finish a request that is under way, on disk before it is understood.

Each sending has a folder of its own below `inflight/` in the state folder: what was asked for (without
secrets), status and headers, the answer as it came but for images that have a file of their own, and what
became of those. It goes when the outcome is recorded; what a killed process left is read by `left`.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Mapping, Optional

from ..base.errors import GptImage2Error
from .files import new_private_file, private_folder
from .owned import OwnedFolder, is_abandoned, is_unmarked, owned_folder

FOLDER = "inflight"
ASKED, HEAD, BODY, IMAGE_NOTES, TRIED = "asked.json", "head.json", "body", "images.jsonl", "tried"


class InFlight:
    """The folder of one sending. Where the disk does not take it, the call goes on without."""

    def __init__(self, state_folder: Path, asked: Mapping[str, object]) -> None:
        self._folder: Optional[OwnedFolder] = None
        with suppress(OSError, GptImage2Error):
            self._folder = owned_folder(private_folder(state_folder / FOLDER), f"{asked.get('id') or 0}-")
        self._write(ASKED, asked)

    @property
    def body_path(self) -> Optional[Path]:
        """Where the answer's body goes; None where there is no folder."""
        return self._folder.path / BODY if self._folder else None

    @property
    def id(self) -> str:
        """What `resume` calls it; empty where there is no folder."""
        return self._folder.path.name if self._folder else ""

    def head_came(self, status: int, headers: Mapping[str, str]) -> None:
        """Status and headers of the answer are here."""
        self._write(HEAD, {"status": status, "headers": dict(headers)})

    def note(self, event: Mapping[str, object]) -> None:
        """Something became of an image: one line, on disk when this returns."""
        if self._folder is not None:
            add_note(self._folder.path, event)

    def close(self) -> None:
        """The outcome is recorded: nothing is left to be finished."""
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    def leave(self) -> None:
        """Something is left to be finished, by this process or another."""
        if self._folder is not None:
            self._folder.leave()
            self._folder = None

    def _write(self, name: str, content: Mapping[str, object]) -> None:
        if self._folder is None:
            return
        with suppress(OSError), new_private_file(self._folder.path / name) as file:
            file.write(json.dumps(content).encode("ascii"))


def is_anything_left(state_folder: Path, and_tried: bool = False) -> bool:
    """Whether something is left that nobody has tried to finish yet, or with `and_tried` anything."""
    folder = state_folder / FOLDER
    try:
        names = os.listdir(str(folder))
    except OSError:
        return False
    left = [folder / name for name in names]
    return any(
        is_unmarked(one) or (is_abandoned(one) and (and_tried or not (one / TRIED).exists())) for one in left
    )


def add_note(folder: Path, event: Mapping[str, object]) -> None:
    """One more line in the notes of a sending, on disk when this returns."""
    with suppress(OSError), open(str(folder / IMAGE_NOTES), "ab", buffering=0) as file:
        file.write(json.dumps(event).encode("ascii") + b"\n")
