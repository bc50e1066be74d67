"""One job sent once: prepared, noted in the journal, sent as any call, and noted again."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Callable, Dict, List, Optional

from ..base.errors import GptImage2Error, OutputError
from ..base.events import Event, HeadersReceived, ImageSaved
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed, Result, SavedImage
from ..base.record import Record, replace
from ..base.redact import mask_secrets, show
from ..calls.budget import Budget, Hold
from ..calls.client import Client, PreparedCall
from ..telling.report import failure_json, image_json
from .jobs import Job, read_job
from .jobs_file import JobsFile
from .journal import DONE, FAILED, SENT, Entry, Journal, journal_images
from .pacer import Pacer
from .plan import Plan, PlannedJob
from .planning import Folder


class Workplace(Record):
    """What the workers of a run share."""

    plan: Plan
    jobs_file: JobsFile
    journal: Journal
    folder: Folder
    client: Client
    defaults: Job
    pacer: Pacer
    budget: Budget
    stop: StopSwitch


class Sending:
    """A job sent once: prepared, noted in the journal, sent, and noted again."""

    def __init__(
        self, place: Workplace, job: PlannedJob, hold: Hold, on_saved: Callable[[SavedImage], None]
    ) -> None:
        self._place = place
        self._job = job
        self._hold = hold
        self._on_saved = on_saved
        self._result: Optional[Result] = None
        self._images: Dict[int, SavedImage] = {}
        self._elsewhere: List[str] = []  # images that are not where the user named them
        self._is_sent = False
        self.billed = Billed.NO
        #: The journal does not take lines any more: nothing further may be sent.
        self.journal_failed = False

    def run(self) -> Optional[GptImage2Error]:
        """Sends the job; the error that it ended with, None when all its images are saved."""
        try:
            with ExitStack() as stack:
                prepared = self._prepared(stack)
                self._note(SENT, prepared)
                self._hold.sent()
                self._is_sent = True
                error = self._call(prepared)
        except GptImage2Error as before:  # nothing was sent
            return before
        except Exception as defect:  # one job's, however it comes, must not end the others
            return self._broken(defect)
        try:
            self._note(DONE if error is None else FAILED, prepared, error)
        except OutputError as failed:
            return failed
        return error

    @property
    def cost_usd(self) -> Optional[float]:
        """What it cost, None where that is unknown or nothing was paid."""
        return self._result.cost_usd if self._result else None

    @property
    def images_saved(self) -> int:
        """How many images this sending has saved."""
        return len(self._images)

    def outcome(self, error: Optional[GptImage2Error]) -> Dict[str, object]:
        """What became of the job, as its row tells it."""
        result = self._result
        return {
            "images": [image_json(image) for _, image in sorted(self._all_images().items())],
            "billed": self.billed.value,
            "cost_usd": None if self.cost_usd is None else round(self.cost_usd, 6),
            "attempts": result.attempts if result else 0,
            "elapsed_s": round(result.elapsed_s, 3) if result else 0.0,
            "warnings": [*(result.warnings if result else ()), *self._elsewhere],
            "error": failure_json(error),
        }

    def _all_images(self) -> Dict[int, SavedImage]:
        """The images of the job by their numbers, those of earlier runs too."""
        return {**dict(self._job.there), **self._images}

    def _prepared(self, stack: ExitStack) -> PreparedCall:
        """The call of this job, for those of its images that are still missing."""
        place, planned = self._place, self._job
        job, _ = read_job(place.jobs_file.text_at(planned.offset), place.defaults)
        request = job.request
        if job.sources:
            request = stack.enter_context(place.client.with_inputs(request, job.sources, job.mask))
        output = place.folder.path / planned.name
        prepared = place.client.prepare(request, output, no_clobber=not planned.named)
        if any(self._is_anothers(prepared.plan.path(number)) for number in planned.missing):
            prepared = replace(prepared, plan=replace(prepared.plan, no_clobber=True))
        if len(planned.missing) == prepared.request.count:
            return prepared
        rest = replace(prepared.request, n=len(planned.missing))
        return replace(prepared, request=rest, numbers=planned.missing)

    def _call(self, prepared: PreparedCall) -> Optional[GptImage2Error]:
        error: Optional[GptImage2Error] = None
        try:
            self._result = self._place.client.run(prepared, observer=self._hear)
            self.billed = self._result.billed
        except GptImage2Error as failed:
            error, self._result, self.billed = failed, failed.result, failed.billed
        self._hold.settle(self.billed, self.cost_usd)
        self._number_images(prepared)
        return error

    def _broken(self, defect: Exception) -> GptImage2Error:
        """A defect of the program met by this job. What was sent by then stays in doubt in the journal."""
        self.billed = Billed.MAYBE if self._is_sent else Billed.NO
        said = mask_secrets(str(defect), self._place.client.settings.secrets)
        return GptImage2Error(f"internal error: {type(defect).__name__}: {said}", billed=self.billed)

    def _hear(self, event: Event) -> None:
        if isinstance(event, HeadersReceived):
            self._place.pacer.heard(event.limits, len(self._job.missing))
        elif isinstance(event, ImageSaved):
            self._place.plan.hold_name(self._name_of(event.image.path), self._job)
            self._on_saved(event.image)

    def _is_anothers(self, path: Path) -> bool:
        """Whether an output is not ours to replace: what was not there yet may be another job's by then."""
        return not os.path.lexists(str(path)) or self._place.plan.is_anothers(
            self._name_of(str(path)), self._job
        )

    def _name_of(self, path: str) -> str:
        return os.path.relpath(path, str(self._place.folder.path))

    def _number_images(self, prepared: PreparedCall) -> None:
        """Gives each saved image its number in the job: by its name, else the next that is free."""
        free = {str(prepared.plan.path(number)): number for number in self._job.missing}
        strangers: List[SavedImage] = []
        for image in self._result.images if self._result else ():
            number = free.pop(image.path, None)
            if number is None:
                strangers.append(image)
            else:
                self._images[number] = image
        rest = iter(sorted(free.values()))
        further = max(self._job.missing) + 1
        for offset, image in enumerate(strangers):
            self._images[next(rest, further + offset)] = image
            if self._job.named and not image.rescued:
                self._elsewhere.append(
                    f"{self._job.name} was taken; an image was saved as {show(image.path)}"
                )

    def _note(self, event: str, prepared: PreparedCall, error: Optional[GptImage2Error] = None) -> None:
        """A line in the journal.

        Raises:
            OutputError: the disk does not take it.
        """
        job = self._job
        entry = Entry(
            event=event,
            key=job.key,
            copy=job.copy,
            name=job.name,
            existed=any(os.path.lexists(str(prepared.plan.path(number))) for number in job.missing),
            images=journal_images(self._all_images(), self._place.folder.path),
            billed=self.billed if event != SENT else Billed.MAYBE,
            cost_usd=self.cost_usd if event != SENT else None,
            high_usd=self._hold.high_usd if event == SENT else 0.0,
            code=error.code if error else "",
            message=error.message if error else "",
            settled=error is not None and error.code == "fewer_images",
        )
        try:
            self._place.journal.append(entry)
        except OutputError:
            self.journal_failed = True
            raise
