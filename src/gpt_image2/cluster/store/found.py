"""What a store tells of its objects, and that it did not do what was asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

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
