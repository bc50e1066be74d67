"""One pace for many calls at once: each waits for its turn, and what the server refuses for now goes again.

The rules are those of `batch run`; see `core.batch.pacer`. Safe for threads.
"""

from __future__ import annotations

import itertools
import threading
import time
from functools import partial
from typing import Callable, Optional

from ..core.base.errors import GptImage2Error, InterruptedCall
from ..core.base.events import Event, HeadersReceived, Observer, RetryWaiting
from ..core.base.interrupt import StopSwitch
from ..core.base.outcome import Billed, Result
from ..core.base.record import replace
from ..core.batch.kept_pace import Departure
from ..core.batch.pacer import Pacer
from ..core.batch.refused import RefusedJobs

_INTERRUPTED = 2  # SIGINT


class Pace:
    """The pace of one client's calls; `images_per_minute` is the user's own word, None is to learn it."""

    def __init__(self, images_per_minute: Optional[float]) -> None:
        self._pacer = Pacer(images_per_minute)
        self._refused = RefusedJobs()
        self._numbers = itertools.count(1)
        self._news = threading.Condition()

    def run(
        self,
        images: int,
        send: Callable[[Observer], Result],
        stop: StopSwitch,
        observer: Observer,
        waits_for_server: bool = True,
    ) -> Result:
        """What `send` returns or raises, once it is its turn; with `waits_for_server` it is sent again where
        the server has refused it for the time being, which costs nothing.

        Raises:
            InterruptedCall: it was stopped while it waited; nothing was sent.
        """
        number, earlier, started_s = next(self._numbers), 0, time.monotonic()
        stop.watch(self._wake)
        try:
            while True:
                departure = self._wait_for_turn(number, images, stop)
                try:
                    result = send(partial(self._hear, departure, observer))
                    return replace(result, attempts=result.attempts + earlier)
                except GptImage2Error as error:
                    if error.result is not None:
                        earlier += error.result.attempts
                        error.result = replace(error.result, attempts=earlier)
                    if not (self._goes_again(number, departure, error) and waits_for_server):
                        raise
                    now_s = time.monotonic()
                    wait_s = max(0.0, self._refused.due_s(number) - now_s)
                    observer(RetryWaiting(wait_s, error.message, now_s - started_s))
                finally:
                    with self._news:
                        if not departure.has_ended:
                            self._pacer.end(departure)
                        self._news.notify_all()
        finally:
            stop.unwatch(self._wake)
            with self._news:
                self._refused.forget(number)

    def _wait_for_turn(self, number: int, images: int, stop: StopSwitch) -> Departure:
        with self._news:
            while True:
                if stop.is_set:
                    raise InterruptedCall("interrupted; nothing was sent", signum=stop.signum or _INTERRUPTED)
                now_s = time.monotonic()
                wait_s = max(self._refused.due_s(number) - now_s, self._pacer.wait_s(images, now_s))
                if wait_s <= 0:
                    departure = self._pacer.start(images, now_s)
                    departure.sent_s = now_s
                    return departure
                self._news.wait(wait_s)

    def _goes_again(self, number: int, departure: Departure, error: GptImage2Error) -> bool:
        if not error.retry_safe or error.billed is not Billed.NO or error.http_status is None:
            return False
        with self._news:
            now_s = time.monotonic()
            self._pacer.end(departure)
            self._pacer.refuse(departure, error.retry_after_s, error.message, now_s)
            has_other_gone = self._pacer.has_got_through(self._refused.heard_s(number))
            return self._refused.add(number, error.retry_after_s, has_other_gone, now_s)

    def _hear(self, departure: Departure, observer: Observer, event: Event) -> None:
        if isinstance(event, HeadersReceived) and event.limits:
            with self._news:
                self._pacer.learn(event.limits, departure)
                self._news.notify_all()
        observer(event)

    def _wake(self) -> None:
        with self._news:
            self._news.notify_all()
