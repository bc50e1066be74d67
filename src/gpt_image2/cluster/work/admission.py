"""When a request may leave: one pace and one sum for all that is under way here, and a share of what is
everybody's.

Safe for threads; waits for nothing itself. The pace is core's `Pacer`; limits that the server tells are those
of the key, so each of so many workers keeps to its part of them.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gpt_image2.core.base.events import RateLimit
from gpt_image2.core.base.outcome import Billed
from gpt_image2.core.base.record import replace
from gpt_image2.core.batch.kept_pace import Departure
from gpt_image2.core.batch.pacer import Pacer, Pacing
from gpt_image2.core.ledger.budget import OVER_MAX_COST, Hold

_FIRST_WAIT_S = 0.1  # for the first answer
_ASK_AGAIN_S = 0.5  # for money that calls under way may leave
_MOST_WAIT_S = 5.0  # until one asks again: the pace may have changed by then


class Money(Protocol):
    """What calls may spend: see `SharedBudget`."""

    def take(self, high_usd: float) -> Hold | None:
        """Sets the highest estimate of a call aside; None where it might pass the sum."""
        ...

    def release(self, hold: Hold) -> None:
        """Books what it has cost."""
        ...

    def is_held(self) -> bool:
        """Whether calls under way may still leave some."""
        ...


@dataclass(frozen=True)
class Answer:
    """Whether a request may go: by its `ticket`, else in `wait_s` seconds it may be asked again; never where
    there is a reason why all `is_over`."""

    ticket: int = 0
    wait_s: float = 0.0
    is_over: str = ""


class Gate(Protocol):
    """What a request asks before it leaves: here (`Admission`), or at a desk of a whole cluster."""

    def ask(self, images: int, high_usd: float) -> Answer:
        """Whether a request for so many images may go now."""
        ...

    def learn(self, ticket: int, limits: Sequence[RateLimit]) -> None:
        """Takes in the limits that the answer to a request tells of."""
        ...

    def end(self, ticket: int, billed: Billed, cost_usd: float | None) -> None:
        """The call of a request has ended."""
        ...

    def refuse(self, ticket: int, wait_s: float | None, message: str) -> None:
        """The server refused a request as one too many: it has ended, unbilled."""
        ...

    def has_got_through(self, since_s: float) -> bool:
        """Whether the server has let a request through that was sent since a moment, by this machine's
        clock that never goes back."""
        ...

    def pacing(self) -> Pacing:
        """What all wait for now."""
        ...


class Admission:
    """The pace and the money of all requests of one process. `images_per_minute` is for all workers together,
    None is to learn it; `workers` tells how many they are."""

    def __init__(
        self, images_per_minute: float | None, money: Money, workers: Callable[[], int] = lambda: 1
    ) -> None:
        self._named = images_per_minute
        self._money = money
        self._workers = workers
        self._lock = threading.Lock()
        self._share = max(1, workers())
        self._pacer = self._new_pacer()
        self._tickets = itertools.count(1)
        #: Whether an answer has come. Until then one request goes from each of several workers: many at once
        #: could be too many before anybody knows.
        self._has_heard = False
        self._gone: dict[int, tuple[Departure, Hold]] = {}

    def ask(self, images: int, high_usd: float) -> Answer:
        """Whether a request for so many images may go now."""
        with self._lock:
            self._divide()
            if self._share > 1 and self._gone and not (self._has_heard or self._named):
                return Answer(wait_s=_FIRST_WAIT_S)
            now_s = time.monotonic()
            wait_s = self._pacer.wait_s(images, now_s)
            if wait_s > 0:
                return Answer(wait_s=min(wait_s, _MOST_WAIT_S))
            hold = self._money.take(high_usd)
            if hold is None:
                return Answer(wait_s=_ASK_AGAIN_S) if self._money.is_held() else Answer(is_over=OVER_MAX_COST)
            ticket = next(self._tickets)
            departure = self._pacer.start(images, now_s)
            departure.sent_s = now_s
            hold.sent()
            self._gone[ticket] = departure, hold
        return Answer(ticket)

    def learn(self, ticket: int, limits: Sequence[RateLimit]) -> None:
        """Takes in the limits that the answer to a request tells of."""
        with self._lock:
            self._has_heard = True
            if ticket in self._gone:
                mine = [
                    replace(
                        each,
                        limit=max(1, each.limit // self._share),
                        remaining=each.remaining // (1 if self._share == 1 else 2 * self._share),
                    )
                    for each in limits
                ]
                self._pacer.learn(mine, self._gone[ticket][0])

    def end(self, ticket: int, billed: Billed, cost_usd: float | None) -> None:
        """The call of a request has ended."""
        with self._lock:
            self._has_heard = True
            gone = self._gone.pop(ticket, None)
            if gone is not None:
                departure, hold = gone
                hold.settle(billed, cost_usd)
                self._pacer.end(departure)
                self._money.release(hold)

    def refuse(self, ticket: int, wait_s: float | None, message: str) -> None:
        """The server refused a request as one too many: it has ended, unbilled."""
        with self._lock:
            if ticket in self._gone:
                # A limit in words is the whole key's.
                said = message if self._share == 1 else ""
                self._pacer.refuse(self._gone[ticket][0], wait_s, said, time.monotonic())
        self.end(ticket, Billed.NO, None)

    def has_got_through(self, since_s: float) -> bool:
        """Whether the server has let a request through that was sent since a moment."""
        with self._lock:
            return self._pacer.has_got_through(since_s)

    def pacing(self) -> Pacing:
        """What all wait for now."""
        with self._lock:
            return self._pacer.pacing(time.monotonic())

    def _divide(self) -> None:
        """Keeps to this worker's part when their number has changed."""
        share = max(1, self._workers())
        if share != self._share:
            self._share = share
            if self._named is not None:
                self._pacer.change_pace(self._named / share)

    def _new_pacer(self) -> Pacer:
        return Pacer(None if self._named is None else self._named / self._share)
