"""Finishes the images of a sending that broke off, by what was noted of them: whole ones get their names.

The process that began them may be this one or one that was killed: only the notes and the disk count.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from ..api.images import is_whole_file, saved_image_at, sha256_of
from ..base.outcome import SavedImage
from ..base.record import replace
from .files import private_folder, rename_if_free, rescue_folders
from .naming import OutputPlan


def adopt(
    notes: Iterable[Mapping[str, Any]], plan: OutputPlan, inputs: Sequence[str] = ()
) -> Tuple[Tuple[SavedImage, ...], Tuple[str, ...]]:
    """The images of a sending, saved by now; and where previews were kept that nobody knows to be final.
    What has the SHA-256 of an input was sent, and not made."""
    images: List[SavedImage] = []
    previews: List[str] = []
    for note in _by_part(notes):
        part, number = str(note["part"]), int(note.get("number") or 1)
        image = _already_saved(note)
        if image is None and is_whole_file(part) and sha256_of(part) not in inputs:
            if "preview" in note:
                previews += _rescued(part, plan)
                continue
            image = _given_name(part, plan, number)
            if image is None:
                continue  # no folder takes it now: it stays where it is
        if image is not None:
            images.append(replace(image, number=number))
        with suppress(OSError):
            os.unlink(part)  # what is not whole, or a second name of what was killed while it got its first
    return tuple(images), tuple(previews)


def _by_part(notes: Iterable[Mapping[str, Any]]) -> List[Dict[str, Any]]:
    """All that was noted of each part, in the order in which they were begun."""
    parts: Dict[str, Dict[str, Any]] = {}
    for note in notes:
        if "part" in note:
            parts.setdefault(str(note["part"]), {}).update(note)
    return list(parts.values())


def _already_saved(note: Mapping[str, Any]) -> Any:
    """The image of a part that has its name; one that was killed while it got it is known by its bytes."""
    for place in (note.get("saved"), note.get("target")):
        image = saved_image_at(str(place)) if place else None
        if image is not None and image.sha256 == note.get("sha256"):
            return image
    return None


def _given_name(part: str, plan: OutputPlan, number: int) -> Any:
    """Gives a part the name that was planned, or the next that is free; else a place in the rescue folder."""
    try:
        with open(part, "rb") as file:
            for path in plan.free_paths(plan.path(number), number):
                if rename_if_free(Path(part), path, file):
                    return saved_image_at(str(path))
    except OSError:
        pass
    for place in _rescued(part, plan):
        image = saved_image_at(place)
        return None if image is None else replace(image, rescued=True)
    return None


def _rescued(part: str, plan: OutputPlan) -> List[str]:
    import shutil

    for folder in rescue_folders(plan.rescue_folder):
        with suppress(OSError):
            name = f"{os.urandom(3).hex()}-{plan.stem}{plan.suffix}"
            return [str(shutil.move(part, str(private_folder(folder) / name)))]
    return []
