"""A pace that was found by what got through: kept to, and tried beyond; see `hidden_limit`. Pure."""

from __future__ import annotations

from math import inf
from typing import Iterable, List

_FIRST_DIP, _DIP = 0.25, 0.08  # of the pace, just after it was measured: the first time, and again
_SHORT, _USUAL, _LONG = 8, 16, 256  # requests until it is back: after it has fallen, at first, at most
_SECONDS_COUNT, _MOST_COUNT = 3.0, 2.0  # seconds that count as one of them; requests that a second counts as
GUESS_FALL = 4.0  # times lower than a guess at most, whatever is measured
_GUESSES = 3  # measures, after which a pace should be right
LEAST_IMAGES, SURE_IMAGES = 4, 16  # that tell a rate, and that tell it surely
_LEAST_BETWEEN = 2  # that tell a rate, where nothing better does
FREE = 4.0  # times the pace that was measured: nothing has stopped us, so there is no such limit
FALL = 0.75


class Departure:
    """A request that has gone out for some images; `sent_s` is when."""

    def __init__(self, images: int, sent_s: float) -> None:
        self.images = images
        self.sent_s = sent_s
        self.has_ended = self.is_refused = self.is_counted = False
        #: Whether it asked if others may go again.
        self.is_asking = False
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
        self.refusals = 0

    def add(self, departure: Departure) -> None:
        self.images += departure.images

    def refuse(self, departure: Departure) -> None:
        self.images -= departure.images
        self.refusals += 1


def between_refusals_per_s(recent: Iterable[Departure]) -> float:
    """The images a second that got through between the first and the last refusal: at both of them a limit
    was used up; infinite where too few did."""
    departures = list(recent)
    refused = [place for place, each in enumerate(departures) if each.is_refused]
    between = departures[refused[0] : refused[-1] + 1] if refused else []
    images = sum(each.images for each in between if not each.is_refused)
    if images < _LEAST_BETWEEN:
        return inf
    return images / max(0.001, between[-1].sent_s - between[0].sent_s)


class KeptPace:
    """A pace that was measured, in images a second, and how far it is gone beyond: see the module."""

    def __init__(self, per_s: float, now_s: float) -> None:
        self.per_s: float = per_s
        self.best_per_s: float = per_s
        self.gain = 1.0  # times this pace requests go now
        self.next_s = self._since_s = now_s
        self.is_guess = True  # not measured between two refusals yet
        self._steady: float = _USUAL  # requests until it is reached
        self._dip = _FIRST_DIP  # of it at first
        self.measures = 0  # told by a few images at least
        self._sent = 0

    def take(self, departure: Departure, most_per_s: float) -> None:
        self._sent += 1
        # Time counts for requests: a slow pace may be slow for no reason, most likely where it has fallen.
        is_doubtful = self.is_guess or self._steady == _SHORT
        seconds = departure.sent_s - self._since_s
        sent = max(self._sent, seconds / (1 if is_doubtful else _SECONDS_COUNT))
        ahead = (sent if self._steady <= _USUAL else min(sent, _MOST_COUNT * seconds)) - self._steady
        dip = _DIP if ahead > 0 else self._dip
        self.gain = 1 + dip * (ahead / (self._steady if ahead < 0 else max(_SHORT, self._steady / 3))) ** 3
        departure.is_within = self.gain <= 1
        self.is_guess = self.is_guess and self._sent <= SURE_IMAGES
        per_s = min(most_per_s, self.per_s * min(FREE, self.gain))
        departure.took_s = departure.images / per_s
        self.next_s = max(self.next_s, departure.sent_s) + departure.took_s

    def give_back(self, departure: Departure) -> None:
        """A request was refused by chance: another one may go in its place."""
        self.next_s -= departure.took_s

    def measure(self, per_s: float, now_s: float, images: int) -> None:
        """So much got through between two refusals, told by so many images."""
        if self.is_guess:  # what was there at first may have been in it
            self.best_per_s = max(per_s, self.per_s / GUESS_FALL)
            self.per_s = self.best_per_s
        elif per_s >= FALL * self.best_per_s:
            self.best_per_s = max(self.best_per_s, per_s)
            self.per_s = per_s
            if self.gain > 1:  # it was kept until it was passed
                self._steady = min(_LONG, 2 * self._steady)
        else:  # it may have been an accident: half is enough, and soon more is tried
            self.per_s = self.best_per_s = max(per_s, self.per_s / 2)
            self._steady = _SHORT
        self.measures += images >= LEAST_IMAGES
        self.is_guess = self.is_guess and images < SURE_IMAGES and self.measures < _GUESSES
        self._dip = _DIP
        self._sent = 0
        self._since_s = now_s
        self.next_s = now_s + 1 / self.per_s
