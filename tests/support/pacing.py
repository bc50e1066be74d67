"""Runs of jobs against servers of many kinds, simulated on a clock of their own: no thread, no socket.

The pacer, the refused jobs and the forecast are the project's own, used as the scheduler uses them.
"""

from __future__ import annotations

import heapq
import math
import random
from itertools import count
from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

from gpt_image2.core.base.events import RateLimit
from gpt_image2.core.batch.forecast import Forecast
from gpt_image2.core.batch.kept_pace import Departure
from gpt_image2.core.batch.pacer import Pacer
from gpt_image2.core.batch.refused import RefusedJobs

MINUTE_S = 60.0
REFUSAL_S = 0.05  # so long a server takes to refuse
TICK_S = 1.0  # between two looks at the forecast


class Clock:
    """A clock that moves only when somebody waits, and does then what is due."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self._due: List[Tuple[float, int, Callable[[], None]]] = []
        self._ids = count()

    def __call__(self) -> float:
        return self.now_s

    def at(self, after_s: float, what: Callable[[], None]) -> None:
        """Does something later."""
        heapq.heappush(self._due, (self.now_s + after_s, next(self._ids), what))

    def step(self) -> None:
        """Lets time pass until something is due, and does that."""
        self.now_s, _, what = heapq.heappop(self._due)
        what()


class Verdict(NamedTuple):
    """What a server makes of a request: `wait_s` is the wait that a refusal asks for, `limits` what the
    headers of its answer tell."""

    passes: bool
    wait_s: Optional[float] = None
    limits: Tuple[RateLimit, ...] = ()
    message: str = "Too many requests."


#: A server: from a moment and a number of images to what it makes of them.
Server = Callable[[float, int], Verdict]


class Limited:
    """A server with a limit: a bucket that is filled all the time, or a window that is filled at once.

    `tells` are the ways in which it speaks of it: headers, waits (to the millisecond, or in whole seconds as
    the header has them), words. `changes` are further limits a minute and from when on they hold.
    """

    def __init__(
        self,
        per_minute: float,
        *tells: str,
        burst: Optional[float] = None,
        window_s: float = 0.0,
        changes: Sequence[Tuple[float, float]] = (),
    ) -> None:
        self._per_s = per_minute / MINUTE_S
        self._burst = burst
        self._window_s = window_s
        self._tells = tells
        self._changes = list(changes)
        self._left = self.most
        self._began_s: Optional[float] = None
        self._window_began_s = self._seen_s = 0.0

    @property
    def most(self) -> float:
        """What it lets pass at once."""
        return self._per_s * (self._window_s or MINUTE_S) if self._burst is None else self._burst

    def __call__(self, now_s: float, images: int) -> Verdict:
        self._fill(now_s)
        passes = images <= self._left
        self._left -= images if passes else 0
        limit = round(self._per_s * MINUTE_S)
        whole_s = self._whole_s(now_s, self.most)
        told = (RateLimit("images", limit, int(self._left), whole_s),) if "headers" in self._tells else ()
        wait_s = None if passes else self._whole_s(now_s, images)
        if wait_s is not None and "waits" not in self._tells:
            wait_s = math.ceil(wait_s) if "seconds" in self._tells else None
        words = f"Rate limit reached on images per min: Limit {limit}, Used 1."
        return Verdict(passes, wait_s, told, words if "words" in self._tells else "Too many requests.")

    def _whole_s(self, now_s: float, images: float) -> float:
        if self._window_s:
            return self._window_began_s + self._window_s - now_s
        return max(0.0, images - self._left) / self._per_s

    def _fill(self, now_s: float) -> None:
        if self._began_s is None:
            self._began_s = self._window_began_s = self._seen_s = now_s
        while self._changes and now_s >= self._began_s + self._changes[0][0]:
            self._per_s = self._changes.pop(0)[1] / MINUTE_S
            self._left = min(self._left, self.most)
        if not self._window_s:
            self._left = min(self.most, self._left + (now_s - self._seen_s) * self._per_s)
        elif now_s >= self._window_began_s + self._window_s:
            self._left = self.most
            self._window_began_s += (now_s - self._window_began_s) // self._window_s * self._window_s
        self._seen_s = now_s


class AtRandom:
    """A server that refuses at random, whatever the rate; what it does not refuse goes to another one."""

    def __init__(
        self, share: float, wait_s: Optional[float] = None, then: Optional[Server] = None, seed: int = 0
    ) -> None:
        self._share = share
        self._wait_s = wait_s
        self._then = then
        self._dice = random.Random(seed)

    def __call__(self, now_s: float, images: int) -> Verdict:
        if self._dice.random() < self._share:
            return Verdict(False, self._wait_s)
        return self._then(now_s, images) if self._then else Verdict(True)


class Outcome(NamedTuple):
    """How a simulated run went. `guesses` are looks at the forecast from a tenth of the jobs on: when, and
    how much it said was to come."""

    jobs: int
    sent_s: List[float]
    done_s: List[float]
    refused: int
    gave_up: int
    guesses: List[Tuple[float, float]]

    @property
    def elapsed_s(self) -> float:
        """Until the last job was done."""
        return self.done_s[-1] if len(self.done_s) == self.jobs else math.inf

    @property
    def share_refused(self) -> float:
        """Of all requests."""
        return self.refused / len(self.sent_s)

    @property
    def share_foretold(self) -> float:
        """Of the looks at the forecast, those that were right within a factor of two (or two seconds)."""
        right = 0
        for at_s, guess_s in self.guesses:
            true_s = self.elapsed_s - at_s
            right += true_s / 2 - 2 <= guess_s <= 2 * true_s + 2
        return right / max(1, len(self.guesses))

    def done_between(self, begin_s: float, end_s: float) -> int:
        """How many jobs were done in a time."""
        return sum(begin_s <= at_s < end_s for at_s in self.done_s)


class Run:
    """A run of jobs, so many at once. A call that is let through takes `latency_s`."""

    def __init__(
        self,
        clock: Clock,
        server: Server,
        jobs: int,
        places: int,
        latency_s: float,
        images: int = 1,
        named: Optional[float] = None,
        seed: int = 0,
    ) -> None:
        self.pacer = Pacer(named)
        self._clock = clock
        self._server = server
        self._jobs, self._left = jobs, jobs
        self._places = places
        self._latency_s = latency_s
        self._images = images
        self._began_s = clock()
        self._forecast = Forecast(places, self._began_s)
        self._refused = RefusedJobs()
        self._under_way: List[float] = []  # since when
        self._waiting: List[Tuple[float, int]] = []  # from when on a job may go again, and which
        self._wakes_s = math.inf
        self.outcome = Outcome(jobs, [], [], 0, 0, [])
        random.seed(seed)  # for the waits of jobs that the server asks for none
        self._go()
        self._look()

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return not (self._left or self._under_way or self._waiting)

    def _go(self) -> None:
        """Sends what may go now, and comes again when more may."""
        while len(self._under_way) < self._places:
            now_s = self._clock()
            is_due = bool(self._waiting) and self._waiting[0][0] <= now_s
            not_due = sum(due_s > now_s for due_s, _ in self._waiting)
            taken = len(self._waiting) - not_due + self.pacer.places_taken(not_due, self._places)
            if not is_due and not (self._left and len(self._under_way) + taken < self._places):
                return self._wake(self._waiting[0][0] if self._waiting else math.inf)
            wait_s = self.pacer.wait_s(self._images, now_s)
            if wait_s:
                return self._wake(now_s + wait_s)
            if is_due:
                _, number = heapq.heappop(self._waiting)
            else:
                number, self._left = self._left, self._left - 1
            self._send(number, now_s)
        return None

    def _wake(self, when_s: float) -> None:
        now_s = self._clock()
        if self._wakes_s <= now_s or when_s < self._wakes_s < math.inf or self._wakes_s == math.inf:
            self._wakes_s = when_s
            if when_s < math.inf:
                self._clock.at(max(1e-6, when_s - now_s), self._go)

    def _send(self, number: int, now_s: float) -> None:
        self._under_way.append(now_s)
        self.outcome.sent_s.append(now_s - self._began_s)
        departure = self.pacer.start(self._images, now_s)
        verdict = self._server(now_s, self._images)
        took_s = self._latency_s if verdict.passes else REFUSAL_S
        self._clock.at(took_s, lambda: self._end(number, departure, verdict))

    def _end(self, number: int, departure: Departure, verdict: Verdict) -> None:
        now_s, outcome = self._clock(), self.outcome
        self._under_way.remove(departure.sent_s)
        self.pacer.learn(verdict.limits, departure)
        self.pacer.end(departure)
        if verdict.passes:
            self._refused.forget(number)
            self._forecast.end(self._latency_s, now_s)
            outcome.done_s.append(now_s - self._began_s)
        else:
            self.pacer.refuse(departure, verdict.wait_s, verdict.message, now_s)
            has_other_gone = self.pacer.has_got_through(self._refused.heard_s(number))
            may_go = self._refused.add(number, verdict.wait_s, has_other_gone, now_s)
            self.outcome = outcome._replace(
                refused=outcome.refused + 1, gave_up=outcome.gave_up + (not may_go)
            )
            if may_go:
                heapq.heappush(self._waiting, (self._refused.due_s(number), number))
        self._go()

    def _look(self) -> None:
        """Looks at the forecast from time to time."""
        now_s = self._clock()
        unsent = self._left + len(self._waiting)
        newest_s = now_s - max(self._under_way, default=now_s)
        pacing = self.pacer.pacing(now_s)
        guess_s = self._forecast.rest_s(unsent, self._images, newest_s, pacing, now_s)
        if guess_s is not None and len(self.outcome.done_s) >= self._jobs / 10:
            self.outcome.guesses.append((now_s - self._began_s, guess_s))
        if not self.is_over:
            self._clock.at(TICK_S, self._look)


def ended(clock: Clock, *runs: Run, most_s: float = 50_000.0) -> List[Outcome]:
    """Lets runs come to their end, or to that of so many seconds."""
    end_s = clock() + most_s
    while not all(run.is_over for run in runs) and clock() < end_s:
        clock.step()
    return [run.outcome for run in runs]


def one_by_one(clock: Clock, server: Server, jobs: int, threads: int, latency_s: float) -> float:
    """In how many seconds the official client would do the same jobs, with so many threads and retries
    without end: a refused call waits in its thread, as long as the server asks, else 0.5 s, 1 s … 8 s, less
    up to a quarter at random (openai 3.57, `_calculate_retry_timeout`)."""
    dice = random.Random(1)
    free_s = [clock()] * threads
    end_s = clock()
    for _ in range(jobs):
        now_s, refusals = heapq.heappop(free_s), 0
        verdict = server(now_s, 1)
        while not verdict.passes:
            own_s = min(8.0, 0.5 * 2.0**refusals) * (1 - 0.25 * dice.random())
            now_s += REFUSAL_S + (own_s if verdict.wait_s is None else verdict.wait_s)
            refusals += 1
            verdict = server(now_s, 1)
        heapq.heappush(free_s, now_s + latency_s)
        end_s = max(end_s, now_s + latency_s)
    return end_s - clock()
