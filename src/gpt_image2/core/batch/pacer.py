"""When the next request of a run may go out: as fast as allowed, and no faster.

What is allowed comes, best first, from the user, from the server's headers, from the words of a refusal;
where nobody tells, from what gets through (`hidden_limit`). A limit that is told is not undercut by a
guess: a refusal that does not name it is chance, its job alone waits, and another one goes in its place.
One that says that the limit is used up, though we have kept to it, tells of others on the same key: we take
what is left. Requests that go out by rate are spaced evenly (a virtual schedule, as in the generic cell
rate algorithm).

Pure: it has no clock and never sleeps. `now_s` is a moment in seconds, on a clock that never goes back.
"""

from __future__ import annotations

from typing import Dict, Iterable, Optional

from ..api.rate_limits import limit_in_words
from ..base.events import RateLimit
from ..base.record import Record
from .hidden_limit import HiddenLimit
from .kept_pace import Departure

IMAGES, REQUESTS = "images", "requests"
NAMED, TOLD, FOUND = "as named", "told by the server", "what gets through"

MINUTE_S = 60.0
_MARGIN = 0.98  # of a limit that is told: clocks and networks are not exact
_RESET_SLACK_S, _RESET_SLACK = 1.0, 0.1
_MOST_WAITING = 3  # refused jobs for each place, before they take places


class Meter:
    """One limit: `spare` units may go at once, further ones at `per_s` units a second; and at once again what
    was given back."""

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self.spare = 0.0
        self.next_s = 0.0
        self._given_back = 0.0

    def ready_s(self, units: float) -> float:
        """The moment from which so many units may go."""
        return 0.0 if max(self.spare, self._given_back) >= units else self.next_s

    def take(self, units: float, now_s: float) -> None:
        if self._given_back >= units:
            self._given_back -= units
            return
        if self.spare >= units:
            self.spare -= units
        else:
            self.spare = 0.0
        self.next_s = max(self.next_s, now_s) + units / self.per_s if not self.spare else now_s

    def give_back(self, units: float) -> None:
        """So many units were not used after all."""
        self._given_back += units


class Pacing(Record):
    """What a run waits for: nobody goes for `wait_s` seconds, as the server asks or as it refuses all; and
    the pace a minute, None where there is none, and its `source`."""

    wait_s: float = 0.0
    is_asked: bool = False
    per_minute: Optional[float] = None
    source: str = ""


class Pacer:
    """The pace of one run. `images_per_minute` is the user's own word; None is to learn it."""

    def __init__(self, images_per_minute: Optional[float]) -> None:
        self._meters: Dict[str, Meter] = {}
        self._limits: Dict[str, int] = {}  # a minute, as the server tells
        self._under_way: Dict[str, float] = {IMAGES: 0.0, REQUESTS: 0.0}
        self._is_named = images_per_minute is not None
        self._hidden = HiddenLimit(has_pace=self._is_named)
        if images_per_minute is not None:
            self._meters[IMAGES] = Meter(images_per_minute / MINUTE_S)

    def change_pace(self, images_per_minute: float) -> None:
        """The user's own word is another one from now on."""
        self._meters[IMAGES].per_s = images_per_minute / MINUTE_S

    def wait_s(self, images: int, now_s: float) -> float:
        """For how many seconds a request for so many images has to wait; 0 when it may go."""
        units = _units(images)
        ready_s = max((meter.ready_s(units[kind]) for kind, meter in self._meters.items()), default=0.0)
        return max(self._hidden.wait_s(now_s), ready_s - now_s)

    def start(self, images: int, now_s: float) -> Departure:
        """A request for so many images goes out."""
        most_per_s = float("inf")
        for kind, units in _units(images).items():
            self._under_way[kind] += units
            meter = self._meters.get(kind)
            if meter is not None:
                meter.take(units, now_s)
                most_per_s = min(most_per_s, meter.per_s * images / units)
        return self._hidden.start(images, now_s, most_per_s)

    def end(self, departure: Departure) -> None:
        """It is not under way any more."""
        departure.has_ended = True
        for kind, units in _units(departure.images).items():
            self._under_way[kind] -= units

    def learn(self, limits: Iterable[RateLimit], departure: Departure) -> None:
        """Takes in the limits that the answer to a request tells of: the one on images, and where there is
        none, the one on requests."""
        known = {limit.kind: limit for limit in limits}
        kind = IMAGES if IMAGES in known else REQUESTS
        limit = known.get(kind)
        if limit is None:
            return
        units = _units(departure.images)[kind]
        departure.is_used_up = limit.remaining < units
        if self._is_named:
            return
        self._know(kind, limit.limit)
        meter = self._meters[kind]
        # Other requests under way may not be counted there yet.
        meter.spare = max(0.0, limit.remaining - (self._under_way[kind] - units))
        if meter.spare < 1 and 0 < limit.reset_s <= MINUTE_S:
            # What is filled all the time is whole so late; anything else is a window, and empty until then.
            filled_s = (limit.limit - limit.remaining) * MINUTE_S / limit.limit
            if abs(limit.reset_s - filled_s) > max(_RESET_SLACK_S, _RESET_SLACK * filled_s):
                meter.next_s = max(meter.next_s, departure.sent_s + limit.reset_s)

    def refuse(self, departure: Departure, wait_s: Optional[float], message: str, now_s: float) -> None:
        """The server refused a request as one too many; `wait_s` is the wait that it asks for."""
        told = limit_in_words(message)
        if told is not None and not self._is_named:
            self._know(*told)
        is_limit: Optional[bool] = told is not None or departure.is_used_up or None
        for kind, units in _units(departure.images).items():
            meter = self._meters.get(kind)
            if meter is None:
                continue
            if is_limit:
                meter.spare = 0.0
            else:
                is_limit = False  # there is one that is told, and this is not it
                if not self._hidden.is_limited:
                    meter.give_back(units)
        self._hidden.refuse(departure, wait_s, now_s, is_limit)

    def has_got_through(self, since_s: float) -> bool:
        """Whether the server has let a request through that was sent since a moment."""
        return self._hidden.last_through_s >= since_s

    def places_taken(self, waiting: int, places: int) -> int:
        """How many of so many places are taken by refused jobs that wait for their own time: all, until it is
        known that others need not wait for them, or how fast they may go."""
        is_free = self._hidden.is_chance or self._hidden.pace is not None or bool(self._meters)
        return max(0, waiting - _MOST_WAITING * places) if is_free else waiting

    def pacing(self, now_s: float) -> Pacing:
        """What it waits for now."""
        wait_s, is_asked = self._hidden.shut_s(now_s), self._hidden.is_asked
        pace, meters = self._hidden.pace, self._meters.values()
        per_s = min((meter.per_s for meter in meters), default=float("inf"))
        source = NAMED if self._is_named else TOLD
        if pace is not None and pace.per_s < per_s:
            per_s, source = pace.per_s, FOUND
        if per_s == float("inf"):
            return Pacing(wait_s, is_asked)
        return Pacing(wait_s, is_asked, per_s * MINUTE_S, source)

    def _know(self, kind: str, limit: int) -> None:
        """The server has told a limit a minute."""
        if self._limits.get(kind) != limit:
            self._limits[kind] = limit
            self._hidden.forget()
            self._meters[kind] = Meter(limit / MINUTE_S * _MARGIN)


def _units(images: int) -> Dict[str, float]:
    return {IMAGES: float(images), REQUESTS: 1.0}
