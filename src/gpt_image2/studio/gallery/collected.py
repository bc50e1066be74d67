"""Stars and named collections of pictures, in one private JSON file of the studio's own. A picture is known
by its content, so that a file that was moved or renamed keeps them.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any, cast

from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.outputs.naming import mark_of

from ..writing import folder_lock, private_place, write_bytes
from .export import MOST

#: As long as a name can be in the page.
_MAX_NAME_CHARS = 80
_MAX_COLLECTIONS, _MAX_STARS = 200, 10_000
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Collected:
    """What is starred, and what each collection holds: SHA-256 as 64 hex digits, as keys, which keep the
    order in which they were added."""

    starred: Mapping[str, None] = field(default_factory=dict[str, None])
    collections: Mapping[str, Mapping[str, None]] = field(default_factory=dict[str, Mapping[str, None]])

    def names(self) -> list[str]:
        """The names of the collections, sorted."""
        return sorted(self.collections, key=str.casefold)

    def marks_of(self, sha256: str) -> dict[str, object]:
        """The star and the collections of one picture, as JSON."""
        names = [name for name in self.names() if sha256 in self.collections[name]]
        return {"is_starred": sha256 in self.starred, "collections": names}

    def among(self, *, is_starred: bool, collection: str) -> list[str] | None:
        """The contents that are starred, in a collection, or both; None where neither is asked for."""
        if collection:
            held = self.collections.get(collection, {})
            return [each for each in held if not is_starred or each in self.starred]
        return list(self.starred) if is_starred else None


class CollectedFile:
    """The file, read anew whenever it has changed, and written by one process after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._known: tuple[object, Collected] | None = None

    def read(self) -> Collected:
        """What it holds; nothing where there is no file, or one that is not understood."""
        try:
            return self._read()
        except (OSError, ValueError):
            return Collected()

    def star(self, contents: Sequence[str], *, is_starred: bool) -> None:
        """Stars pictures, or takes their stars away.

        Raises:
            UsageError: there would be too many, or the file is not understood.
            OSError: it cannot be written.
        """

        def change(now: Collected) -> Collected:
            starred = _changed(now.starred, contents, is_starred)
            _check_most(len(starred), _MAX_STARS, "pictures can be starred")
            return replace(now, starred=starred)

        self._change(change)

    def collect(self, name: str, contents: Sequence[str], *, is_in: bool) -> None:
        """Puts pictures into a collection, which is made where there is none of the name, or takes them out;
        an empty one goes.

        Raises:
            UsageError: the name is none, there would be too many, or the file is not understood.
            OSError: it cannot be written.
        """
        name = checked_name(name)

        def change(now: Collected) -> Collected:
            held = _changed(now.collections.get(name, {}), contents, is_in)
            _check_most(len(held), MOST, "pictures fit into a collection")
            others = {each: pictures for each, pictures in now.collections.items() if each != name}
            _check_most(len(others) + 1, _MAX_COLLECTIONS, "collections can be kept")
            return replace(now, collections={**others, name: held} if held else others)

        self._change(change)

    def rename(self, name: str, to: str) -> str:
        """Gives a collection another name, which is returned as it is kept.

        Raises:
            UsageError: there is no such collection, the other name is none or is another collection's, or the
                file is not understood.
            OSError: it cannot be written.
        """
        to = checked_name(to)

        def change(now: Collected) -> Collected:
            if name not in now.collections:
                raise UsageError("there is no such collection any more", hint="choose another")
            if to != name and to in now.collections:
                raise UsageError("another collection has this name", hint="type another name")
            renamed = {to if each == name else each: held for each, held in now.collections.items()}
            return replace(now, collections=renamed)

        self._change(change)
        return to

    def dissolve(self, name: str) -> None:
        """Takes a collection away; its pictures stay. The errors are those of `collect`."""

        def change(now: Collected) -> Collected:
            return replace(now, collections={k: v for k, v in now.collections.items() if k != name})

        self._change(change)

    def _change(self, change: Callable[[Collected], Collected]) -> None:
        folder = private_place(self._path.parent)
        with self._lock, folder_lock(folder):
            try:
                now = self._read()
            except (OSError, ValueError):
                raise UsageError(
                    "the stars and collections cannot be read, so nothing is changed",
                    hint=f"repair {self._path}, or move it away",
                ) from None
            after = change(now)
            if after != now:
                write_bytes(self._path, _as_bytes(after))

    def _read(self) -> Collected:
        mark = mark_of(self._path)
        known = self._known
        if known is not None and known[0] == mark:
            return known[1]
        try:
            found = _parsed(self._path.read_bytes())
        except FileNotFoundError:
            found = Collected()
        self._known = mark, found
        return found


def checked_name(name: str) -> str:
    """The name of a collection as it is kept.

    Raises:
        UsageError: it is empty, too long, or holds what cannot be shown.
    """
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if not 0 < len(name) <= _MAX_NAME_CHARS or not name.isprintable():
        raise UsageError(
            f"a collection needs a name of 1 to {_MAX_NAME_CHARS} letters, digits or signs",
            hint="type another name",
        )
    return name


def _changed(held: Mapping[str, None], contents: Iterable[str], is_in: bool) -> dict[str, None]:
    given = dict.fromkeys(contents)
    if is_in:
        return {**held, **given}
    return {each: None for each in held if each not in given}


def _check_most(count: int, most: int, what: str) -> None:
    if count > most:
        raise UsageError(f"at most {most} {what}", hint="take some out first")


def _as_bytes(collected: Collected) -> bytes:
    document = {
        "starred": list(collected.starred),
        "collections": {name: list(held) for name, held in collected.collections.items()},
    }
    return json.dumps(document, indent=1, ensure_ascii=False).encode()


def _parsed(data: bytes) -> Collected:
    """What a file says; a `ValueError` where it is none of ours."""
    try:
        document = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("no object")
    parts = cast("dict[str, Any]", document)
    collections = parts.get("collections", {})
    if not isinstance(collections, dict):
        raise ValueError("no collections")
    named = cast("dict[str, object]", collections)
    return Collected(
        _contents(parts.get("starred", [])), {name: _contents(held) for name, held in named.items()}
    )


def _contents(value: object) -> dict[str, None]:
    if not isinstance(value, list):
        raise ValueError("no list")
    found = cast("list[object]", value)
    if not all(isinstance(each, str) and _SHA256.fullmatch(each) for each in found):
        raise ValueError("no SHA-256")
    return dict.fromkeys(cast("list[str]", found))
