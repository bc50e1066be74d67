"""A person's yes before money is spent: a call of one program waits for it, and the studio asks for it.

Both run as one user; what is asked lies in private files of the state folder. The asker keeps the file of its
question locked, so that one whose asker has died is no question any more, and the studio keeps a file locked
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
from gpt_image2.core.outputs.files import new_private_file, private_folder
from gpt_image2.core.outputs.ours import open_ours, try_lock

_FOLDER, _DOOR = "approvals", "studio"
_NAME = re.compile(r"([0-9a-f]{32})\.json")
_ANSWERS = {True: "yes", False: "no"}
_LOOK_S = 0.1
_TRIES, _TRY_S = 10, 0.02


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
    folder = private_folder(private_folder(state_dir) / _FOLDER)
    name = secrets.token_hex(16)
    file, hidden = folder / f"{name}.json", folder / f".{name}.part"
    with new_private_file(hidden) as opened:
        try:
            try_lock(opened.fileno())  # before it can be seen: an unlocked one is taken for a dead one's
            opened.write(json.dumps(asdict(question)).encode())
            opened.flush()
            os.replace(hidden, file)
            while is_studio_open(state_dir) and time.time() < question.until_s and not stop.is_set:
                for answer, suffix in _ANSWERS.items():
                    if os.path.lexists(file.with_suffix(f".{suffix}")):
                        return answer
                stop.wait(_LOOK_S)
            return None
        finally:
            for left in (file, hidden, *(file.with_suffix(f".{suffix}") for suffix in _ANSWERS.values())):
                with suppress(OSError):
                    left.unlink()


def is_studio_open(state_dir: Path) -> bool:
    """Whether somebody can answer."""
    return _is_locked(state_dir / _FOLDER / _DOOR)


@contextmanager
def answering(state_dir: Path) -> Generator[None]:
    """While this is entered, questions can be answered; several studios may be."""
    folder = private_folder(private_folder(state_dir) / _FOLDER)
    descriptor = open_ours(folder / _DOOR, os.O_RDWR | os.O_CREAT)
    try:
        for _ in range(_TRIES):  # an asker that looks whether it is locked holds it for a moment
            if try_lock(descriptor) is not False:
                break
            time.sleep(_TRY_S)
        yield
    finally:
        os.close(descriptor)


def questions(state_dir: Path) -> list[Question]:
    """What waits for an answer, oldest first; those of dead askers are cleared away."""
    found: list[Question] = []
    folder = state_dir / _FOLDER
    with suppress(OSError):
        for name in os.listdir(folder):
            match, path = _NAME.fullmatch(name), folder / name
            if match is None:
                continue
            if not _is_locked(path):
                path.unlink(missing_ok=True)
                continue
            with suppress(OSError, ValueError, TypeError, RecursionError):
                fields: dict[str, Any] = json.loads(path.read_bytes())
                fields["id"] = match[1]
                found.append(Question(**fields))
    return sorted(found, key=lambda question: question.until_s)


def answer(state_dir: Path, question_id: str, is_yes: bool) -> bool:
    """Answers a question; False where it is none any more, or was answered already."""
    if question_id not in {question.id for question in questions(state_dir)}:
        return False
    folder = state_dir / _FOLDER
    if any(os.path.lexists(folder / f"{question_id}.{suffix}") for suffix in _ANSWERS.values()):
        return False
    with suppress(FileExistsError), new_private_file(folder / f"{question_id}.{_ANSWERS[is_yes]}"):
        return True
    return False


def _is_locked(path: Path) -> bool:
    """Whether a living process holds it. Where files have no locks, what is there counts as held."""
    try:
        descriptor = open_ours(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return try_lock(descriptor) is not True
    finally:
        os.close(descriptor)
