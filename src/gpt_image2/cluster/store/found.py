"""What a store tells of its objects, and that it did not do what was asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gpt_image2.core.base.errors import OutputError


class StoreError(OutputError):
    """A store did not do what was asked of it; nobody knows whether it half did."""

    default_code = "store"


@dataclass(frozen=True)
class Found:
    """An object by its name below the address, its size in bytes, and when it was written by the store's own
    clock."""

    name: str
    size_bytes: int
    modified: datetime


#: More than any object of ours holds: one that is larger is another program's.
MOST_BYTES = 4 << 20


def number_of(value: object, most: float = 2**31 - 1) -> Any:
    """A number that an object holds, from 0 on; a `ValueError` where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
        raise ValueError(f"{str(value)[:40]!r} is no such number")
    return value


def text_of(value: object) -> str:
    """A text that an object holds, which any file takes; a `ValueError` where it is none."""
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:40]!r} is no text")
    value.encode()
    return value
