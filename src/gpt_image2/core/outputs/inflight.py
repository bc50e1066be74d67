"""What is needed to finish a request that is under way, on disk before it is understood.

Each sending has a folder of its own below `inflight/` in the state folder: what was asked for (without
secrets), status and headers, the answer as it came but for images that have a file of their own, and what
became of those. It goes when the outcome is recorded; what a killed process left `calls/resume` finishes.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, cast

from ..base.errors import GptImage2Error
from .files import new_private_file, private_folder
from .owned import OwnedFolder, is_abandoned, owned_folder

FOLDER = "inflight"
_ASKED, _HEAD, _BODY, _IMAGES = "asked.json", "head.json", "body", "images.jsonl"


class InFlight:
    """The folder of one sending. Where the disk does not take it, the call goes on without."""

    def __init__(self, state_folder: Path, asked: Mapping[str, object]) -> None:
        self._folder: Optional[OwnedFolder] = None
        with suppress(OSError, GptImage2Error):
            self._folder = owned_folder(private_folder(state_folder / FOLDER), f"{asked.get('id') or 0}-")
        self._write(_ASKED, asked)

    @property
    def body_path(self) -> Optional[Path]:
        """Where the answer's body goes; None where there is no folder."""
        return self._folder.path / _BODY if self._folder else None

    def head_came(self, status: int, headers: Mapping[str, str]) -> None:
        """Status and headers of the answer are here."""
        self._write(_HEAD, {"status": status, "headers": dict(headers)})

    def note(self, event: Mapping[str, object]) -> None:
        """Something became of an image: one line, on disk when this returns."""
        if self._folder is None:
            return
        with suppress(OSError), open(str(self._folder.path / _IMAGES), "ab", buffering=0) as file:
            file.write(json.dumps(event).encode("ascii") + b"\n")

    def close(self) -> None:
        """The outcome is recorded: nothing is left to be finished."""
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    def leave(self) -> None:
        """Something is left to be finished, by this process or another."""
        if self._folder is not None:
            self._folder.release()
            self._folder = None

    def _write(self, name: str, content: Mapping[str, object]) -> None:
        if self._folder is None:
            return
        with suppress(OSError), new_private_file(self._folder.path / name) as file:
            file.write(json.dumps(content).encode("ascii"))


class Left:
    """What a process that has ended left of one sending."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: Mapping[str, Any] = _read_object(folder / _ASKED)
        self.head: Mapping[str, Any] = _read_object(folder / _HEAD)
        self.notes: List[Mapping[str, Any]] = list(_read_lines(folder / _IMAGES))

    @property
    def body_path(self) -> Optional[Path]:
        """Where the answer's body is, as far as it came; None where nothing did."""
        return next((path for path in self.folder.glob(f"*{_BODY}*") if path.is_file()), None)

    def remove(self) -> None:
        """Everything of it is finished."""
        import shutil

        shutil.rmtree(str(self.folder), ignore_errors=True)


def left_behind(state_folder: Path) -> Iterator[Left]:
    """What processes that have ended left, oldest first."""
    folder = state_folder / FOLDER
    with suppress(OSError):
        for name in sorted(os.listdir(str(folder))):
            if is_abandoned(folder / name):
                yield Left(folder / name)


def _read_object(path: Path) -> Mapping[str, Any]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return cast(Dict[str, Any], content) if isinstance(content, dict) else {}


def _read_lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """The notes; a last one that a kill has torn is passed over."""
    with suppress(OSError):
        for line in path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                content: Any = json.loads(line)
                if isinstance(content, dict):
                    yield cast(Dict[str, Any], content)
