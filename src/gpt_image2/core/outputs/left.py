"""What processes that have ended left of their sendings: the folders of `inflight`, read by another one."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Set, Tuple, cast

from ..base.about import in_quotes
from ..base.outcome import SavedImage
from .inflight import ASKED, BODY, FOLDER, HEAD, IMAGE_NOTES, TRIED, add_note
from .naming import OutputPlan
from .ours import open_ours, try_lock
from .owned import MARKER, OwnedFolder, sweep_unmarked, taken_over

_READ_BYTES = 1 << 16
#: For so long at most somebody holds what he only looks at.
_PATIENCE_S, _LOOK_S = 0.2, 0.01


class Left:
    """What a process that has ended left of one sending. Whatever is read here may be torn or strange."""

    def __init__(self, owned: OwnedFolder) -> None:
        self._owned = owned
        self.folder = folder = owned.path
        self.notes: List[Mapping[str, Any]] = list(_read_lines(folder / IMAGE_NOTES))
        asked = _read_object(folder / ASKED)
        self.command = str(asked.get("command") or "generate")
        self.model = str(asked.get("model") or "")
        self.base_url = str(asked.get("base_url") or "")
        #: The profile that it was made with, empty without one.
        self.profile = str(asked.get("profile") or "")
        #: The row of the ledger, 0 where there is none.
        self.row = asked["id"] if isinstance(asked.get("id"), int) else 0
        #: The numbers of the images that were asked for.
        self.numbers: List[int] = [n for n in asked.get("numbers") or () if isinstance(n, int)] or [1]
        #: The SHA-256 of the images that were sent.
        self.inputs = [str(sha256) for sha256 in asked.get("inputs") or ()]
        output = asked.get("output")
        self._output: Mapping[str, Any] = cast(Dict[str, Any], output) if isinstance(output, dict) else {}
        then = asked.get("then")
        self._then: Mapping[str, Any] = cast(Dict[str, Any], then) if isinstance(then, dict) else {}
        head = _read_object(folder / HEAD)
        status, headers = head.get("status"), head.get("headers")
        self.headers: Mapping[str, Any] = cast(Dict[str, Any], headers) if isinstance(headers, dict) else {}
        self.status = status if isinstance(status, int) else None

    @property
    def id(self) -> str:
        """What it is called: the row of the ledger, and a number of its own."""
        return self.folder.name

    def header(self, name: str) -> str:
        """A header of the answer, empty where it had not come."""
        return str(self.headers.get(name) or "")

    def plan(self, rescue_folder: Path) -> OutputPlan:
        """Where the images were to go."""
        return _plan_of(self._output, rescue_folder)

    def then(self, image: SavedImage, is_new: bool) -> str:
        """The commands that make of an image what was asked for; empty where that is there. What is there by
        its name is something else where the image is new."""
        then: Any = self._then.get(str(image.number))
        target, commands = map(str, cast(List[Any], then) if isinstance(then, list) else ("", ""))
        if not target or (not is_new and os.path.lexists(target)):
            return ""
        return commands.replace("{image}", in_quotes(image.path))

    @property
    def addresses(self) -> Tuple[str, ...]:
        """The addresses of images in the whole answer; empty where it did not come to that."""
        return tuple(str(url) for note in self.notes for url in note.get("addresses") or ())

    @property
    def task(self) -> str:
        """The id of the task that the host made of it; empty where none is known."""
        return next((str(note["task"]) for note in self.notes if note.get("task")), "")

    @property
    def addresses_of_task(self) -> Tuple[str, ...]:
        """Where the host is asked after that task."""
        return tuple(str(url) for note in self.notes for url in note.get("ask") or ())

    @property
    def age_s(self) -> float:
        """How long ago it was sent, in seconds; 0 where that cannot be told."""
        with suppress(OSError):
            return max(0.0, time.time() - (self.folder / ASKED).stat().st_mtime)
        return 0.0

    @property
    def was_tried(self) -> bool:
        """Whether somebody tried to finish it and could not."""
        return (self.folder / TRIED).exists()

    def fetched(self, saved: Iterable[SavedImage]) -> Set[str]:
        """The addresses whose images are saved by now."""
        hashes = {image.sha256 for image in saved}
        urls = {note["part"]: note["url"] for note in self.notes if note.get("url")}
        return {str(urls.get(note.get("part"))) for note in self.notes if note.get("sha256") in hashes}

    def body(self) -> Iterator[bytes]:
        """The answer's body, as far as it came, in pieces."""
        for path in self.folder.glob(f"*{BODY}*"):
            with suppress(OSError), open(str(path), "rb") as file:
                yield from iter(lambda: file.read(_READ_BYTES), b"")
            return

    def note(self, event: Mapping[str, object]) -> None:
        """Something becomes of an image while it is finished."""
        add_note(self.folder, event)

    def leave(self, was_tried: bool = True) -> None:
        """It is left as it is: another try may finish it."""
        if was_tried:
            with suppress(OSError), open(str(self.folder / TRIED), "ab"):
                pass
        self._owned.leave()

    def close(self) -> None:
        """Everything of it is finished."""
        self._owned.close()


def left_behind(state_folder: Path, wanted: str = "", is_patient: bool = False) -> Iterator[Left]:
    """What processes that have ended left, oldest first, or the one of that id; ours from now on. Who
    `is_patient` looks again for a while at what others hold, who may only look at it themselves."""
    folder = state_folder / FOLDER
    names: List[str] = []
    with suppress(OSError):
        names = sorted(os.listdir(str(folder)))
    until_s = 0.0
    while names:
        held: List[str] = []
        for name in names:
            is_meant = _is_named(folder / name, wanted)
            owned = taken_over(folder / name) if is_meant else None
            if owned is not None:
                yield Left(owned)
            elif is_patient and is_meant and _is_held(folder / name):
                held.append(name)
            else:
                sweep_unmarked(folder / name)
        until_s = until_s or time.monotonic() + _PATIENCE_S
        if time.monotonic() >= until_s:
            return
        names = held
        time.sleep(_LOOK_S if held else 0.0)


def held_by_others(state_folder: Path, wanted: str = "") -> int:
    """How many calls, of all or of that id, living processes make or finish now."""
    folders = (state_folder / FOLDER).glob("*")
    return sum(_is_named(folder, wanted) and _is_held(folder) for folder in folders)


def outputs_under_way(state_folder: Path) -> Iterator[str]:
    """Where the first images are to go of the tasks that have not been seen to end, and of what living
    processes make or finish now."""
    for folder in (state_folder / FOLDER).glob("*"):
        if _is_held(folder) or any(note.get("task") for note in _read_lines(folder / IMAGE_NOTES)):
            asked = _read_object(folder / ASKED)
            plan = asked.get("output")
            if isinstance(plan, dict):
                yield str(_plan_of(cast(Dict[str, Any], plan), state_folder).path(1))


def _plan_of(output: Mapping[str, Any], rescue_folder: Path) -> OutputPlan:
    """Where images were to go. By now other files may have these names, so none is replaced."""
    return OutputPlan(
        folder=Path(str(output.get("folder") or rescue_folder)),
        stem=str(output.get("stem") or "image"),
        suffix=str(output.get("suffix") or ".png"),
        numbered=bool(output.get("numbered")),
        no_clobber=True,
        rescue_folder=rescue_folder,
    )


def _is_held(folder: Path) -> bool:
    """Whether a living process has it, if only to look at it."""
    try:
        marker = open_ours(folder / MARKER, os.O_RDWR)
    except OSError:
        return False
    try:
        return try_lock(marker) is False
    finally:
        os.close(marker)


def _is_named(folder: Path, wanted: str) -> bool:
    """Whether a sending is the one that is wanted: by its own id, the row of the ledger, or its task."""
    own = ("", folder.name, folder.name.partition("-")[0])
    return wanted in own or any(note.get("task") == wanted for note in _read_lines(folder / IMAGE_NOTES))


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
            with suppress(ValueError, RecursionError):
                content: Any = json.loads(line)
                if isinstance(content, dict):
                    yield cast(Dict[str, Any], content)
