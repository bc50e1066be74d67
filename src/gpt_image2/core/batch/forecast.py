"""How long the rest of a run will take, by how it went of late. Pure."""

from __future__ import annotations

from collections import deque
from typing import Deque, Optional

from .pacer import MINUTE_S, Pacing

_LEAST_ENDED = 20


class Forecast:
    """What has ended of a run that began at a moment, with so many calls at once."""

    def __init__(self, concurrency: int, began_s: float) -> None:
        # Calls that began together end together: what is remembered spans at least two such waves.
        self._ended_s: Deque[float] = deque([began_s], maxlen=_LEAST_ENDED + 2 * concurrency)
        self._took_s = 0.0

    def end(self, took_s: float, now_s: float) -> None:
        """A job has ended whose call took so long."""
        weight = 1 if len(self._ended_s) == 1 else 1 / min(len(self._ended_s), _LEAST_ENDED)
        self._took_s += (took_s - self._took_s) * weight
        self._ended_s.append(now_s)

    def rest_s(
        self, unsent: int, images_each: float, newest_s: float, pacing: Pacing, now_s: float
    ) -> Optional[float]:
        """Seconds until all has ended, where so many jobs are not under way yet, and the newest call has run
        for `newest_s`; None while nothing has ended."""
        ended = len(self._ended_s) - 1
        if not ended:
            return None
        if not unsent:
            return max(0.0, self._took_s - newest_s)
        # The next ones are on their way: the time since the last one counts when it is longer than a call.
        until_s = max(self._ended_s[-1], now_s + pacing.wait_s - self._took_s)
        per_s = ended / max(0.001, until_s - self._ended_s[0])
        if pacing.per_minute is not None:
            per_s = min(per_s, pacing.per_minute / MINUTE_S / images_each)
        return pacing.wait_s + unsent / per_s + self._took_s
