"""Keeps the results of batches in one folder: each image once, on the journal, and in the ledger.

The journal decides what is there; whatever is not there by it is saved. Days may lie between the submission
and this, so no file is ever replaced: a name that is taken by then gets a number.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from typing import Dict, List, Mapping, Optional, Tuple

from ..api.images import saved_image_at
from ..api.models import BATCH_DISCOUNT, cost_of_usage
from ..api.request import ImageRequest
from ..base.errors import GptImage2Error, OutputError
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed, Result, SavedImage
from ..base.record import Record, replace
from ..base.redact import show
from ..batch.journal import DONE, FAILED, SUBMITTED, Entry, Journal, journal_images
from ..batch.planner import Folder
from ..calls.download import Downloader, DownloadFailed
from ..ledger.database import Database
from ..ledger.entries import Opening, ending_of, input_file_of, request_from_fields
from ..ledger.recording import Ledger
from ..outputs.naming import OutputPlan, slug
from ..outputs.store import ImageWriter, NotAnImage
from ..settings.config import Settings
from ..telling.output import Output
from ..telling.report import failure_json, image_json, saved_line
from ..wire.curl import Curl
from .book import WAITING, Book, RememberedBatch, RememberedJob, end_job
from .handover import entry_of
from .outcomes import error_of_line, too_few
from .past_jobs import PastJobs
from .result_lines import ResultLine


class Kept(Record):
    """How keeping a job's result ended."""

    images: Mapping[int, SavedImage]
    new: Tuple[SavedImage, ...]
    error: Optional[GptImage2Error]
    billed: Billed
    cost_usd: Optional[float]
    warnings: Tuple[str, ...]


class Keeper:
    """Keeps results in a folder whose journal is open."""

    def __init__(
        self,
        folder: Folder,
        journal: Journal,
        past: PastJobs,
        book: Book,
        ledger: Ledger,
        settings: Settings,
        env: Mapping[str, str],
        output: Output,
        stop: StopSwitch,
    ) -> None:
        self._folder = folder
        self._journal = journal
        self._past = past
        self._book = book
        self._ledger = ledger
        self._settings = settings
        self._output = output
        self._base_url = settings.base_url
        self._downloader = Downloader(Curl(env, settings.secrets, stop), base_url=self._base_url)
        self.saved = 0
        #: Why results could not be kept: they wait to be fetched again.
        self.failures: List[str] = []

    def take(self, batch: RememberedBatch, job: RememberedJob, line: ResultLine) -> None:
        """Keeps what a line of the results says of a job."""
        request = request_of_job(batch, job)
        last = self._past.last(job.custom_id)
        there = self._still_there(last, job)
        outputs = self._folder.outputs(job.name, request, job.named)
        try:
            images, new, warnings = self._place(line, job, outputs, there)
        except OutputError as error:
            self.failures.append(f"job {job.job}: {error.message}")
            return
        if line.lost:
            self.failures.append(f"job {job.job}: {'; '.join(line.lost)}")
            return
        error = error_of_line(line, request, self._base_url, self._settings.secrets)
        missing = [number for number in job.numbers if number not in images]
        if error is None and missing:
            error = too_few(len(job.numbers) - len(missing), len(job.numbers))
        billed = error.billed if error is not None and not new else Billed.YES
        cost_usd = cost_of_usage(batch.model, line.usage, self._settings.prices) if line.usage else None
        cost_usd = None if cost_usd is None else cost_usd * BATCH_DISCOUNT
        self._book_result(batch, job, line, Kept(images, new, error, billed, cost_usd, warnings), last)

    def fail(self, batch: RememberedBatch, job: RememberedJob, error: GptImage2Error) -> None:
        """Notes that nothing will come of a job that still waits."""
        last = self._past.last(job.custom_id)
        images = self._still_there(last, job)
        nothing = ResultLine(job.custom_id, 0, None, None, None)
        self._book_result(batch, job, nothing, Kept(images, (), error, error.billed, None, ()), last)

    def _still_there(self, last: Optional[Entry], job: RememberedJob) -> Dict[int, SavedImage]:
        """The images of a job that are on disk as the journal says."""
        found: Dict[int, SavedImage] = {}
        for image in last.images if last is not None else job.there:
            path = self._folder.path / image.path
            saved = saved_image_at(str(path))
            if saved is not None and saved.sha256 == image.sha256:
                found[image.number] = saved
        return found

    def _place(
        self,
        line: ResultLine,
        job: RememberedJob,
        outputs: OutputPlan,
        there: Mapping[int, SavedImage],
    ) -> Tuple[Dict[int, SavedImage], Tuple[SavedImage, ...], Tuple[str, ...]]:
        """Gives the images of a line their names: all of the job by now, those that are new, and warnings.

        Raises:
            OutputError: no folder takes one of them; nothing is lost, for the server still has it.
        """
        images: Dict[int, SavedImage] = dict(there)
        new: List[SavedImage] = []
        warnings: List[str] = []
        further = count(max(job.numbers) + 1)
        for place, writer in enumerate([*line.writers, *self._fetched(line, outputs)]):
            is_asked = place < len(job.numbers)
            number = job.numbers[place] if is_asked else next(further)
            if any(writer.sha256 == image.sha256 for image in there.values()):
                writer.discard()
                continue
            writer.aim(outputs)
            image = _named(writer, outputs, number)
            if image is None:
                warnings.append("what the server sent as an image is none; it was kept in the rescue folder")
                continue
            new.append(image)
            if number not in images:
                images[number] = image
            self._tell(image, writer.rescue_reason)
        return images, tuple(new), tuple(warnings)

    def _fetched(self, line: ResultLine, outputs: OutputPlan) -> List[ImageWriter]:
        """The images that came as addresses, where the line holds none itself."""
        if line.writers or line.error is not None:
            return []
        found: List[ImageWriter] = []
        for number, address in enumerate(line.addresses, 1):
            holder = [ImageWriter(outputs, outputs.path(number))]

            def restart(holder: List[ImageWriter] = holder, number: int = number) -> None:
                holder[0].discard()
                holder[0] = ImageWriter(outputs, outputs.path(number))

            def take(data: bytes, holder: List[ImageWriter] = holder) -> None:
                holder[0].write(data)

            try:
                self._downloader.fetch(address, take, restart)
            except DownloadFailed as error:
                holder[0].discard()
                raise OutputError(f"an image could not be fetched from its address: {error}") from None
            found.append(holder[0])
        return found

    def _tell(self, image: SavedImage, rescue_reason: str) -> None:
        self.saved += 1
        self._output.result(saved_line(image.path, image.size_bytes))
        self._output.event({"event": "image_saved", "image": image_json(image)})
        if rescue_reason:
            path = show(image.path, limit=None)
            self._output.warn(f"the output could not be written ({rescue_reason}); it was saved as {path}")

    def _book_result(
        self,
        batch: RememberedBatch,
        job: RememberedJob,
        line: ResultLine,
        kept: Kept,
        last: Optional[Entry],
    ) -> None:
        """Writes a result to the journal and to the ledger, where they do not have it yet."""
        entry = replace(
            entry_of(job),
            event=DONE if kept.error is None else FAILED,
            images=journal_images(dict(kept.images), self._folder.path),
            billed=kept.billed,
            cost_usd=kept.cost_usd,
            code=kept.error.code if kept.error else "",
            message=kept.error.message if kept.error else "",
            batch_id=batch.id or "",
            settled=kept.error is not None and kept.error.code == "fewer_images",
        )
        if kept.new or _is_news(entry, last, batch):
            self._journal.append(entry)
            self._past.remember(entry)
        if job.state != WAITING:
            return
        ended = replace(job, state=entry.event, outcome=_row_of(batch, kept))
        if not batch.history:
            end_job(self._book.database, batch.number, ended)
        else:
            self._record(batch, ended, line, kept)
        self._say(batch, ended)

    def _record(self, batch: RememberedBatch, job: RememberedJob, line: ResultLine, kept: Kept) -> None:
        request = replace(request_of_job(batch, job), n=len(job.numbers))
        estimate = request.estimate(self._settings.prices)
        command = "edit" if job.inputs else "generate"
        result = Result(
            command=command,
            model=batch.model,
            images=kept.new or tuple(kept.images[number] for number in job.numbers if number in kept.images),
            usage=line.usage,
            cost_usd=kept.cost_usd,
            billed=kept.billed,
            http_status=line.status or None,
            request_id=show(line.request_id, self._settings.secrets) if line.request_id else None,
            attempts=1,
        )
        opening = Opening(
            base_url=self._base_url,
            command=command,
            request=request,
            output=str(self._folder.path / job.name),
            inputs=tuple(input_file_of(file) for file in job.inputs),
            mask=None if job.mask is None else input_file_of(job.mask),
            estimate=None if estimate is None else estimate.at(BATCH_DISCOUNT),
            discount=BATCH_DISCOUNT,
            batch_id=batch.id,
            started_at=batch.created_at,
        )

        def also(database: Database) -> None:
            end_job(database, batch.number, job)

        ending = ending_of(result, kept.error, len(job.numbers))
        self._ledger.record(opening, ending, self._output.warn, also)

    def _say(self, batch: RememberedBatch, job: RememberedJob) -> None:
        row = row_of_job(batch, job)
        self._output.event({"event": "job_finished", **row})
        error = row["error"]
        if isinstance(error, dict):
            self._output.complain(
                f"job {job.job} (line {job.line}): {show(str(error['message']), limit=None)} "  # pyright: ignore[reportUnknownArgumentType]
                f"(billed: {row['billed']})"
            )


def rescued(line: ResultLine, output: Output) -> Tuple[str, ...]:
    """Keeps the images of a line in the rescue folder; where they are."""
    places: List[str] = []
    for number, writer in enumerate(line.writers, 1):
        path = writer.keep(f"{slug(line.custom_id) or 'result'}-{number}.png")
        places.append(path)
        output.result(saved_line(path, writer.size_bytes))
    return tuple(places)


def row_of_job(batch: RememberedBatch, job: RememberedJob) -> Dict[str, object]:
    """The row of a job, with the fields that rows of `batch run` have."""
    return {
        "images": [],
        "billed": Billed.MAYBE.value,
        "cost_usd": None,
        "error": None,
        "warnings": [],
        **(job.outcome or {}),
        "job": job.job,
        "line": job.line,
        "id": job.id,
        "status": job.state,
        "batch_id": batch.label,
    }


def request_of_job(batch: RememberedBatch, job: RememberedJob) -> ImageRequest:
    """The request of a job as it is remembered, without its images."""
    return request_from_fields(job.prompt, batch.model, job.fields)


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


def _is_news(entry: Entry, last: Optional[Entry], batch: RememberedBatch) -> bool:
    """Whether the journal does not know of a result yet; a failure never hides what came later."""
    if last is None or entry.event == last.event == DONE:
        return last is None
    if entry.event == DONE:
        return True
    names = ("", batch.id or "", f"local-{batch.number}")
    return last.event in (SUBMITTED, FAILED) and last.batch_id in names and last.code != entry.code


def _row_of(batch: RememberedBatch, kept: Kept) -> Dict[str, object]:
    return {
        "images": [image_json(image) for _, image in sorted(kept.images.items())],
        "billed": kept.billed.value,
        "cost_usd": None if kept.cost_usd is None else round(kept.cost_usd, 6),
        "warnings": list(kept.warnings),
        "error": failure_json(kept.error),
        "batch_id": batch.label,
    }
