"""What is needed to finish a request that is under way, on disk before it is understood.

Each sending has a folder of its own below `inflight/` in the state folder: what was asked for (without
secrets), status and headers, the answer as it came but for images that have a file of their own, and what
became of those. It goes when the outcome is recorded; what a killed process left `calls/leftovers` finishes.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Set, Tuple, cast

from ..base.errors import GptImage2Error
from ..base.outcome import SavedImage
from .files import new_private_file, private_folder
from .owned import OwnedFolder, is_abandoned, owned_folder, taken_over

FOLDER = "inflight"
_READ_BYTES = 1 << 16
_ASKED, _HEAD, _BODY, _IMAGES, _TRIED = "asked.json", "head.json", "body", "images.jsonl", "tried"


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
        if self._folder is not None:
            _append(self._folder.path / _IMAGES, event)

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


class Left:
    """What a process that has ended left of one sending. Whatever is read here may be torn or strange."""

    def __init__(self, owned: OwnedFolder) -> None:
        self._owned = owned
        self.folder = folder = owned.path
        self.notes: List[Mapping[str, Any]] = list(_read_lines(folder / _IMAGES))
        asked = _read_object(folder / _ASKED)
        self.command = str(asked.get("command") or "generate")
        self.model = str(asked.get("model") or "")
        self.base_url = str(asked.get("base_url") or "")
        #: The row of the ledger, 0 where there is none.
        self.row = asked["id"] if isinstance(asked.get("id"), int) else 0
        #: The numbers of the images that were asked for.
        self.numbers: List[int] = [n for n in asked.get("numbers") or () if isinstance(n, int)] or [1]
        output = asked.get("output")
        #: The plan of the outputs, field by field.
        self.output: Mapping[str, Any] = cast(Dict[str, Any], output) if isinstance(output, dict) else {}
        status = _read_object(folder / _HEAD).get("status")
        self.status = status if isinstance(status, int) else None

    @property
    def id(self) -> str:
        """What it is called: the row of the ledger, and a number of its own."""
        return self.folder.name

    @property
    def addresses(self) -> Tuple[str, ...]:
        """The addresses of images in the whole answer; empty where it did not come to that."""
        return tuple(str(url) for note in self.notes for url in note.get("addresses") or ())

    @property
    def was_tried(self) -> bool:
        """Whether somebody tried to finish it and could not."""
        return (self.folder / _TRIED).exists()

    def fetched(self, saved: Iterable[SavedImage]) -> Set[str]:
        """The addresses whose images are saved by now."""
        hashes = {image.sha256 for image in saved}
        urls = {note["part"]: note["url"] for note in self.notes if note.get("url")}
        return {str(urls.get(note.get("part"))) for note in self.notes if note.get("sha256") in hashes}

    def body(self) -> Iterator[bytes]:
        """The answer's body, as far as it came, in pieces."""
        for path in self.folder.glob(f"*{_BODY}*"):
            with suppress(OSError), open(str(path), "rb") as file:
                yield from iter(lambda: file.read(_READ_BYTES), b"")
            return

    def note(self, event: Mapping[str, object]) -> None:
        """Something becomes of an image while it is finished."""
        _append(self.folder / _IMAGES, event)

    def leave(self) -> None:
        """It could not be finished now: another try may."""
        with suppress(OSError), open(str(self.folder / _TRIED), "ab"):
            pass
        self._owned.leave()

    def close(self) -> None:
        """Everything of it is finished."""
        self._owned.close()


def is_anything_left(state_folder: Path) -> bool:
    """Whether something is left that nobody has tried to finish yet."""
    folder = state_folder / FOLDER
    try:
        names = os.listdir(str(folder))
    except OSError:
        return False
    return any(is_abandoned(folder / name) and not (folder / name / _TRIED).exists() for name in names)


def left_behind(state_folder: Path, wanted: str = "") -> Iterator[Left]:
    """What processes that have ended left, oldest first, or the one of that id; ours from now on."""
    folder = state_folder / FOLDER
    names: List[str] = []
    with suppress(OSError):
        names = sorted(os.listdir(str(folder)))
    for name in names:
        owned = taken_over(folder / name) if wanted in ("", name) else None
        if owned is not None:
            yield Left(owned)


def _append(path: Path, event: Mapping[str, object]) -> None:
    with suppress(OSError), open(str(path), "ab", buffering=0) as file:
        file.write(json.dumps(event).encode("ascii") + b"\n")


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
