"""When the next request of a run may go out: as fast as allowed, and no faster.

What is allowed comes, best first, from the user, from the server's headers, from the words of a refusal, and
from refusals alone: then by additive increase and multiplicative decrease, as in TCP (RFC 5681). A wait that
the server asks for holds all requests back. Requests that go out by rate are spaced evenly (a virtual
schedule, as in the generic cell rate algorithm).

Pure: it has no clock and never sleeps. `now_s` is a moment in seconds, on a clock that never goes back.
"""

from __future__ import annotations

from collections import deque
from typing import Deque, Dict, Iterable, Optional, Tuple

from ..api.rate_limits import limit_in_words
from ..base.events import RateLimit

IMAGES, REQUESTS = "images", "requests"

MINUTE_S = 60.0
_MARGIN = 0.98  # of a limit that is known: clocks and networks are not exact
_DECREASE = 0.85
_DECREASE_AGAIN = 0.6  # two refusals shortly after each other: the guess is far off
_SOON_S = 30.0
_INCREASE_EVERY_S = 15.0
_DEFAULT_WAIT_S = 2.0


class Meter:
    """One limit: `spare` units may go at once, further ones at `per_s` units a second."""

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self.spare = 0.0
        self._next_s = 0.0

    def ready_s(self, units: float) -> float:
        """The moment from which so many units may go."""
        return 0.0 if self.spare >= units else self._next_s

    def take(self, units: float, now_s: float) -> None:
        if self.spare >= units:
            self.spare -= units
        else:
            self.spare = 0.0
        self._next_s = max(self._next_s, now_s) + units / self.per_s if not self.spare else now_s


class Pacer:
    """The pace of one run. `images_per_minute` is the user's own word; None is to learn it."""

    def __init__(self, images_per_minute: Optional[float], now_s: float) -> None:
        self._meters: Dict[str, Meter] = {}
        self._most_per_s: Dict[str, float] = {}  # limits that are known, by kind
        self._under_way: Dict[str, float] = {IMAGES: 0.0, REQUESTS: 0.0}
        self._gone: Deque[Tuple[float, float]] = deque()  # when how many images went out and were not refused
        self._started_s = now_s
        self._paused_until_s = now_s
        self._changed_s = now_s
        self._is_told = images_per_minute is not None
        if images_per_minute is not None:
            self._most_per_s[IMAGES] = images_per_minute / MINUTE_S
            self._meters[IMAGES] = Meter(images_per_minute / MINUTE_S)

    def wait_s(self, images: int, now_s: float) -> float:
        """For how many seconds a request for so many images has to wait; 0 when it may go."""
        units = {IMAGES: float(images), REQUESTS: 1.0}
        ready = [meter.ready_s(units[kind]) for kind, meter in self._meters.items()]
        return max(0.0, max([self._paused_until_s, *ready]) - now_s)

    def paused_s(self, now_s: float) -> float:
        return max(0.0, self._paused_until_s - now_s)

    def start(self, images: int, now_s: float) -> None:
        """A request for so many images goes out."""
        self._speed_up(now_s)
        units = {IMAGES: float(images), REQUESTS: 1.0}
        for kind, meter in self._meters.items():
            meter.take(units[kind], now_s)
        for kind in units:
            self._under_way[kind] += units[kind]
        self._gone.append((now_s, float(images)))
        while self._gone and self._gone[0][0] < now_s - MINUTE_S:
            self._gone.popleft()

    def end(self, images: int) -> None:
        self._under_way[IMAGES] -= images
        self._under_way[REQUESTS] -= 1

    def learn(self, limits: Iterable[RateLimit], images: int) -> None:
        """Takes in the limits that the answer to a request for so many images tells of: the one on images,
        and where there is none, the one on requests."""
        known = {limit.kind: limit for limit in limits}
        kind = IMAGES if IMAGES in known else REQUESTS
        limit = known.get(kind)
        if limit is None or self._is_told:
            return
        self._know(kind, limit.limit)
        # Other requests under way may not be counted there yet.
        others = self._under_way[kind] - (images if kind == IMAGES else 1)
        self._meters[kind].spare = max(0.0, limit.remaining - others)

    def refuse(self, images: int, wait_s: Optional[float], message: str, now_s: float) -> None:
        """The server refused a request as one too many; `wait_s` is the wait that it asks for."""
        if self._gone:
            self._gone.pop()
        for meter in self._meters.values():
            meter.spare = 0.0
        told = limit_in_words(message)
        if told is not None and not self._is_told:
            self._know(*told)
        elif now_s >= self._paused_until_s:  # refusals of one moment count as one
            self._slow_down(images, wait_s, now_s)
        self._changed_s = now_s
        self.pause(_DEFAULT_WAIT_S if wait_s is None else wait_s, now_s)

    def pause(self, wait_s: float, now_s: float) -> None:
        self._paused_until_s = max(self._paused_until_s, now_s + wait_s)

    def _know(self, kind: str, limit: int) -> None:
        """A limit a minute is known: it is the most, whatever was guessed before."""
        per_s = limit / MINUTE_S
        if self._most_per_s.get(kind) != per_s:
            self._most_per_s[kind] = per_s
            self._meters[kind] = Meter(per_s * _MARGIN)

    def _slow_down(self, images: int, wait_s: Optional[float], now_s: float) -> None:
        meter = self._meters.get(IMAGES) or self._meters.get(REQUESTS)
        if meter is not None:
            meter.per_s *= _DECREASE if now_s - self._changed_s > _SOON_S else _DECREASE_AGAIN
            return
        # The first refusal: what went through in the last minute is what a minute takes, or an image each
        # time the server asks to wait.
        gone = sum(count for _, count in self._gone)
        guess = gone / MINUTE_S
        if wait_s:
            guess = max(guess, images / wait_s)
        elif wait_s is None:
            guess = max(guess, gone / max(1.0, now_s - self._started_s) / 2)
        self._meters[IMAGES] = Meter(max(guess, 1 / MINUTE_S))

    def _speed_up(self, now_s: float) -> None:
        """After a while without refusals a bit more is tried: an image a minute, up to what is known."""
        if now_s - self._changed_s < _INCREASE_EVERY_S:
            return
        self._changed_s = now_s
        for kind, meter in self._meters.items():
            most = self._most_per_s.get(kind, float("inf"))
            if meter.per_s < most * _MARGIN:
                meter.per_s = min(most * _MARGIN, meter.per_s + max(1 / MINUTE_S, meter.per_s * 0.02))
