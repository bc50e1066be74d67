"""Saves the results of jobs in one folder: each image once, in the journal, and in the ledger.

The journal decides what is there; whatever is not there by it is saved. Days may lie between the submission
and this, so no file is ever replaced: where a name is taken by then, the image gets a number.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from typing import Dict, List, Mapping, Optional, Tuple, cast

from ..api.images import saved_image_at
from ..api.models import BATCH_DISCOUNT, cost_of_usage
from ..base.errors import GptImage2Error, OutputError
from ..base.outcome import Billed, Result, SavedImage
from ..base.record import Record, replace
from ..base.redact import show
from ..batch.journal import DONE, FAILED, SUBMITTED, Entry, Journal, journal_images
from ..batch.output_folder import OutputFolder
from ..calls.download import Downloader, DownloadFailed
from ..ledger.entries import Opening, ending_of
from ..ledger.recording import Ledger
from ..outputs.naming import OutputPlan
from ..outputs.store import ImageWriter, NotAnImage
from ..telling.as_json import failure_json, image_json
from ..telling.in_words import saved_line
from ..wire.curl import Curl
from .commands import Session
from .results import ResultLine, error_of_line, fewer_images
from .store import WAITING, Batch, BatchJob, LastEntries, end_job


class JobResult(Record):
    """What has come of a job: its images by their numbers, those of them that are new, and the error that it
    ended with."""

    line: ResultLine
    images: Mapping[int, SavedImage]
    error: Optional[GptImage2Error]
    billed: Billed
    new: Tuple[SavedImage, ...] = ()
    cost_usd: Optional[float] = None
    warnings: Tuple[str, ...] = ()


class ResultSaver:
    """Saves results in a folder whose journal is open."""

    def __init__(
        self,
        session: Session,
        ledger: Ledger,
        folder: OutputFolder,
        journal: Journal,
        last_entries: LastEntries,
    ) -> None:
        self._session = session
        self._settings = session.settings
        self._output = session.output
        self._ledger = ledger
        self._folder = folder
        self._journal = journal
        self._last_entries = last_entries
        self.saved = 0
        #: Why results could not be saved: they wait to be fetched again.
        self.failures: List[str] = []

    def save(self, batch: Batch, job: BatchJob, line: ResultLine) -> None:
        """Saves what a line of the results says of a job."""
        asked, number = job.asked, job.identity.number
        last = self._last_entries.of(job)
        there = self._still_there(last, job)
        outputs = self._folder.outputs(job.identity.name, asked.request, job.identity.named)
        try:
            images, new, warnings = self._place(line, job, outputs, there)
        except OutputError as failed:
            self.failures.append(f"job {number}: {failed.message}")
            return
        if line.lost:
            self.failures.append(f"job {number}: {'; '.join(line.lost)}")
            return
        error = error_of_line(line, asked.request, self._settings)
        here = sum(each in images for each in asked.numbers)
        if error is None and here < len(asked.numbers):
            error = fewer_images(here, len(asked.numbers))
        billed = error.billed if error is not None and not new else Billed.YES
        cost_usd = (
            cost_of_usage(batch.server.model, line.usage, self._settings.prices) if line.usage else None
        )
        if cost_usd is not None:
            cost_usd *= BATCH_DISCOUNT
        self._note(batch, job, JobResult(line, images, error, billed, new, cost_usd, warnings), last)

    def fail(self, batch: Batch, job: BatchJob, error: GptImage2Error) -> None:
        """Notes that nothing will come of a job that still waits."""
        last = self._last_entries.of(job)
        nothing = ResultLine(job.identity.custom_id)
        self._note(batch, job, JobResult(nothing, self._still_there(last, job), error, error.billed), last)

    def _still_there(self, last: Optional[Entry], job: BatchJob) -> Dict[int, SavedImage]:
        """The images of a job that are on disk as the journal says."""
        found: Dict[int, SavedImage] = {}
        for image in last.images if last is not None else job.there:
            saved = saved_image_at(str(self._folder.path / image.path))
            if saved is not None and saved.sha256 == image.sha256:
                found[image.number] = saved
        return found

    def _place(
        self, line: ResultLine, job: BatchJob, outputs: OutputPlan, there: Mapping[int, SavedImage]
    ) -> Tuple[Dict[int, SavedImage], Tuple[SavedImage, ...], Tuple[str, ...]]:
        """Gives the images of a line their names: all of the job by now, those that are new, and warnings.
        Raises where no folder takes one of them; nothing is lost, for the server still has it."""
        images: Dict[int, SavedImage] = dict(there)
        new: List[SavedImage] = []
        warnings: List[str] = []
        asked = job.asked.numbers
        unasked = count(max(asked) + 1)
        writers = [*line.writers]
        if not writers and line.error is None:
            writers = [self._download(url, outputs, place) for place, url in enumerate(line.addresses, 1)]
        for place, writer in enumerate(writers):
            number = asked[place] if place < len(asked) else next(unasked)
            if any(writer.sha256 == image.sha256 for image in there.values()):
                writer.discard()
                continue
            writer.aim(outputs)
            image = _named(writer, outputs, number)
            if image is None:
                warnings.append("what the server sent is not an image; it was kept in the rescue folder")
                continue
            new.append(image)
            images.setdefault(number, image)
            self._say_saved(image, writer.rescue_reason)
        return images, tuple(new), tuple(warnings)

    def _download(self, address: str, outputs: OutputPlan, number: int) -> ImageWriter:
        settings = self._settings
        writer = ImageWriter(outputs, outputs.path(number))

        def restart() -> None:
            nonlocal writer
            writer.discard()
            writer = ImageWriter(outputs, outputs.path(number))

        curl = Curl(os.environ, settings.secrets, self._session.stop)
        downloader = Downloader(curl, base_url=settings.base_url)
        try:
            downloader.fetch(address, lambda data: writer.write(data), restart)
        except DownloadFailed as error:
            writer.discard()
            raise OutputError(f"an image could not be fetched from its address: {error}") from None
        return writer

    def _say_saved(self, image: SavedImage, rescue_reason: str) -> None:
        self.saved += 1
        self._output.result(saved_line(image.path, image.size_bytes))
        self._output.event({"event": "image_saved", "image": image_json(image)})
        if rescue_reason:
            path = show(image.path, limit=None)
            self._output.warn(f"the output could not be written ({rescue_reason}); it was saved as {path}")

    def _note(self, batch: Batch, job: BatchJob, result: JobResult, last: Optional[Entry]) -> None:
        """Writes a result to the journal and then to the ledger, where they do not have it yet."""
        error = result.error
        entry = job.entry(
            DONE if error is None else FAILED,
            images=journal_images(dict(result.images), self._folder.path),
            billed=result.billed,
            cost_usd=result.cost_usd,
            code=error.code if error else "",
            message=error.message if error else "",
            batch_id=batch.server.id or "",
            settled=error is not None and error.code == "fewer_images",
        )
        if result.new or _is_news(entry, last, batch):
            self._journal.append(entry)
            self._last_entries.add(entry)
        if job.state != WAITING:
            return
        ended = replace(job, state=entry.event, outcome=_outcome(batch, result))
        if batch.history:
            self._record(batch, ended, result)
        else:
            end_job(self._session.store.database, batch, ended)
        self._say_ended(batch, ended)

    def _record(self, batch: Batch, job: BatchJob, result: JobResult) -> None:
        """Completes the job in the ledger, and its request in the history: both, or neither."""
        asked, line = job.asked, result.line
        request = replace(asked.request, n=len(asked.numbers))
        estimate = request.estimate(self._settings.prices)
        command = "edit" if asked.inputs else "generate"
        known = tuple(result.images[number] for number in asked.numbers if number in result.images)
        opening = Opening(
            base_url=self._settings.base_url,
            command=command,
            request=request,
            output=str(self._folder.path / job.identity.name),
            inputs=asked.inputs,
            mask=asked.mask,
            estimate=None if estimate is None else estimate.at(BATCH_DISCOUNT),
            discount=BATCH_DISCOUNT,
            batch_id=batch.server.id,
            started_at=batch.server.created_at,
        )
        outcome = Result(
            command=command,
            model=batch.server.model,
            images=result.new or known,
            usage=line.usage,
            cost_usd=result.cost_usd,
            billed=result.billed,
            http_status=line.status or None,
            request_id=show(line.request_id, self._settings.secrets) if line.request_id else None,
            attempts=1,
        )
        ending = ending_of(outcome, result.error, len(asked.numbers))
        self._ledger.record(
            opening, ending, self._output.warn, lambda database: end_job(database, batch, job)
        )

    def _say_ended(self, batch: Batch, job: BatchJob) -> None:
        row = job_row_of(batch, job)
        self._output.event({"event": "job_finished", **row})
        if row["error"]:
            error = cast(Dict[str, str], row["error"])
            self._output.complain(
                f"job {job.identity.number} (line {job.identity.line}): {show(error['message'], limit=None)} "
                f"(billed: {row['billed']})"
            )


def job_row_of(batch: Batch, job: BatchJob) -> Dict[str, object]:
    """The row of a job, with the fields that rows of `batch run` have."""
    return {
        "images": [],
        "billed": Billed.MAYBE.value,
        "cost_usd": None,
        "error": None,
        "warnings": [],
        **(job.outcome or {}),
        "job": job.identity.number,
        "line": job.identity.line,
        "id": job.identity.id,
        "status": job.state,
        "batch_id": batch.label,
    }


def _named(writer: ImageWriter, outputs: OutputPlan, number: int) -> Optional[SavedImage]:
    """Gives an image its name; one that is there already, of the same bytes, is the image itself."""
    target = outputs.path(number)
    there = saved_image_at(str(target))
    if there is not None and there.sha256 == writer.sha256:
        writer.discard()
        return there
    with suppress(OSError):
        os.makedirs(str(target.parent), exist_ok=True)
    try:
        return writer.commit(target, number, keep_existing=True)
    except NotAnImage:
        return None


def _is_news(entry: Entry, last: Optional[Entry], batch: Batch) -> bool:
    """Whether the journal does not know of a result yet; a failure never hides what came later."""
    if last is None or entry.event == last.event == DONE:
        return last is None
    if entry.event == DONE:
        return True
    is_ours = last.batch_id in ("", batch.server.id or "", batch.local_name)
    return is_ours and last.event in (SUBMITTED, FAILED) and last.code != entry.code


def _outcome(batch: Batch, result: JobResult) -> Dict[str, object]:
    """What the row of a job shows once it has ended."""
    return {
        "images": [image_json(image) for _, image in sorted(result.images.items())],
        "billed": result.billed.value,
        "cost_usd": None if result.cost_usd is None else round(result.cost_usd, 6),
        "warnings": list(result.warnings),
        "error": failure_json(result.error),
        "batch_id": batch.label,
    }
