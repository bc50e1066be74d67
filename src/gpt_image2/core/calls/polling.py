"""Asks after a task until it has ended; its images go where those of the call go. Asking costs nothing."""

from __future__ import annotations

import re
import time
from typing import Callable, List, Optional, Sequence, Set, Tuple

from ..base.about import called
from ..base.errors import NetworkError
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed
from ..base.record import replace
from ..base.redact import show
from ..outputs.collect import ImageCollector
from ..outputs.store import Spool
from ..settings.host_field import HostField, with_query
from ..settings.poll import Poll
from ..wire.messages import Received, ResponseHead, TransferEnd
from .download import MAX_REDIRECTS, REDIRECTS, Downloader, DownloadFailed, readable_address
from .gate import SentRequest
from .response import AnswerReader
from .retry import Attempt, server_wait_s
from .task import TASK_PENDING, Task, TaskState
from .task_words import known_addresses, told_addresses
from .under_way import CallUnderWay

_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 10.0
_WAIT_GROWTH = 1.5
#: So long nobody has to know of a task: hosts show one a moment after they accepted it.
_UNKNOWN_S = 30.0
#: So many looks at a task that is done, or gone, without an image.
_MOST_EMPTY_LOOKS = 3
#: Refusals to tell of a task that may pass, or come from the wrong address.
_NO_WORD = (401, 403, 404, 405, 408, 409, 410, 425, 429)
#: As `_NO_WORD`, in words under another status.
_NO_WORD_YET = (
    r"(?i)\bno[ _]such|\bnot[ _](?:yet|found|exist|ready|finished|complete)|n't exist|unknown[ _]task"
    r"|\bstill\b.{0,40}\b(?:progress|process|run|queue|generat)|不存在"
)
#: The status by which an address is asked more slowly, and no other instead.
_TOO_FAST = 429
#: So many looks that ended at an address that was out of order: some hosts break where they know no task.
_MOST_BROKEN_LOOKS = 3
#: Statuses of an answer that a host would give of a task that it does not have any more.
_GONE = (404, 410)


class TaskPoller:
    """Asks after one task of `asked` images: where its host says, at `told`, and while nobody knows of it
    where others are asked, at `known`.

    `query` goes with every request to the server itself. `new_spool` makes the place where an answer goes;
    the last one is `spool`. `on_task` is told how far the task is, each time.
    """

    def __init__(
        self,
        downloader: Downloader,
        query: Tuple[HostField, ...],
        collector: ImageCollector,
        stop: StopSwitch,
        poll: Optional[Poll],
        new_spool: Callable[[], Spool],
        on_task: Callable[[Task], object],
        asked: int,
    ) -> None:
        self._downloader = downloader
        self._query = query
        self._collector = collector
        self._stop = stop
        self._poll = poll
        self._new_spool = new_spool
        self._on_task = on_task
        self._asked_for = asked
        self._asked: Set[str] = set()
        self._told: Sequence[str] = ()
        self._addresses: List[str] = []
        self._is_known = False
        self._broken_looks = 0
        self.spool: Optional[Spool] = None

    def wait(
        self,
        task: Task,
        told: Sequence[str],
        known: Sequence[str],
        remaining_s: Callable[[], float],
        looks_once: bool = False,
        first_wait_s: Optional[float] = None,
    ) -> Attempt:
        """The answer with which the task ended; where it has not ended in time, or nobody knows of it, one
        that holds nothing but how far it is. `first_wait_s` is how long the host asks to wait before."""
        if first_wait_s and first_wait_s < remaining_s():
            self._stop.wait(first_wait_s)
        self._told, self._addresses = told, list(dict.fromkeys((*told, *known)))
        started, wait_s, empty_looks = time.monotonic(), _FIRST_WAIT_S, 0
        while True:
            attempt = self._look(task.id, looks_once)
            said = attempt.answer.task
            if said is not None:
                task = replace(said, id=task.id)
                self._on_task(task)
            attempt = replace(attempt, accepted=task)
            empty_looks = empty_looks + 1 if self._is_empty(attempt) else 0
            if self._has_ended(attempt) or empty_looks == _MOST_EMPTY_LOOKS:
                return attempt
            is_unknown = not self._is_known and time.monotonic() - started >= _UNKNOWN_S
            wait_s = max(wait_s, server_wait_s(attempt) or 0.0)
            is_late = looks_once or is_unknown or wait_s >= remaining_s() or not self._addresses
            if is_late or self._stop.wait(wait_s):
                pending = replace(task, state=TaskState.UNDER_WAY, is_found=self._is_known)
                return replace(attempt, answer=replace(attempt.answer, error=None), accepted=pending)
            self._collector.comes_again()
            wait_s = min(_LONGEST_WAIT_S, _WAIT_GROWTH * wait_s)

    def _look(self, task_id: str, is_only: bool) -> Attempt:
        """Asks until somebody knows of the task, or is too busy to say; what was said last. A refusal counts
        only where the host has said that it is asked: elsewhere nobody may know what a task is."""
        attempt = Attempt(None, TransferEnd(0, "nobody was asked", sent=False))
        for address in list(self._addresses):
            try:
                attempt = self._ask(address, task_id)
            except DownloadFailed:
                self._addresses.remove(address)
                continue
            knows = attempt.images or attempt.answer.urls or attempt.answer.task
            if knows or (address in self._told and self._has_ended(attempt)):
                self._is_known = True
                self._addresses, self._told = [address], [address]
            if self._is_known or self._stop.is_set:
                return self._result_elsewhere(attempt, task_id)
            if self._asks_again_there(attempt, is_only):
                return attempt
        return replace(attempt, answer=replace(attempt.answer, error=None))

    def _asks_again_there(self, attempt: Attempt, is_only: bool) -> bool:
        """Whether no other address is asked before one that could not say anything now."""
        is_broken = attempt.status >= 500 and not is_only
        self._broken_looks += is_broken
        return attempt.status == _TOO_FAST or (is_broken and self._broken_looks <= _MOST_BROKEN_LOOKS)

    def _result_elsewhere(self, attempt: Attempt, task_id: str) -> Attempt:
        """Where a task is done and its images are at another address that the answer names: what is there."""
        task = attempt.answer.task
        if task is None or task.state is not TaskState.DONE or self._has_ended(attempt):
            return attempt
        for address in task.addresses:
            if address not in self._asked:
                try:
                    found = self._ask(address, task_id)
                except DownloadFailed:
                    continue
                if self._has_ended(found):
                    return found
        return attempt

    def _ask(self, address: str, task_id: str) -> Attempt:
        """Reads the answer at one address."""
        self._asked.add(address)
        if self.spool is not None:
            self.spool.discard()
        self.spool = spool = self._new_spool()
        reader = AnswerReader(self._collector, spool, self._poll, self._asked_for, task_id)
        received = _ask_at(self._downloader, self._query, address, reader.feed, reader.head_came)
        answer = reader.close()
        is_refusal = received.head is not None and received.head.status >= 300
        task = answer.task
        is_sure = not is_refusal and (address in self._told or (task and task.state is TaskState.UNDER_WAY))
        if not is_sure and task_id not in answer.text:
            answer = replace(answer, task=None)  # such words are said of other things too
        return Attempt(
            head=received.head,
            end=received.end,
            answer=answer,
            images=len(self._collector.images),
            kept_aside=self._collector.kept_aside,
            body_bytes=received.body_bytes,
            elapsed_s=received.elapsed_s,
        )

    def _has_ended(self, attempt: Attempt) -> bool:
        """Whether an answer is the last word on a task."""
        task, status, error = attempt.answer.task, attempt.said_status, attempt.error
        if attempt.images and attempt.was_cut:
            return attempt.images >= self._asked_for
        if attempt.images or attempt.answer.urls or attempt.kept_aside:
            return True
        if task is not None or error is None:
            return task is not None and task.state is TaskState.FAILED
        may_pass = status >= 500 or status in _NO_WORD or attempt.was_cut
        return not may_pass and re.search(_NO_WORD_YET, f"{error.code} {error.message}") is None

    def _is_empty(self, attempt: Attempt) -> bool:
        """Whether a host that knew of a task has no word of it, or has no image of one that is done."""
        if attempt.answer.task is not None:
            return attempt.answer.task.state is TaskState.DONE
        is_page = attempt.answer.shape == "html"
        return self._is_known and attempt.said_status in (200, *_GONE) and not (is_page or attempt.was_cut)


def follow_task(
    call: CallUnderWay, asked: int, attempt: Attempt, downloader: Downloader, sending: SentRequest
) -> Attempt:
    """Asks after the task that a request was accepted as until it has ended, as far as the call waits for it;
    the last answer."""
    task, collector, settings = attempt.accepted, sending.collector, call.host.settings
    assert task is not None and collector is not None
    told = told_addresses(task, settings.base_url, attempt.header, settings.poll)
    call.accepted(task, sending, told)
    if not call.policy.waits_for_tasks:
        return attempt
    poller = TaskPoller(
        downloader,
        settings.query,
        collector,
        call.host.stop,
        settings.poll,
        sending.poll_spool,
        call.task_came,
        asked,
    )
    known = known_addresses(task.id, settings.base_url)
    return poller.wait(task, told, known, lambda: call.remaining_s, first_wait_s=server_wait_s(attempt))


def pending_error(task: Task, in_flight: str) -> NetworkError:
    """The error for a task that has not ended in time; `in_flight` is what `resume` calls it."""
    how = f"which has not ended ({show(task.in_words)})"
    hint = f"{called()} resume {in_flight}".rstrip() + " goes on with it; do not send the request again"
    if not task.is_found:
        how = "and does not tell how far it is at any known address"
        hint = f'name the address in the config, "poll": {{"path": "/…/{{id}}"}}; then {hint}'
    return NetworkError(
        f"the host accepted the request as task {show(task.id)}, {how}",
        hint=hint,
        code=TASK_PENDING,
        billed=Billed.MAYBE,
    )


def lost_error(task: Task) -> NetworkError:
    """The error for a task that no known address has known for too long."""
    return NetworkError(
        f"no known address has known of task {show(task.id)} for more than a day: it is given up",
        hint="look for the image, and what it cost, on the host's own page",
        code="task_lost",
        billed=Billed.MAYBE,
    )


def _ask_at(
    downloader: Downloader,
    query: Tuple[HostField, ...],
    url: str,
    take: Callable[[bytes], object],
    on_head: Callable[[ResponseHead], object],
) -> Received:
    """Asks at an address how far a task is, and where it is sent on from there; key, headers and query
    go to the server itself, and to nobody else.

    `DownloadFailed` where it leads to a private network, or nowhere.
    """
    address = readable_address(url, downloader.base)
    for _ in range(MAX_REDIRECTS + 1):
        following: List[str] = []

        def head_came(head: ResponseHead, following: List[str] = following) -> None:
            if head.status in REDIRECTS and head.headers.get("location"):
                following.append(head.headers["location"])
            else:
                on_head(head)

        is_home = downloader.home is not None and address.origin == downloader.home.origin
        if is_home:
            address = readable_address(with_query(address.url, query), "")
        received = downloader.request(
            address,
            (("Accept", "application/json, image/*"), *(downloader.auth_headers if is_home else ())),
            lambda chunk, following=following: None if following else take(chunk),
            head_came,
        )
        if not following:
            return received
        address = readable_address(following[0], address.url)
    raise DownloadFailed(f"more than {MAX_REDIRECTS} redirects")
