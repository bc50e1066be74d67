"""The time that files, batches and tasks live in: it runs at a chosen speed and can be moved forward.

Lives on one event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class SimulatedClock:
    """A clock that starts at the time of day; `speed` is its seconds in one real second."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._started_at_s = time.time()
        self._started = time.monotonic()
        self._advanced_s = 0.0
        self._stirred = asyncio.Event()

    @property
    def now_s(self) -> float:
        return self._started_at_s + self._advanced_s + (time.monotonic() - self._started) * self.speed

    @property
    def waited_s(self) -> float:
        """Seconds as a client counts them: real ones, and those that the clock was moved by."""
        return time.monotonic() + self._advanced_s

    def advance(self, seconds: float) -> None:
        self._advanced_s += seconds
        self.stir()

    def stir(self) -> None:
        """Let everyone who waits look again."""
        self._stirred.set()
        self._stirred = asyncio.Event()

    async def until(self, moment_s: float, unless: Callable[[], bool] = lambda: False) -> None:
        """Wait for a moment; ends early when, after a stir, `unless` says so."""
        while not unless() and (left_s := moment_s - self.now_s) > 0:
            waiting = asyncio.ensure_future(self._stirred.wait())
            await asyncio.wait([waiting], timeout=left_s / self.speed)
            waiting.cancel()
