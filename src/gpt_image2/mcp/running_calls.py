"""Runs blocking calls in threads for the event loop: reports progress while they last, and ends them, curl
included, when the client cancels or the server stops."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio
import anyio.to_thread

from gpt_image2.core.base.errors import InterruptedCall
from gpt_image2.core.base.events import (
    Event,
    ImageSaved,
    Observer,
    PartialImage,
    RequestStarted,
    RetryWaiting,
)
from gpt_image2.core.base.interrupt import StopSwitch

#: Calls under way at once; further ones wait for their turn.
MAX_CALLS = 16
PROGRESS_INTERVAL_S = 0.5
#: So that every notification shows more than the last, as the protocol asks for.
_LEAST_STEP_S = 1e-6

T = TypeVar("T")
#: Progress in seconds, the total where one is known, and words.
Report = Callable[[float, "float | None", str], Awaitable[None]]
Work = Callable[[StopSwitch, Observer], T]


class RunningCalls:
    """The calls under way in one server."""

    def __init__(self) -> None:
        self._running: dict[StopSwitch, anyio.Event] = {}
        self._slots = anyio.CapacityLimiter(MAX_CALLS)
        self._threads = anyio.CapacityLimiter(MAX_CALLS)
        self._stopping: int | None = None

    async def run(self, work: Work[T], report: Report) -> T:
        """What `work` returns. Cancelling this stops the call and waits for its end: no process is left.

        Raises:
            InterruptedCall: the server is stopping; nothing was sent.
        """
        async with self._slots:
            if self._stopping is not None:
                raise InterruptedCall("the server is stopping; nothing was sent", signum=self._stopping)
            running = _Running(work, self._threads)
            ended = self._running[running.stop] = anyio.Event()
            try:
                return await running.result(report)
            finally:
                del self._running[running.stop]
                ended.set()

    async def stop(self, signum: int) -> bool:
        """Ends every call under way, lets none begin, and waits for their ends; whether there were any."""
        self._stopping = signum
        under_way = dict(self._running)
        for switch in under_way:
            switch.stop(signum)
        for ended in under_way.values():
            await ended.wait()
        return bool(under_way)


class _Running(Generic[T]):
    """One call in its thread."""

    def __init__(self, work: Work[T], threads: anyio.CapacityLimiter) -> None:
        self.stop = StopSwitch()
        self._work = work
        self._threads = threads
        self._events: deque[Event] = deque()
        self._done = anyio.Event()
        self._results: list[T] = []
        self._last_s = 0.0

    async def result(self, report: Report) -> T:
        async with anyio.create_task_group() as group:
            group.start_soon(self._in_thread)
            try:
                await self._report_until_done(report)
            except anyio.get_cancelled_exc_class():
                self.stop.stop(signal.SIGTERM)
                raise
        return self._results[0]

    async def _in_thread(self) -> None:
        try:
            # A thread cannot be cancelled: it is told to stop, and waited for.
            with anyio.CancelScope(shield=True):
                self._results.append(
                    await anyio.to_thread.run_sync(
                        self._work, self.stop, self._events.append, limiter=self._threads
                    )
                )
        finally:
            self._done.set()

    async def _report_until_done(self, report: Report) -> None:
        started_s = anyio.current_time()
        typical_s: float | None = None
        note = ""
        while True:
            while self._events:
                event = self._events.popleft()
                if isinstance(event, RequestStarted):
                    typical_s = event.typical_s
                note = _event_in_words(event) or note
            elapsed_s = max(anyio.current_time() - started_s, self._last_s + _LEAST_STEP_S)
            self._last_s = elapsed_s
            about = f" of about {typical_s:.0f} s" if typical_s else ""
            total_s = typical_s if typical_s and elapsed_s < typical_s else None
            await report(elapsed_s, total_s, f"{elapsed_s:.0f} s{about}" + (f": {note}" if note else ""))
            if self._done.is_set():
                return
            with anyio.move_on_after(PROGRESS_INTERVAL_S):
                await self._done.wait()


def _event_in_words(event: Event) -> str:
    if isinstance(event, RequestStarted):
        return (
            "the request was sent" if event.attempt == 1 else f"the request was sent again ({event.attempt})"
        )
    if isinstance(event, RetryWaiting):
        return f"sending again in {event.wait_s:.1f} s ({event.reason})"
    if isinstance(event, PartialImage):
        return f"preview {event.partial_image_index} has come"
    if isinstance(event, ImageSaved):
        return f"saved {event.image.path}"
    return ""
