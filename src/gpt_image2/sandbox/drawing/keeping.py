"""Keeps what was costly to make, up to a number of bytes; what was not used for longest goes first. Safe for
threads.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Kept(Generic[_T]):
    """Values by key; `size_of` tells the bytes of one."""

    def __init__(self, capacity_bytes: int, size_of: Callable[[_T], int]) -> None:
        self._capacity_bytes = capacity_bytes
        self._size_of = size_of
        self._values: OrderedDict[Hashable, _T] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """The value of a key, made where it is not there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            if key not in self._values:
                self._values[key] = value
                self._bytes += self._size_of(value)
            while self._bytes > self._capacity_bytes and len(self._values) > 1:
                _, dropped = self._values.popitem(last=False)
                self._bytes -= self._size_of(dropped)
        return value
