"""Finishes what processes that have ended left of their calls: whole images get their names, images that
came as addresses are fetched, and hosts are asked after their tasks.

Nothing is sent again. What was paid for and has arrived is had in the end, and the ledger's row is completed.
"""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import chain, count
from typing import Callable, Iterator, Optional, Tuple

from ..api.cost import priced
from ..api.usage import told_usage
from ..base.errors import ConfigError, GptImage2Error
from ..base.outcome import Billed, Result, SavedImage
from ..base.record import Record
from ..base.redact import show
from ..ledger.entries import Ending, Status
from ..ledger.recording import Ledger
from ..outputs.adopt import adopt
from ..outputs.collect import ImageCollector
from ..outputs.left import Left, left_behind
from ..outputs.naming import OutputPlan
from ..outputs.store import Spool
from ..settings.base_url import has_same_origin, is_loopback, is_sandbox
from ..settings.config import Settings, load_settings
from ..settings.poll import Poll
from ..wire.decompress import BodyDecoder
from ..wire.messages import BadEncoding, ResponseHead, TransferEnd
from .download import MAX_FURTHER_ADDRESSES, Downloader, fetch_images
from .exchange import Host, host_of
from .explain import explain
from .free import asks_sandbox
from .polling import TaskPoller, lost_error
from .response import Answer, AnswerReader, of_results
from .retry import Attempt, judge
from .task import TASK_ACCEPTED, Task, TaskState, shown_task
from .task_words import accepted_task, known_addresses, task_at, told_addresses

#: A task that no address has known for so long is given up: hosts keep theirs for a day or less.
_LOST_S = 86_400.0
#: How gzip, and what servers call deflate, begin.
_COMPRESSED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x9c", b"\x78\xda")


class Resumed(Record):
    """What was finished of one call: `new` are the images that were not saved before.

    `kept` says where the answer or previews are of which no image could be made; `waiting` are the addresses
    that could not be fetched, each with the reason: they wait for another try. `task` is one that has not
    ended, `error` why one brought no image. `then` are the commands that make of images what was asked for.
    """

    id: str
    result: Result
    new: Tuple[SavedImage, ...] = ()
    kept: Tuple[str, ...] = ()
    waiting: Tuple[str, ...] = ()
    task: Optional[Task] = None
    error: Optional[GptImage2Error] = None
    then: Tuple[str, ...] = ()


class Resumer:
    """Finishes calls, over one host's curl; what the ledger does not take is told by `warn`.

    All of it takes at most `timeout_s`. Without `waits` each task is asked after once.
    """

    def __init__(
        self,
        host: Host,
        ledger: Optional[Ledger],
        warn: Callable[[str], None],
        timeout_s: float,
        waits: bool = True,
    ) -> None:
        self._host = host
        self._ledger = ledger
        self._warn = warn
        self._until_s = time.monotonic() + timeout_s
        self._waits = waits

    def run(self, wanted: str = "", in_passing: bool = False) -> Iterator[Resumed]:
        """Finishes every call that was left, or the one that is wanted, by its id, its row or its task; in
        passing none that was tried before, but for tasks that are waited for."""
        for left in left_behind(self._host.state_folder, wanted, is_patient=not in_passing):
            if in_passing and left.was_tried and not (left.task and self._waits):
                left.leave()
            else:
                yield self._finish(left)

    def _finish(self, left: Left) -> Resumed:
        host = self._host_of(left)
        plan = left.plan(self._host.state_folder / "rescued")
        saved, kept = adopt(left.notes, plan, left.inputs)
        free = [number for number in left.numbers if number not in {image.number for image in saved}]
        collector = ImageCollector(
            plan,
            chain(free, count(max(left.numbers) + 1)),
            asked=max(left.numbers),
            note=left.note,
            known=[image.sha256 for image in saved],
            inputs=left.inputs,
        )
        answer = _read_answer(left, plan, collector, _poll_of(left, host.settings), self._until_s)
        attempt: Optional[Attempt] = None
        addresses = left.addresses or answer.urls
        if not addresses and len(saved) + len(collector.images) < len(left.numbers):
            attempt = self._ask_after_task(left, host, _told_task(left, answer), plan, collector)
        if attempt is not None:
            answer, addresses = attempt.answer, attempt.answer.urls
            left.note({"addresses": list(addresses)})
        addresses = addresses[: len(left.numbers) + MAX_FURTHER_ADDRESSES]
        done = left.fetched(saved)
        waiting = fetch_images(
            self._downloader(left, host),
            [url for url in addresses if url not in done],
            collector,
            host.settings.secrets,
        )
        collector.close()
        images = (*saved, *collector.images)
        kept = (*kept, *collector.kept_aside)
        task = attempt.accepted if attempt is not None and attempt.is_pending else None
        task = task and shown_task(task, host.settings.secrets)
        lost = task if task and not task.is_found and left.age_s >= _LOST_S else None
        task = None if lost else task
        if collector.left_out or not (images or waiting or task):
            kept = (*kept, *_keep_answer(left, plan))
        error: Optional[GptImage2Error] = None
        billed = Billed.YES if images or addresses else Billed.MAYBE
        if attempt is not None and not (images or waiting or task or lost):
            rule = judge(attempt)
            billed = rule.billed
            error = explain(attempt, rule, None, left.base_url, host.settings.secrets)
        if lost is not None and not (images or waiting):
            billed, error = Billed.MAYBE, lost_error(lost)
        settings = host.settings
        result = Result(
            command=left.command,
            model=left.model,
            images=images,
            usage=answer.usage,
            svg_usage=told_usage(answer.svg_usage, host.settings.secrets),
            billed=billed,
            http_status=left.status,
            attempts=1,
            sandbox=self._was_sandbox(left),
            tasks=(task.id,) if task else (),
        )
        result = priced(result, settings.prices, settings.text_prices)
        self._record(left, result, error)
        if waiting or task:
            left.leave()
        else:
            left.close()
        known = {str(note.get("saved")) for note in left.notes}
        new = tuple(image for image in images if image.path not in known)
        then = tuple(filter(None, (left.then(image, image in new) for image in images)))
        return Resumed(left.id, result, new, kept, tuple(waiting), task, error, then)

    def _was_sandbox(self, left: Left) -> bool:
        """Whether the sandbox answered; where there is no answer, whether it is there now."""
        if left.status is None and is_loopback(left.base_url):
            return asks_sandbox(self._host.curl, left.base_url)
        return is_sandbox(left.base_url, left.headers)

    def _ask_after_task(
        self, left: Left, host: Host, told: Optional[Task], plan: OutputPlan, collector: ImageCollector
    ) -> Optional[Attempt]:
        """The last answer on the task that the host made of a call, None where it made none; `told` is the
        task by the answer to the call itself."""
        poll = _poll_of(left, host.settings)
        task = told or (Task(left.task, TaskState.UNDER_WAY) if left.task else None)
        if task is None and left.status == TASK_ACCEPTED:
            task = task_at(ResponseHead(left.status, left.headers))
        if task is None:
            return None
        if not left.task:  # its process ended before it had understood that
            left.note({"task": task.id})
            if self._ledger is not None and left.row:
                self._ledger.accepted(left.row, task.id, self._warn)
        asked_at = (*told_addresses(task, left.base_url, left.header, poll), *left.addresses_of_task)
        poller = TaskPoller(
            self._downloader(left, host),
            host.settings.query if _is_at_home(left, host.settings) else (),
            collector,
            self._host.stop,
            poll,
            lambda: Spool(plan.rescue_folder, left.folder / "task"),
            lambda _: None,
            len(left.numbers),
        )
        known = known_addresses(task.id, left.base_url)
        attempt = poller.wait(
            task, asked_at, known, lambda: self._until_s - time.monotonic(), looks_once=not self._waits
        )
        if poller.spool is not None:
            poller.spool.discard()
        return attempt

    def _host_of(self, left: Left) -> Host:
        """The server of a call, by the profile that it was made with where that still leads there."""
        host, file = self._host, self._host.settings.config_file
        if left.profile == host.settings.profile:
            return host
        with suppress(ConfigError):
            config, env = file.path if file else None, host.curl.env
            settings = load_settings(env, config=config, profile=left.profile)
            if _is_at_home(left, settings):
                return host_of(settings, env, host.stop)
        return host

    def _downloader(self, left: Left, host: Host) -> Downloader:
        settings = host.settings
        is_at_home = _is_at_home(left, settings)
        return Downloader(
            host.curl,
            base_url=left.base_url,
            auth_headers=settings.auth_headers if is_at_home else (),
            remaining_s=lambda: self._until_s - time.monotonic(),
        )

    def _record(self, left: Left, result: Result, error: Optional[GptImage2Error]) -> None:
        if self._ledger is None or not left.row:
            return
        status = Status.FAILED if error else Status.INTERRUPTED
        code, message = "interrupted", "its process ended; it was resumed"
        if error is not None:
            code, message = error.code, error.message
        if result.tasks:
            status = Status.PENDING
        elif result.images:
            status = Status.SAVED if len(result.images) >= len(left.numbers) else Status.PARTIAL
        self._ledger.finish(left.row, Ending(status, result, code, message), self._warn)


def _is_at_home(left: Left, settings: Settings) -> bool:
    """Whether a call went to the server of these settings: only that one gets its key and headers."""
    return has_same_origin(left.base_url, settings.base_url)


def _poll_of(left: Left, settings: Settings) -> Optional[Poll]:
    return settings.poll if _is_at_home(left, settings) else None


def _told_task(left: Left, answer: Answer) -> Optional[Task]:
    """The task by the answer to a call, but for that of a refusal."""
    status = left.status or 0
    attempt = Attempt(ResponseHead(status, {}), TransferEnd(0, "", sent=True), answer)
    return answer.task if status < 300 else accepted_task(attempt)


def _read_answer(
    left: Left, plan: OutputPlan, collector: ImageCollector, poll: Optional[Poll], until_s: float
) -> Answer:
    """What the answer holds, as far as it had come; images that are still in it are saved."""
    spool = Spool(plan.rescue_folder, left.folder / "read")
    reader = AnswerReader(collector, spool, poll, len(left.numbers))
    reader.head_came(ResponseHead(left.status or 0, {}))
    for block in _unpacked(left):
        reader.feed(block)
        if time.monotonic() > until_s:
            break
    answer = reader.close()
    spool.discard()
    return of_results(answer, left.status or 0)


def _unpacked(left: Left) -> Iterator[bytes]:
    """The body of an answer; decompressed where it was left as it came, by a script that lay alone."""
    body = left.body()
    first = next(body, b"")
    whole = chain([first], body)
    if not first.startswith(_COMPRESSED):
        yield from whole
        return
    decoder = BodyDecoder(left.header("content-encoding"))
    with suppress(BadEncoding):
        for block in whole:
            yield from decoder.feed(block)
        yield from decoder.finish()


def _keep_answer(left: Left, plan: OutputPlan) -> Tuple[str, ...]:
    """What came of an answer without an image is kept in the rescue folder."""
    spool = Spool(plan.rescue_folder)
    for block in left.body():
        spool.write(block)
    kept = spool.keep("answer.txt")
    return (kept,) if kept else ()


def resumed_in_words(resumed: Resumed) -> Iterator[str]:
    """What a later call says of what it finished in passing."""
    for image in resumed.new:
        yield f"an image of an earlier call that had been killed was saved as {show(image.path, limit=None)}"
    for commands in resumed.then:
        yield f"the picture that was asked for is still to be made: {show(commands, limit=None)}"
    for place in resumed.kept:
        yield f"what an earlier call had received when it was killed was kept: {show(place, limit=None)}"
    if resumed.task is not None:
        yield f"the host is still at work on task {show(resumed.task.id)} of an earlier call (see: resume)"
    if resumed.error is not None:
        yield f"an earlier call brought no image: {resumed.error.message}"
    for address in resumed.waiting:
        yield f"an image of an earlier call could not be fetched yet (see: resume {resumed.id}): {address}"
