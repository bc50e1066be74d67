"""Writes to the ledger what has ended: requests that are no call here, and what was made of their images."""

from __future__ import annotations

from typing import Callable, Optional

from ..base.outcome import SavedImage
from .database import Database, stored
from .derived import insert_derived
from .entries import Ending, Opening
from .recording import Ledger, Warn

_RENAME = "UPDATE images SET path = CAST(? AS TEXT) WHERE sha256 = ? AND path = CAST(? AS TEXT)"


def record_derived(ledger: Ledger, image: SavedImage, warn: Warn) -> None:
    """Keeps how a finished picture was made from others."""
    derivation = image.derivation
    if derivation is not None:
        ledger.attempt(lambda database: insert_derived(database, image, derivation, ledger.masked), warn)


def record_renamed(ledger: Ledger, image: SavedImage, now: SavedImage, warn: Warn) -> None:
    """Keeps that an image of a call has got another name; nothing where its bytes are others."""
    if image.sha256 == now.sha256 and image.path != now.path:
        values = stored(now.path), image.sha256, stored(image.path)
        ledger.attempt(lambda database: database.change(_RENAME, values), warn)


def record_ended(
    ledger: Ledger,
    opening: Opening,
    ending: Ending,
    warn: Warn,
    also: Callable[[Database], None] = lambda _: None,
) -> Optional[int]:
    """Writes a request that has ended already, such as one line of a batch's results, in one go with what
    `also` writes: all of it, or nothing.

    Returns its id; None when it was not recorded.
    """

    def write(database: Database) -> int:
        with database.transaction():
            row = ledger.insert(database, opening)
            ledger.fill(database, row, ending)
            also(database)
        return row

    return ledger.attempt(write, warn)
