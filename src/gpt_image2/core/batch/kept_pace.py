"""A pace that was found by what got through: kept to, and tried beyond; see `hidden_limit`. Pure."""

from __future__ import annotations

from typing import List

_FIRST_DIP, _DIP = 0.25, 0.08  # of the pace, just after it was measured: the first time, and again
_SHORT, _USUAL, _LONG = 8, 24, 64  # requests until it is back: after it has fallen, at first, at most
_TRIED = 8  # refusals that there would have been by now if they were chance: it is a limit
FREE = 4.0  # times the pace that was measured: nothing has stopped us, so there is no such limit
FALL = 0.75
_LIMITED, _BY_CHANCE = 0.9, 0.7  # of those refused: it is a limit, it is chance
_LEAST_PASSED, _LEAST_REFUSED = 2, 6  # of those, to know it
_OF_LATE = 32  # requests


class Departure:
    """A request that has gone out for some images; `sent_s` is when."""

    def __init__(self, images: int, sent_s: float) -> None:
        self.images = images
        self.sent_s = sent_s
        self.has_ended = self.is_refused = False
        #: Whether it kept to a pace that should have been let through, and how much time it took up there.
        self.is_within = False
        self.took_s = 0.0
        #: Whether its answer tells that the limit is used up that the server tells of.
        self.is_used_up = False


class Measure:
    """What got through since a moment, and how many requests were refused."""

    def __init__(self, since_s: float, later: List[Departure]) -> None:
        self.since_s = since_s
        self.images = sum(each.images for each in later)
        self.requests = len(later)
        self.refusals = 0

    def add(self, departure: Departure) -> None:
        self.images += departure.images
        self.requests += 1

    def refuse(self, departure: Departure) -> None:
        self.images -= departure.images
        self.requests -= 1
        self.refusals += 1

    @property
    def share(self) -> float:
        """Of all requests, those that were refused."""
        return self.refusals / max(1, self.requests + self.refusals)


class Outcomes:
    """How many were let through of late, and how many refused."""

    def __init__(self) -> None:
        self.passed = self.refused = 0.0

    @property
    def share(self) -> float:
        return self.refused / max(1.0, self.passed + self.refused)

    @property
    def is_chance(self) -> bool:
        """Whether they are refused by chance, of requests that went right behind refused ones."""
        return self.passed >= _LEAST_PASSED and self.share <= _BY_CHANCE

    @property
    def is_limited(self) -> bool:
        """Whether they are refused for a limit."""
        return self.refused >= _LEAST_REFUSED and self.share >= _LIMITED

    def add(self, is_refused: bool) -> None:
        self.refused += is_refused
        self.passed += not is_refused
        if self.passed + self.refused >= _OF_LATE:  # what is long ago counts less
            self.passed, self.refused = self.passed / 2, self.refused / 2

    def turn(self) -> None:
        """One that counted as let through was refused."""
        self.refused += 1
        self.passed -= 1


class KeptPace:
    """A pace that was measured, in images a second, and how far it is gone beyond: see the module."""

    def __init__(self, per_s: float, share: float, now_s: float) -> None:
        self.per_s: float = per_s
        self.best_per_s: float = per_s
        self.is_confirmed = False  # refusals have gone away, so it is a limit
        self.gain = 1.0  # times this pace requests go now
        self.next_s = self._since_s = now_s
        self._steady = _USUAL  # requests until it is reached
        self._dip = _FIRST_DIP  # of it at first
        self._sent = 0
        self._share = share  # of requests that were refused before it was tried
        self._within = Outcomes()  # requests that kept to it
        self.behind = Outcomes()  # requests that went right behind refused ones

    def take(self, departure: Departure, most_per_s: float) -> None:
        self._sent += 1
        # After a fall a second counts as a request: it may be slow for no reason.
        seconds = departure.sent_s - self._since_s if self._steady == _SHORT else 0.0
        ahead = max(self._sent, seconds) - self._steady
        dip = _DIP if ahead > 0 else self._dip
        self.gain = 1 + dip * (ahead / (self._steady if ahead < 0 else max(_SHORT, self._steady / 3))) ** 3
        departure.is_within = self.gain <= 1
        if departure.is_within:
            self._within.add(False)
            self.is_confirmed = self.is_confirmed or self._within.passed * self._share >= _TRIED
        per_s = min(most_per_s, self.per_s * min(FREE, self.gain))
        departure.took_s = departure.images / per_s
        self.next_s = max(self.next_s, departure.sent_s) + departure.took_s

    def refuse_within(self, departure: Departure) -> None:
        """A request that kept to it was refused: another one may go in its place."""
        self._within.turn()
        self.next_s -= departure.took_s

    @property
    def is_in_vain(self) -> bool:
        """Whether as large a share as before is refused, or half of it."""
        return self._within.refused >= 2 and self._within.share >= self._share / 2

    def measure(self, per_s: float, now_s: float) -> None:
        if per_s >= FALL * self.best_per_s:
            self.best_per_s = max(self.best_per_s, per_s)
            self._steady = min(_LONG, 2 * self._steady)
        else:  # it may have been an accident: half is enough, and soon more is tried
            per_s = self.best_per_s = max(per_s, self.per_s / 2)
            self._steady = _SHORT
        self.per_s, self._dip = per_s, _DIP
        self._sent = 0
        self._since_s = now_s
        self.next_s = now_s + 1 / per_s
