"""Saves the results of jobs in one folder: each image once, in the journal, and in the ledger.

The journal decides what is there; whatever is not there by it is saved. Days may lie between the submission
and this, so no file is ever replaced: where a name is taken by then, the image gets a number.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..api.cost import BATCH_DISCOUNT, priced
from ..api.images import saved_image_at
from ..api.usage import told_usage
from ..base.errors import GptImage2Error, OutputError
from ..base.outcome import Billed, Result, SavedImage
from ..base.record import replace
from ..base.redact import show
from ..batch.journal import DONE, FAILED, SUBMITTED, Entry
from ..batch.output_folder import OutputFolder
from ..batch.plan import JobEnding
from ..batch.summary import job_row, say_ended
from ..calls.download import Downloader, DownloadFailed
from ..commands.further_calls import checks_of
from ..ledger.afterwards import record_ended
from ..ledger.entries import Opening, ending_of
from ..ledger.recording import Ledger
from ..outputs.naming import OutputPlan
from ..outputs.store import ImageWriter, NotAnImage
from ..telling.as_json import image_json
from ..telling.in_words import cost_warnings, saved_line
from ..wire.curl import Curl
from .commands import Session
from .results import ResultLine, error_of_line, fewer_images
from .store import WAITING, Batch, BatchJob, KnownJournal, end_job


class ResultSaver:
    """Saves results in a folder whose journal is open."""

    def __init__(self, session: Session, ledger: Ledger, folder: OutputFolder, journal: KnownJournal) -> None:
        self._session = session
        self._settings = session.settings
        self._output = session.output
        self._ledger = ledger
        self._folder = folder
        self._journal = journal
        self.saved = 0
        #: Why results could not be saved: they wait to be fetched again.
        self.failures: List[str] = []

    def save(self, batch: Batch, job: BatchJob, line: ResultLine) -> None:
        planned = job.planned
        last = self._last_entry(job)
        there = self._still_there(last, job)
        outputs = self._folder.outputs(planned.name, job.request, planned.named)
        try:
            new, warnings = self._place(line, job, outputs, there)
        except OutputError as failed:
            self.failures.append(f"job {planned.number}: {failed.message}")
            return
        if line.lost:
            self.failures.append(f"job {planned.number}: {'; '.join(line.lost)}")
            return
        images = {image.number: image for image in (*new, *there)}
        error = error_of_line(line, job.request, self._settings)
        here = sum(number in images for number in planned.missing)
        if error is None and here < len(planned.missing):
            error = fewer_images(here, len(planned.missing))
        billed = error.billed if error is not None and not new else Billed.YES
        in_order = tuple(images[number] for number in sorted(images))
        author = told_usage(line.svg_usage, self._settings.secrets)
        result = priced(
            Result("", batch.server.model, in_order, line.usage, svg_usage=author),
            self._settings.prices,
            self._settings.text_prices,
            BATCH_DISCOUNT,
        )
        if job.request.background == "transparent":
            warnings += tuple(checks_of([image.path for image in new])[1])
        warnings += cost_warnings(result)
        ending = JobEnding(in_order, error, billed, result.cost_usd, warnings, result.unpriced)
        self._note(batch, job, replace(line, svg_usage=result.svg_usage), ending, new, last)

    def fail(self, batch: Batch, job: BatchJob, error: GptImage2Error) -> None:
        last = self._last_entry(job)
        ending = JobEnding(self._still_there(last, job), error, error.billed)
        self._note(batch, job, ResultLine(job.custom_id), ending, (), last)

    def _last_entry(self, job: BatchJob) -> Optional[Entry]:
        return self._journal.last.of(job.planned.key, job.planned.copy)

    def _still_there(self, last: Optional[Entry], job: BatchJob) -> Tuple[SavedImage, ...]:
        return self._folder.still_there(job.planned.there if last is None else last.images)

    def _place(
        self, line: ResultLine, job: BatchJob, outputs: OutputPlan, there: Sequence[SavedImage]
    ) -> Tuple[Tuple[SavedImage, ...], Tuple[str, ...]]:
        """Gives the images of a line their names: those that are new, and warnings. Raises where no folder
        takes one of them; nothing is lost, for the server still has it."""
        new: List[SavedImage] = []
        warnings: List[str] = []
        asked = job.planned.missing
        unasked = count(max(asked) + 1)
        writers = [*line.writers]
        if not writers and line.error is None:
            writers = [self._download(url, outputs, place) for place, url in enumerate(line.addresses, 1)]
        for place, writer in enumerate(writers):
            number = asked[place] if place < len(asked) else next(unasked)
            if any(writer.sha256 == image.sha256 for image in there):
                writer.discard()
                continue
            writer.aim(outputs)
            image = _named(writer, outputs, number)
            if image is None:
                warnings.append("what the server sent is not an image; it was kept in the rescue folder")
                continue
            new.append(image)
            self._say_saved(image, writer.rescue_reason)
        return tuple(new), tuple(warnings)

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

    def _note(
        self,
        batch: Batch,
        job: BatchJob,
        line: ResultLine,
        ending: JobEnding,
        new: Tuple[SavedImage, ...],
        last: Optional[Entry],
    ) -> None:
        """Writes a result to the journal and then to the ledger, where they do not have it yet."""
        entry = ending.entry(job.planned, self._folder, batch.server.id or "")
        if new or _is_news(entry, last, batch):
            self._journal.is_sandbox = self._session.api.is_sandbox
            self._journal.extend([entry])
            self._journal.last.add(entry)
        if job.state != WAITING:
            return
        ended = replace(job, state=ending.state, outcome={**ending.row(), "batch_id": batch.label})
        if batch.history:
            self._record(batch, ended, line, ending, new)
        else:
            end_job(self._session.store.database, batch, ended)
        say_ended(self._output, job_row_of(batch, ended))

    def _record(
        self,
        batch: Batch,
        job: BatchJob,
        line: ResultLine,
        ending: JobEnding,
        new: Tuple[SavedImage, ...],
    ) -> None:
        """Completes the job in the ledger, and its request in the history: both, or neither."""
        numbers = job.planned.missing
        request = replace(job.request, n=len(numbers))
        estimate = request.estimate(self._settings.prices)
        command = "edit" if job.inputs else "generate"
        known = tuple(image for image in ending.images if image.number in numbers)
        opening = Opening(
            base_url=self._settings.base_url,
            profile=self._settings.profile,
            command=command,
            request=request,
            output=str(self._folder.path / job.planned.name),
            inputs=job.inputs,
            mask=job.mask,
            estimate=None if estimate is None else estimate.at(BATCH_DISCOUNT),
            discount=BATCH_DISCOUNT,
            batch_id=batch.server.id,
            started_at=batch.server.created_at,
        )
        outcome = Result(
            command=command,
            model=batch.server.model,
            images=new or known,
            usage=line.usage,
            svg_usage=line.svg_usage,
            cost_usd=ending.cost_usd,
            billed=ending.billed,
            http_status=line.status or None,
            request_id=show(line.request_id, self._settings.secrets) if line.request_id else None,
            attempts=1,
            sandbox=self._session.api.is_sandbox,
        )
        record_ended(
            self._ledger,
            opening,
            ending_of(outcome, ending.error, len(numbers)),
            self._output.warn,
            lambda database: end_job(database, batch, job),
        )


def job_row_of(batch: Batch, job: BatchJob) -> Dict[str, Any]:
    """The row of a job, with the fields that rows of `batch run` have."""
    return job_row(
        {
            "billed": Billed.MAYBE.value,
            **(job.outcome or {}),
            "job": job.planned.number,
            "line": job.planned.line,
            "id": job.planned.id,
            "status": job.state,
            "batch_id": batch.label,
        }
    )


def _named(writer: ImageWriter, outputs: OutputPlan, number: int) -> Optional[SavedImage]:
    """Gives an image its name; one that is there already, of the same bytes, is the image itself."""
    target = outputs.path(number)
    there = saved_image_at(str(target))
    if there is not None and there.sha256 == writer.sha256:
        writer.discard()
        return replace(there, number=number)
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
