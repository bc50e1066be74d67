"""Lets few threads at a time work on answers, those whose request went out first before the others.

Decoding holds the interpreter's lock. When many answers come at once and all threads share it evenly, all end
late; one after the other, the first are free for the next request while the last are still at work.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import Generator, List, Tuple

_AT_ONCE = 2  # one decodes while another hashes or writes


class Turns:
    """Shared by the calls of one client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free = _AT_ONCE
        self._waiting: List[Tuple[float, int, threading.Lock]] = []

    @contextmanager
    def take(self, rank: float) -> Generator[None, None, None]:
        """Waits for a turn; among those that wait the lowest rank goes first."""
        self._begin(rank)
        try:
            yield
        finally:
            self._end()

    def _begin(self, rank: float) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            gate = threading.Lock()
            gate.acquire()
            heappush(self._waiting, (rank, id(gate), gate))
        gate.acquire()

    def _end(self) -> None:
        with self._lock:
            if self._waiting:
                heappop(self._waiting)[2].release()  # the turn is handed over
            else:
                self._free += 1
