"""Finishes what processes that have ended left of their calls: whole images get their names, and images that
came as addresses are fetched.

Nothing is sent again. What was paid for and has arrived is had in the end, and the ledger's row is completed.
"""

from __future__ import annotations

from itertools import chain, count
from pathlib import Path
from typing import Callable, Iterator, Optional, Tuple

from ..api.models import cost_of_usage
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
from ..settings.base_url import is_loopback, is_sandbox
from .download import Downloader, fetch_images
from .exchange import Host, asks_sandbox
from .response import Answer, AnswerReader


class Resumed(Record):
    """What was finished of one call: `new` are the images that were not saved before.

    `kept` says where the answer or previews are of which no image could be made; `waiting` are the addresses
    that could not be fetched, each with the reason: they wait for another try.
    """

    id: str
    result: Result
    new: Tuple[SavedImage, ...] = ()
    kept: Tuple[str, ...] = ()
    waiting: Tuple[str, ...] = ()


class Resumer:
    """Finishes calls, over one host's curl; what the ledger does not take is told by `warn`."""

    def __init__(self, host: Host, ledger: Optional[Ledger], warn: Callable[[str], None]) -> None:
        self._host = host
        self._ledger = ledger
        self._warn = warn

    def run(self, wanted: str = "", in_passing: bool = False) -> Iterator[Resumed]:
        """Finishes every call that was left, or the one that is wanted by its id; in passing none that was
        tried before."""
        for left in left_behind(self._host.state_folder, wanted):
            if in_passing and left.was_tried:
                left.leave()
            else:
                yield self._finish(left)

    def _finish(self, left: Left) -> Resumed:
        plan = self._plan_of(left)
        saved, kept = adopt(left.notes, plan)
        free = [number for number in left.numbers if number not in {image.number for image in saved}]
        collector = ImageCollector(plan, chain(free, count(max(left.numbers) + 1)), note=left.note)
        answer = _read_answer(left, plan, collector)
        addresses = left.addresses or answer.urls
        done = left.fetched(saved)
        waiting = fetch_images(
            Downloader(self._host.curl, base_url=left.base_url),
            [url for url in addresses if url not in done],
            collector,
            self._host.settings.secrets,
        )
        collector.close()
        images = (*saved, *collector.images)
        kept = (*kept, *collector.kept_aside)
        if not images and not waiting:
            kept = (*kept, *_keep_answer(left, plan))
        usage, prices = answer.usage, self._host.settings.prices
        result = Result(
            command=left.command,
            model=left.model,
            images=images,
            usage=usage,
            cost_usd=cost_of_usage(left.model, usage, prices) if usage else None,
            billed=Billed.YES if images or addresses else Billed.MAYBE,
            http_status=left.status,
            attempts=1,
            sandbox=self._was_sandbox(left),
        )
        self._record(left, result)
        if waiting:
            left.leave()
        else:
            left.close()
        known = {str(note.get("saved")) for note in left.notes}
        new = tuple(image for image in images if image.path not in known)
        return Resumed(left.id, result, new, kept, tuple(waiting))

    def _was_sandbox(self, left: Left) -> bool:
        """Whether the sandbox answered; where there is no answer, whether it is there now."""
        if left.status is None and is_loopback(left.base_url):
            return asks_sandbox(self._host.curl, left.base_url)
        return is_sandbox(left.base_url, left.headers)

    def _plan_of(self, left: Left) -> OutputPlan:
        """Where the images were to go; by now other files may have these names, so none is replaced."""
        rescue_folder = self._host.state_folder / "rescued"
        return OutputPlan(
            folder=Path(str(left.output.get("folder") or rescue_folder)),
            stem=str(left.output.get("stem") or "image"),
            suffix=str(left.output.get("suffix") or ".png"),
            numbered=bool(left.output.get("numbered")),
            no_clobber=True,
            rescue_folder=rescue_folder,
        )

    def _record(self, left: Left, result: Result) -> None:
        if self._ledger is None or not left.row:
            return
        status = Status.INTERRUPTED
        if result.images:
            status = Status.SAVED if len(result.images) >= len(left.numbers) else Status.PARTIAL
        message = "its process ended; it was resumed"
        self._ledger.finish(left.row, Ending(status, result, "interrupted", message), self._warn)


def _read_answer(left: Left, plan: OutputPlan, collector: ImageCollector) -> Answer:
    """What the answer holds, as far as it had come; images that are still in it are saved."""
    spool = Spool(plan.rescue_folder, left.folder / "read")
    reader = AnswerReader(collector, spool)
    for block in left.body():
        reader.feed(block)
    answer = reader.close()
    spool.discard()
    return answer


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
    for place in resumed.kept:
        yield f"what an earlier call had received when it was killed was kept: {show(place, limit=None)}"
    for address in resumed.waiting:
        yield f"an image of an earlier call could not be fetched yet (see: resume {resumed.id}): {address}"
