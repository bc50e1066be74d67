"""A person's yes before money is spent: a call of one program waits for it, and the studio asks for it.

Both run as one user; what is asked lies in private files of the state folder. The asker keeps the file of its
question locked, so that one whose asker has died is no question any more, and each studio keeps a file locked
while it can answer.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gpt_image2.core.base.interrupt import StopSwitch
from gpt_image2.core.outputs.files import (
    new_private_file,
    open_part,
    private_folder,
    rename_if_free,
    write_all,
)
from gpt_image2.core.outputs.ours import NotOurs, open_ours, try_lock

_FOLDER, _DOOR, _ANSWER = "approvals", "studio", "answer"
_NAME = re.compile(r"([0-9a-f]{32})\.json")
_ANSWERS = {b"yes": True, b"no": False}
_LOOK_S = 0.1


@dataclass(frozen=True)
class Question:
    """What a call would do. `high_usd` is the most that it may cost, None where nobody knows."""

    asker: str
    command: str
    model: str
    prompt: str
    high_usd: float | None
    until_s: float
    id: str = ""


def ask(state_dir: Path, question: Question, stop: StopSwitch) -> bool | None:
    """Waits for the answer, at most until the question's time is up (seconds since 1970); None where none
    came: no studio is open, time ran out, or a stop was asked for.

    Raises:
        OSError: the question cannot be put.
    """
    file = _named(state_dir, "json")
    answer = file.with_suffix(f".{_ANSWER}")
    try:
        with _held(file, json.dumps(asdict(question)).encode()):
            while is_studio_open(state_dir) and time.time() < question.until_s and not stop.is_set:
                if os.path.lexists(answer):
                    break
                stop.wait(_LOOK_S)
            return _ANSWERS.get(answer.read_bytes()) if os.path.lexists(answer) else None
    finally:
        answer.unlink(missing_ok=True)


def is_studio_open(state_dir: Path) -> bool:
    """Whether somebody can answer."""
    with suppress(OSError):
        return any(map(_is_locked, (state_dir / _FOLDER).glob(f"*.{_DOOR}")))
    return False


@contextmanager
def answering(state_dir: Path) -> Generator[None]:
    """While this is entered, questions can be answered. Several studios may be open: each has a file of its
    own, so that the end of one does not look like the end of all."""
    door = _named(state_dir, _DOOR)
    for other in door.parent.glob(f"*.{_DOOR}"):
        with suppress(OSError):
            if not _is_locked(other):
                other.unlink(missing_ok=True)
    with _held(door, b""):
        yield


def questions(state_dir: Path) -> list[Question]:
    """What waits for an answer, oldest first; those of dead askers are cleared away."""
    found: list[Question] = []
    folder = state_dir / _FOLDER
    names: list[str] = []
    with suppress(OSError):
        names = os.listdir(folder)
    for name in names:
        match, path = _NAME.fullmatch(name), folder / name
        if match is None:
            continue
        with suppress(OSError, ValueError, TypeError, RecursionError):
            if not _is_locked(path):
                path.unlink(missing_ok=True)
                path.with_suffix(f".{_ANSWER}").unlink(missing_ok=True)
                continue
            fields: dict[str, Any] = json.loads(path.read_bytes())
            fields["id"] = match[1]
            found.append(Question(**fields))
    return sorted(found, key=lambda question: question.until_s)


def answer(state_dir: Path, question_id: str, is_yes: bool) -> bool:
    """Answers a question; False where it is none any more, or was answered already."""
    if question_id not in {question.id for question in questions(state_dir)}:
        return False
    target = state_dir / _FOLDER / f"{question_id}.{_ANSWER}"
    part, file = open_part(target, 0o600)
    try:
        with file:
            write_all(file, b"yes" if is_yes else b"no")
            if not rename_if_free(part, target, file):
                return False
    finally:
        part.unlink(missing_ok=True)
    if not _is_locked(target.with_suffix(".json")) and target.exists():  # the asker left without it
        target.unlink(missing_ok=True)
        return False
    return True


def _named(state_dir: Path, kind: str) -> Path:
    """A path of its own in the folder, which is made."""
    return private_folder(private_folder(state_dir) / _FOLDER) / f"{secrets.token_hex(16)}.{kind}"


@contextmanager
def _held(file: Path, content: bytes) -> Generator[None]:
    """A file that is there and locked while this is entered."""
    hidden = file.with_name(f".{file.name}.part")
    with new_private_file(hidden) as opened:
        try:
            try_lock(opened.fileno())  # before it can be seen: an unlocked one is taken for a dead one's
            opened.write(content)
            opened.flush()
            os.replace(hidden, file)
            yield
        finally:
            for left in (file, hidden):
                with suppress(OSError):
                    left.unlink()


def _is_locked(path: Path) -> bool:
    """Whether a living process holds it. Where files have no locks, what is there counts as held.

    Raises:
        OSError: it cannot be opened, which does not tell.
    """
    try:
        descriptor = open_ours(path, os.O_RDWR)
    except (FileNotFoundError, NotOurs):
        return False
    try:
        return try_lock(descriptor) is not True
    finally:
        os.close(descriptor)
