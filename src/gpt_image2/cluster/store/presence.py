"""Who is at work below an address: each worker writes an object of its own again and again.

Ages are by the store's clock alone: the clocks of machines differ. Speaks to the store alone.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from .found import StoreError
from .objects import Objects

WORKERS = "workers"


@dataclass(frozen=True)
class Times:
    """How often a worker says that it is there, and after how long a silence it is taken for dead."""

    beat_s: float = 20.0
    silence_s: float = 90.0


class Presence:
    """One worker among those of an address. A context manager: in it a thread of its own says so."""

    def __init__(self, objects: Objects, worker: str, times: Times | None = None) -> None:
        self._objects = objects
        self.worker = worker
        self.times = times or Times()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, daemon=True)
        self._lock = threading.Lock()
        self._seen: dict[str, datetime] = {}
        self._looked_s = float("-inf")
        #: The store's time when it last took a beat, and this machine's clock that nobody sets.
        self._store_time: tuple[datetime, float] | None = None

    def __enter__(self) -> Presence:
        self._beat()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        with suppress(StoreError):
            self._objects.remove(self.name)

    @property
    def name(self) -> str:
        """The object by which it says so."""
        return f"{WORKERS}/{self.worker}"

    def now(self) -> datetime:
        """The time by the store's clock."""
        if self._store_time is None:
            return datetime.now().astimezone()
        at, seen_s = self._store_time
        return at + timedelta(seconds=time.monotonic() - seen_s)

    def is_alive(self, worker: str) -> bool:
        """Whether a worker was there of late; itself always is."""
        if worker == self.worker:
            return True
        with self._lock:
            self._look(self.times.beat_s / 2)
            if not self._is_there(worker):
                self._look(0.0)  # it may have come since
            return self._is_there(worker)

    def alive(self) -> int:
        """How many workers there are, this one included."""
        with self._lock:
            self._look(self.times.beat_s / 2)
            others = [
                each for each, seen in self._seen.items() if each != self.worker and self._is_fresh(seen)
            ]
        return 1 + len(others)

    def _is_fresh(self, seen: datetime) -> bool:
        return self.now() - seen < timedelta(seconds=self.times.silence_s)

    def _is_there(self, worker: str) -> bool:
        seen = self._seen.get(worker)
        return seen is not None and self._is_fresh(seen)

    def _look(self, age_s: float) -> None:
        """Reads who is there, where what is known is older than that; what cannot be read is as it was."""
        if time.monotonic() - self._looked_s < age_s:
            return
        self._looked_s = time.monotonic()
        with suppress(StoreError):
            found = self._objects.list(f"{WORKERS}/")
            self._seen = {each.name.rpartition("/")[2]: each.modified for each in found}

    def _beat(self) -> None:
        self._objects.put(self.name, b"")
        found = self._objects.head(self.name)
        if found is not None:
            self._store_time = found.modified, time.monotonic()

    def _beat_on(self) -> None:
        while not self._ended.wait(self.times.beat_s):
            with suppress(StoreError):  # the next one may get through
                self._beat()
