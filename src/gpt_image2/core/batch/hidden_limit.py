"""A limit that a server tells nobody of: whether there is one, and how much it lets through.

A refusal may be chance, as of a gateway that sheds load, or a limit, and does not say which: `evidence`
weighs how likely each outcome is in either case. The pace is set by what gets through, not by what is
refused (as in BBR: Cardwell et al., ACM Queue 14 (5), 2016):

- At first requests go as they come. A refused one waits alone: it would be of no use if others waited too.
- When it is most likely a limit, or after a few refusals that tell neither, the rate that got through is
  tried as a pace (a rate is judged by trying it, as in PCC: Dong et al., NSDI 2015). It is measured from the
  first request that gets through after a refusal to the first one after a later refusal: between two moments
  at which a limit was used up, just the limit got through, be it a bucket or a window (so BBR measures
  policers: `bbr_lt_bw_sampling` in Linux' tcp_bbr.c). At first, where a bucket was full, what got through
  between refusals says more than what did before them.
- Where it is most likely chance, all is open again. A limit is approached from below, kept for a while and
  passed, faster and faster, until a refusal says that it is time to measure again (the cubic of RFC 9438).
  The longer it has been as measured, the longer it is kept: at last one in about 300 is refused.
- A refusal is heard late, and what has gone until then is refused with it: so requests go by ones and twos
  after a refusal and at a pace that is a guess, and what goes at once is spread over a tenth of the time that
  as many took before.
- While nobody gets through nobody goes but one that asks: after the wait that the server asks for; else after
  longer and longer ones, but at the end of a window, where that is known.

Pure: no clock. A request that is not refused within a while counts as let through.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Deque, Optional

from .evidence import Evidence
from .kept_pace import (
    FALL,
    FREE,
    GUESS_FALL,
    LEAST_IMAGES,
    Departure,
    KeptPace,
    Measure,
    between_refusals_per_s,
)

_FEW, _MANY = 3, 64  # refusals until a pace is tried: at first, and where they were found to be chance
_CALM_S = 60.0  # after that, at least so long
_LOST = 6  # refusals on end until nobody goes, while nothing is known
_MOST_WAIT_S = 30.0  # until one asks again
_LONGER, _MUCH_LONGER = 1.3, 2.0  # than the last time: as a rule, and where it is a limit or all is open
_WINDOW_S, _AFTER_S = 60.0, 0.1  # limits are by the minute; what comes so late is behind its end
_GOLDEN = 0.618  # its multiples fall everywhere between whole numbers
_MOST_ASKING = 4
_LEAST_GRACE_S, _MOST_GRACE_S = 0.2, 5.0  # after which a request that is not refused is let through
_MOST_IN_DOUBT = 16  # where refusals are chance
_RECENT = 64  # requests that are remembered
_SPREAD = 0.1  # of the time that an image took so far: between two while nothing is refused

_BEHIND = 0.25  # of the time that is left until the next image: what goes so soon after a refusal
_RARELY, _SOMETIMES = 0.02, 0.15  # so often a limit refuses what keeps to its pace: measured, and guessed
_AT_FIRST_S = 2.0  # by which a rate is taken for lower while hardly anything has got through
_FREE_S = 60.0  # of images ahead of that pace: what a bucket or a window of a minute may hold


class HiddenLimit:
    """What is known of it; with `has_pace` there is a pace already that no guess is to undercut. Times are
    seconds on a clock that never goes back."""

    def __init__(self, has_pace: bool) -> None:
        self._has_pace = has_pace
        self.pace: Optional[KeptPace] = None  # None: open
        self.last_through_s = 0.0  # when what was let through last had been sent
        self._evidence = Evidence()
        self._recent: Deque[Departure] = deque(maxlen=_RECENT)
        self._last: Optional[Departure] = None  # that was counted
        self._refuses_since_s = 0.0  # when the first was sent of those that were refused on end
        self._measure: Optional[Measure] = None
        self._patience = _FEW
        self._open_until_s = 0.0
        self._guesses = True  # nobody tells what refusals are for
        self._is_told = False  # a refusal since the last measure said that it was for a limit
        self._shut_until_s: Optional[float] = None
        self._least_per_s, self._most_per_s = 0.0, inf  # of a pace: known to get through, allowed in any case
        self._asked_image_s = 1.0  # how long a limit would take for one image, when it was shut
        self._vain = 0  # how often it was shut on end
        self.is_asked = False  # by the server
        self._resumes_s: Optional[float] = None  # what goes then or later and gets through begins anew
        self._grace_s: Optional[float] = None

    @property
    def is_chance(self) -> bool:
        """Whether refusals have been found to be chance."""
        return self.pace is None and self._patience == _MANY

    @property
    def is_limited(self) -> bool:
        """Whether refusals are evidently for a limit."""
        return self._evidence.is_limit

    def shut_s(self, now_s: float) -> float:
        """For how many seconds nobody goes."""
        return max(0.0, (self._shut_until_s or 0.0) - now_s)

    def wait_s(self, now_s: float) -> float:
        """For how many seconds the next request has to wait."""
        self._look(now_s)
        wait_s = self.shut_s(now_s)
        if self.pace is not None and self._vain < 2:  # those who ask once more need not be so far apart
            wait_s = max(wait_s, self.pace.next_s - now_s)
        measure = self._measure
        if self.pace is None and measure is not None and not measure.refusals:
            gap_s = _SPREAD * (now_s - measure.since_s) / max(1, measure.images)
            wait_s = max(wait_s, self._recent[-1].sent_s + gap_s - now_s)
        in_doubt = [each for each in self._recent if not self._is_known(each, now_s)]
        if len(in_doubt) >= self._most_in_doubt(now_s):
            wait_s = max(wait_s, in_doubt[0].sent_s + self._grace - now_s, 0.001)
        return max(0.0, wait_s)

    def start(self, images: int, now_s: float, most_per_s: float) -> Departure:
        """A request goes out, where no more than so many images a second are allowed in any case."""
        departure = Departure(images, now_s)
        departure.is_asking = self._shut_until_s is not None
        if len(self._recent) == _RECENT:
            self._count(self._recent[0], now_s)
        self._recent.append(departure)
        if self._measure is None:
            self._measure = Measure(now_s, [])
        self._measure.add(departure)
        self._most_per_s = most_per_s
        if self.pace is not None:
            self.pace.take(departure, most_per_s)
            if self.pace.gain > FREE and self._ahead_s(self.pace, now_s) > _FREE_S:
                self._open(_FEW, now_s)
        return departure

    def forget(self) -> None:
        """A limit is told: what was guessed is nothing to it."""
        self._open(_MANY)

    def refuse(
        self, departure: Departure, wait_s: Optional[float], now_s: float, is_limit: Optional[bool] = None
    ) -> None:
        """The server refused it. `wait_s` is the wait that it asks for; `is_limit` tells whether it was for a
        limit, None where nobody does."""
        departure.is_refused = True
        grace_s = min(_MOST_GRACE_S, max(_LEAST_GRACE_S, 3 * (now_s - departure.sent_s)))
        self._grace_s = max(grace_s, 0.9 * (self._grace_s or 0.0))
        if self._measure is not None and departure.sent_s >= self._measure.since_s:
            self._measure.refuse(departure)
        self._is_told = self._is_told or bool(is_limit)
        self._guesses = is_limit is None
        self._look(now_s)
        if self._shut_until_s is not None or self._shuts(departure, is_limit, now_s):
            self._shut(wait_s, now_s)

    def _shuts(self, departure: Departure, is_limit: Optional[bool], now_s: float) -> bool:
        """Whether a refusal is a reason for nobody to go: none gets through, or it is time to measure."""
        if is_limit:
            return True
        lost, pace = self._lost(now_s), self.pace
        is_lost = lost >= self._evidence.most_lost(lost)
        if is_limit is False:
            self._patience = _MANY
            if pace is not None:
                pace.give_back(departure)
            return is_lost
        if pace is not None:
            is_measured = not (pace.is_guess and self._evidence.leans)
            if departure.is_within and is_measured and not self.is_limited:
                pace.give_back(departure)
                return is_lost or (lost > 1 and self._evidence.leans)
            return True
        if not self.is_chance:
            return is_lost or lost >= _LOST or self.is_limited or self._is_due(now_s)
        if is_lost or self.is_limited or self._is_due(now_s):
            self._evidence.doubt()
            self._patience = _FEW
            return True
        return False

    def _ahead_s(self, pace: KeptPace, now_s: float) -> float:
        """By how many seconds of the pace more has got through than it lets through."""
        measure = self._measure
        return measure.images / pace.per_s - (now_s - measure.since_s) if measure else 0.0

    def _own_wait_s(self, image_s: float, now_s: float) -> float:
        """How long nobody goes where the server names no wait: until the next image, if it is a bucket; if
        that is in vain, until what was used is paid for, as at the end of a window."""
        is_far = self.is_limited or self.pace is None
        wait_s = min(_MOST_WAIT_S, image_s * (_MUCH_LONGER if is_far else _LONGER) ** self._vain)
        if self.pace is not None and self._vain:
            wait_s = max(wait_s, min(_WINDOW_S, self._ahead_s(self.pace, now_s)))
        began_s = self._measure.since_s if self._measure else now_s
        return min(wait_s, _WINDOW_S - (now_s - began_s) % _WINDOW_S + _AFTER_S)

    def _is_due(self, now_s: float) -> bool:
        """Whether a pace is to be tried."""
        measure = self._measure
        if measure is None or measure.images < LEAST_IMAGES:
            return False
        is_due = measure.refusals >= self._patience and now_s >= self._open_until_s
        return self._is_told or (self._guesses and is_due)

    def _open(self, patience: int, now_s: Optional[float] = None) -> None:
        """No pace is kept until so many more refusals; from `now_s` on there is something to measure."""
        self._least_per_s = self.pace.per_s if self.pace is not None else 0.0
        self.pace = self._shut_until_s = self._resumes_s = None
        self._vain = 0
        self._measure = None if now_s is None else Measure(now_s, [])
        self._patience = patience
        self._open_until_s = (now_s or 0.0) + _CALM_S if patience == _MANY else 0.0

    def _shut(self, wait_s: Optional[float], now_s: float) -> None:
        """Nobody goes for a while; then one by one, until one gets through."""
        until_s = self._shut_until_s
        if until_s is None or now_s >= until_s:
            self.is_asked = wait_s is not None
            if not self._vain:
                self._asked_image_s = self._image_s(now_s)
            image_s = self._asked_image_s
            if wait_s is None:
                wait_s = self._own_wait_s(image_s, now_s)
            else:  # others may come at the very moment that the server names, and again when we come in vain
                wait_s += min(image_s, max(1.0, wait_s)) * (_GOLDEN * self._vain % 1)
            self._vain += 1
        if wait_s is not None:
            self._shut_until_s = max(until_s or 0.0, now_s + wait_s)
        if self._vain == 1:
            self._resumes_s = self._shut_until_s

    def _look(self, now_s: float) -> None:
        """Takes in what has got through by now, in the order of sending."""
        for departure in self._recent:
            if not self._is_known(departure, now_s):
                break
            self._count(departure, now_s)
        for departure in reversed(self._recent):
            if self._is_through(departure, now_s):
                self.last_through_s = max(self.last_through_s, departure.sent_s)
                break
        resumes_s = self._resumes_s
        if resumes_s is not None:
            later = (departure for departure in self._recent if departure.sent_s >= resumes_s)
            first = next((departure for departure in later if self._is_through(departure, now_s)), None)
            if first is not None:
                self._resume(first)

    def _count(self, departure: Departure, now_s: float) -> None:
        """Takes in what the outcome of a request tells."""
        if departure.is_counted:
            return
        departure.is_counted = True
        last, self._last = self._last, departure
        limit_refuses = 0.0
        if last is not None and not departure.is_asking:
            # It lets the next one through at any moment until then, as likely as at any other.
            left_s = self._image_s(now_s) - (last.sent_s - self._refuses_since_s)
            behind_s = departure.sent_s - last.sent_s
            if last.is_refused and behind_s < _BEHIND * left_s:
                limit_refuses = 1 - max(_RARELY, behind_s / left_s)
            elif departure.is_within:
                limit_refuses = _SOMETIMES if self.pace is None or self.pace.is_guess else _RARELY
        if departure.is_refused and not (last is not None and last.is_refused):
            self._refuses_since_s = departure.sent_s
        self._evidence.add(departure.is_refused, limit_refuses)
        if self._evidence.is_chance and self._guesses and (self.pace or self._patience < _MANY):
            self._open(_MANY, now_s)

    def _resume(self, first: Departure) -> None:
        """The first request after a refusal has got through: what there was until then is measured."""
        self._resumes_s = self._shut_until_s = None
        self._vain = 0
        later = [each for each in self._recent if each.sent_s >= first.sent_s and not each.is_refused]
        begins, measure, pace = Measure(first.sent_s, later), self._measure, self.pace
        if measure is None or self._has_pace:
            self._measure = begins
            return
        images, seconds = measure.images - begins.images, first.sent_s - measure.since_s
        per_s = max(1, images) / max(0.001, seconds)
        if images < LEAST_IMAGES and not (self._guesses and self.is_limited):
            return
        if pace is None and not (self._guesses or self._is_told):
            return
        self._measure, self._is_told = begins, False
        if pace is None:
            if images < LEAST_IMAGES:
                per_s = max(per_s, self._least_per_s)
            per_s = min(per_s, between_refusals_per_s(self._recent))
            self.pace = KeptPace(min(per_s, self._most_per_s), first.sent_s)
            return
        if images < LEAST_IMAGES:
            per_s = max(per_s, pace.per_s / GUESS_FALL)
        elif per_s < FALL * pace.best_per_s and (not pace.is_guess or pace.measures):
            self._evidence.doubt()  # a limit would have let as much through as before
        pace.measure(per_s, first.sent_s, images)

    def _image_s(self, now_s: float) -> float:
        """How long a limit would take for one image, as far as is known."""
        if self.pace is not None:
            return 1 / self.pace.per_s
        measure = self._measure
        return (
            1.0 if measure is None else (now_s - measure.since_s + _AT_FIRST_S) / (max(0, measure.images) + 1)
        )

    def _most_in_doubt(self, now_s: float) -> float:
        """How many requests may be out of which it is not known yet whether they get through: one while it is
        shut, or one more each time where the server named the wait; after a refusal ever more, while little
        is known of the limit."""
        if self._shut_until_s is not None:
            return min(self._vain, _MOST_ASKING) if self.is_asked else 1
        measure, pace = self._measure, self.pace
        if measure is None or not (measure.refusals if pace is None else pace.is_guess):
            return inf
        if self.is_chance:
            return _MOST_IN_DOUBT
        most = 1
        for departure in reversed(self._recent):
            if departure.is_refused:
                break
            most += self._is_through(departure, now_s)
        return most

    def _lost(self, now_s: float) -> int:
        """How many requests on end were refused, in the order of sending."""
        lost = 0
        for departure in reversed(self._recent):
            if departure.is_refused:
                lost += 1
            elif lost or self._is_through(departure, now_s):
                break  # a later one is refused already, so this one most likely is through
        return lost

    @property
    def _grace(self) -> float:
        return 1.0 if self._grace_s is None else self._grace_s

    def _is_through(self, departure: Departure, now_s: float) -> bool:
        return not departure.is_refused and self._is_known(departure, now_s)

    def _is_known(self, departure: Departure, now_s: float) -> bool:
        return departure.is_refused or departure.has_ended or now_s - departure.sent_s >= self._grace
