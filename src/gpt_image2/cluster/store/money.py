"""One sum for all workers: what each may spend is set aside for it in the store, before it spends it.

The books are a row of objects, `money/000001` …, each made once: who makes the next one has changed the sums,
and nobody in between. A worker sets aside large parts while there is much, and single jobs near the end; what
it has not spent it gives back when it ends. What a dead worker had set aside counts as spent.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from gpt_image2.core.ledger.budget import Hold

from .found import StoreError, number_of
from .objects import Objects

MONEY = "money"
_PARTS = 4  # of what is left for one worker: set aside at once
# Where there is no limit, though a later run may have one: so many jobs, or such a part of what a worker has.
_AHEAD, _AHEAD_PART = 16, 1 / 4
_ROUNDING_USD = 1e-9
_MOST_TRIES = 200


@dataclass(frozen=True)
class Books:
    """What is set aside for each worker, in USD, and what those have spent that gave the rest back. `number`
    is the object that says so, 0 for none."""

    number: int = 0
    spent_usd: float = 0.0
    aside_usd: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def taken_usd(self) -> float:
        """All that is spent or set aside."""
        return self.spent_usd + sum(self.aside_usd.values())


class SharedBudget:
    """What one worker may spend of a sum that is everybody's; None is no limit. `alive` tells how many
    workers there are. Safe for threads."""

    def __init__(
        self, objects: Objects, worker: str, max_cost_usd: float | None, alive: Callable[[], int]
    ) -> None:
        self._objects = objects
        self._worker = worker
        self.max_cost_usd = max_cost_usd
        self._alive = alive
        self._lock = threading.Lock()
        self._books = Books()
        self._mine_usd = self._spent_usd = self._held_usd = 0.0

    def take(self, high_usd: float) -> Hold | None:
        """Sets the highest estimate of a call aside until `release`; None when it might pass the sum."""
        with self._lock:
            lacking_usd = self._spent_usd + self._held_usd + high_usd - self._mine_usd
            if lacking_usd > _ROUNDING_USD and not self._set_aside(lacking_usd):
                return None
            self._held_usd += high_usd
        return Hold(high_usd)

    def release(self, hold: Hold) -> None:
        """Books what a call has cost in place of what was set aside for it."""
        with self._lock:
            self._held_usd -= hold.high_usd
            self._spent_usd += hold.spent_usd

    def is_held(self) -> bool:
        """Whether calls under way may still leave some of the sum."""
        with self._lock:
            return self._held_usd > _ROUNDING_USD

    def close(self) -> None:
        """Gives back what was not spent, and notes what was. Where the store does not take that, all that was
        set aside stays so: it cannot change how the jobs ended."""
        with self._lock, suppress(StoreError):
            if self._mine_usd or self._spent_usd:
                self._change(self._closed)

    def _closed(self, books: Books) -> Books:
        aside = {name: usd for name, usd in books.aside_usd.items() if name != self._worker}
        return replace(books, spent_usd=books.spent_usd + self._spent_usd, aside_usd=aside)

    def _set_aside(self, lacking_usd: float) -> bool:
        """Sets more aside for this worker, as much as is lacking or a part of what is left."""
        most_usd = self.max_cost_usd
        part = 1 / (_PARTS * max(1, self._alive()))

        def more(books: Books) -> Books | None:
            mine_usd = books.aside_usd.get(self._worker, 0.0)
            part_usd = max(lacking_usd * _AHEAD, mine_usd * _AHEAD_PART)
            if most_usd is not None:
                left_usd = most_usd - books.taken_usd
                if left_usd + _ROUNDING_USD < lacking_usd:
                    return None
                part_usd = left_usd * part
            mine_usd += max(lacking_usd, part_usd)
            return replace(books, aside_usd={**books.aside_usd, self._worker: mine_usd})

        return self._change(more)

    def _change(self, change: Callable[[Books], Books | None]) -> bool:
        """Makes the next object of the books; False where the change is not to be made."""
        is_new = False  # what is known of the books may be old; who makes the next object knew the last
        for _ in range(_MOST_TRIES):
            if is_new or self._books.number == 0:
                self._books, is_new = read_books(self._objects, self._books), True
            changed = change(self._books)
            if changed is None:
                if is_new:
                    return False
                is_new = True
                continue
            changed = replace(changed, number=self._books.number + 1)
            if self._objects.create(_name(changed.number), _bytes(changed, self._worker)):
                self._books = changed
                self._mine_usd = changed.aside_usd.get(self._worker, 0.0)
                return True
            is_new = True
        raise StoreError(
            "too many workers change the books at once", hint="run fewer shards, or leave --max-cost out"
        )


def read_books(objects: Objects, last: Books | None = None) -> Books:
    """The books as they are now, from those that were known last on."""
    books = last or Books()
    if books.number == 0:
        names = (found.name for found in objects.list(f"{MONEY}/"))
        ours = (name for name in names if name.rpartition("/")[2].isdecimal())
        newest = max(ours, key=lambda name: (len(name), name), default="")
        data = objects.get(newest) if newest else None
        books = _read(data, newest) if data is not None else books
    while (data := objects.get(_name(books.number + 1))) is not None:
        books = _read(data, _name(books.number + 1))
    return books


def _name(number: int) -> str:
    return f"{MONEY}/{number:06d}"


def _bytes(books: Books, worker: str) -> bytes:
    """As the object holds them; the worker makes it its own."""
    return json.dumps({**vars(books), "by": worker}).encode()


def _read(data: bytes, name: str) -> Books:
    try:
        known = json.loads(data)
        aside = {str(name): float(number_of(usd)) for name, usd in known["aside_usd"].items()}
        return Books(int(number_of(known["number"])), float(number_of(known["spent_usd"])), aside)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"{name} is not readable: {error}",
            hint="it is of another program, or broken: nobody knows what was spent; use another address",
        ) from None
