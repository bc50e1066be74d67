"""Asks after a task until it has ended; its images go where those of the call go. Asking costs nothing."""

from __future__ import annotations

import time
from typing import Callable, List, Optional, Sequence, Set

from ..base.interrupt import StopSwitch
from ..base.record import replace
from ..outputs.collect import ImageCollector
from ..outputs.store import Spool
from ..settings.poll import Poll
from ..wire.messages import TransferEnd
from .download import Downloader, DownloadFailed
from .response import AnswerReader
from .retry import Attempt, server_wait_s
from .task import Task, TaskState

_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 10.0
_WAIT_GROWTH = 1.5
#: So long nobody has to know of a task: hosts show one a moment after they accepted it.
_UNKNOWN_S = 30.0
#: So many looks at a task that is done, or gone, without an image.
_MOST_EMPTY_LOOKS = 3
#: Refusals to tell of a task that may pass, or come from the wrong address.
_NO_WORD = (401, 403, 404, 405, 408, 409, 410, 425, 429)


class TaskPoller:
    """Asks after one task at one of several addresses: at all of them, until one knows of it.

    `new_spool` makes the place where an answer goes; the last one is `spool`. `on_task` is told how far the
    task is, each time.
    """

    def __init__(
        self,
        downloader: Downloader,
        collector: ImageCollector,
        stop: StopSwitch,
        poll: Optional[Poll],
        new_spool: Callable[[], Spool],
        on_task: Callable[[Task], object],
    ) -> None:
        self._downloader = downloader
        self._collector = collector
        self._stop = stop
        self._poll = poll
        self._new_spool = new_spool
        self._on_task = on_task
        self._asked: Set[str] = set()
        self._addresses: List[str] = []
        self._is_known = False
        self.spool: Optional[Spool] = None

    def wait(
        self,
        task: Task,
        addresses: Sequence[str],
        remaining_s: Callable[[], float],
        looks_once: bool = False,
    ) -> Attempt:
        """The answer with which the task ended; where it has not ended in time, or nobody knows of it, one
        that holds nothing but how far it is."""
        self._addresses = list(addresses)
        started, wait_s, empty_looks = time.monotonic(), _FIRST_WAIT_S, 0
        while True:
            attempt = self._look()
            said = attempt.answer.task
            if said is not None:
                task = replace(said, id=task.id)
                self._on_task(task)
            attempt = replace(attempt, accepted=task)
            is_empty = task.state is TaskState.DONE or (self._is_known and said is None)
            empty_looks = empty_looks + 1 if is_empty else 0
            if _has_ended(attempt) or empty_looks == _MOST_EMPTY_LOOKS:
                return attempt
            is_unknown = not self._is_known and time.monotonic() - started >= _UNKNOWN_S
            wait_s = max(wait_s, server_wait_s(attempt) or 0.0)
            is_late = looks_once or is_unknown or wait_s >= remaining_s() or not self._addresses
            if is_late or self._stop.wait(wait_s):
                pending = replace(task, is_found=self._is_known)
                return replace(attempt, answer=replace(attempt.answer, error=None), accepted=pending)
            wait_s = min(_LONGEST_WAIT_S, _WAIT_GROWTH * wait_s)

    def _look(self) -> Attempt:
        """Asks until somebody knows of the task; what was said last."""
        attempt = Attempt(None, TransferEnd(0, "nobody was asked", sent=False))
        for address in list(self._addresses):
            try:
                attempt = self._ask(address)
            except DownloadFailed:
                self._addresses.remove(address)
                continue
            if self._stop.is_set:
                break
            if attempt.images or attempt.answer.urls or attempt.answer.task:
                self._is_known = True
                self._addresses = [address]
                break
        return self._result_elsewhere(attempt)

    def _result_elsewhere(self, attempt: Attempt) -> Attempt:
        """Where a task is done and its images are at another address that the answer names: what is there."""
        task = attempt.answer.task
        if task is None or task.state is not TaskState.DONE or _has_ended(attempt):
            return attempt
        for address in task.addresses:
            if address not in self._asked:
                try:
                    found = self._ask(address)
                except DownloadFailed:
                    continue
                if _has_ended(found):
                    return found
        return attempt

    def _ask(self, address: str) -> Attempt:
        """Reads the answer at one address."""
        self._asked.add(address)
        if self.spool is not None:
            self.spool.discard()
        self.spool = spool = self._new_spool()
        reader = AnswerReader(self._collector, spool, self._poll)
        received = self._downloader.ask(address, reader.feed, reader.head_came)
        answer = reader.close()
        return Attempt(
            head=received.head,
            end=received.end,
            answer=answer,
            images=len(self._collector.images),
            kept_aside=self._collector.kept_aside,
            body_bytes=received.body_bytes,
            elapsed_s=received.elapsed_s,
        )


def _has_ended(attempt: Attempt) -> bool:
    """Whether an answer is the last word on a task."""
    task, status = attempt.answer.task, attempt.said_status
    if attempt.images or attempt.answer.urls or (task is not None and task.state is TaskState.FAILED):
        return True
    is_refusal = attempt.error is not None and status < 500 and status not in _NO_WORD
    return is_refusal and not attempt.was_cut and task is None
