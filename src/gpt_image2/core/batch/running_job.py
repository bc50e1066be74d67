"""One job sent once: its inputs loaded, its call made, and how that ended as the journal and its row say it.

`load` and `call` run in a worker. They decide nothing: what they meet goes to the scheduler by `post`, and
all else here is for the scheduler's thread alone.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Callable, Dict, List, Optional, Union

from ..api.request import ImageRequest
from ..base.errors import GptImage2Error, InterruptedCall
from ..base.events import Event, HeadersReceived, ImageSaved
from ..base.outcome import Billed, Result, SavedImage
from ..base.record import Record, replace
from ..base.redact import mask_secrets, show
from ..calls.budget import Hold
from ..calls.client import Client, PreparedCall
from ..telling.report import failure_json, image_json
from .jobs import Job
from .journal import DONE, FAILED, SENT, Entry, journal_images
from .output_folder import OutputFolder
from .plan import PlannedJob


class InputsLoaded(Record):
    """The inputs of a job are there: the request with them."""

    request: ImageRequest


class CallEnded(Record):
    """A call has ended, or could not be made; without an error all its images are saved."""

    result: Optional[Result]
    error: Optional[Exception] = None


News = Union[HeadersReceived, ImageSaved, InputsLoaded, CallEnded]


class RunningJob:
    """A job that is under way. `hold` is the money set aside for it."""

    def __init__(
        self,
        planned: PlannedJob,
        job: Job,
        hold: Hold,
        client: Client,
        folder: OutputFolder,
        post: Callable[[RunningJob, News], None],
        started_s: float,
    ) -> None:
        self.planned = planned
        self.job = job
        self.hold = hold
        self.started_s = started_s
        self.error: Optional[GptImage2Error] = None
        self.billed = Billed.NO
        #: Whether the journal is to tell how it ended: it was sent, and how is known.
        self.is_noted = False
        #: Whether the job goes again later, since the server asked for a wait.
        self.goes_again = False
        self._client = client
        self._folder = folder
        self._post = post
        self._inputs = ExitStack()
        self._prepared: Optional[PreparedCall] = None
        self._is_sent = False
        self._result: Optional[Result] = None
        self._images: Dict[int, SavedImage] = {}
        self._elsewhere: List[str] = []  # images that are not where the user named them

    # In a worker

    def load(self) -> None:
        """Loads the input images, which may have to be fetched."""
        job = self.job
        try:
            inputs = self._client.with_inputs(job.request, job.sources, job.mask)
            request = self._inputs.enter_context(inputs)
        except Exception as error:
            self._post(self, CallEnded(None, error))
        else:
            self._post(self, InputsLoaded(request))

    def call(self) -> None:
        """Makes the call, whose images are saved as they come."""
        assert self._prepared is not None
        try:
            with self._inputs:
                ended = CallEnded(self._client.run(self._prepared, observer=self._hear))
        except GptImage2Error as error:
            ended = CallEnded(error.result, error)
        except Exception as error:  # a defect that this job has met must not end the others
            ended = CallEnded(None, error)
        self._post(self, ended)

    def _hear(self, event: Event) -> None:
        if isinstance(event, ImageSaved) or (isinstance(event, HeadersReceived) and event.limits):
            self._post(self, event)

    # In the scheduler's thread

    @property
    def cost_usd(self) -> Optional[float]:
        """What it cost, None where that is unknown or nothing was paid."""
        return self._result.cost_usd if self._result else None

    @property
    def images_saved(self) -> int:
        """How many images it has saved."""
        return len(self._images)

    def prepare(self, request: ImageRequest, is_anothers: Callable[[str], bool]) -> None:
        """Prepares the call for the images that are missing. `is_anothers` tells whether a file below the
        folder is an image of another job.

        Raises:
            UsageError: it cannot be sent.
        """
        planned = self.planned
        output = self._folder.path / planned.name
        prepared = self._client.prepare(request, output, no_clobber=not planned.replaces)
        targets = [prepared.plan.path(number) for number in planned.missing]
        if any(not os.path.lexists(path) or is_anothers(self._folder.name_of(path)) for path in targets):
            # What was not there yet may be another job's by the time that this one ends.
            prepared = replace(prepared, plan=replace(prepared.plan, no_clobber=True))
        if len(planned.missing) < prepared.request.count:
            rest = replace(prepared.request, n=len(planned.missing))
            prepared = replace(prepared, request=rest, numbers=planned.missing)
        self._prepared = prepared

    def send(self) -> None:
        """The journal says that it is sent: from now on it may cost all that is held for it."""
        self.hold.sent()
        self._is_sent = self.is_noted = True

    def drop(self) -> None:
        """It is not to be sent."""
        self._inputs.close()

    def end(self, ended: CallEnded) -> None:
        """Takes in how it ended."""
        self.drop()
        error = ended.error
        if error is not None and not isinstance(error, GptImage2Error):
            self._end_by_defect(error)
            return
        self.error, self._result = error, ended.result
        if not self._is_sent:
            return
        if error is not None:
            self.billed = error.billed
        elif self._result is not None:
            self.billed = self._result.billed
        self.hold.settle(self.billed, self.cost_usd)
        self._number_images()

    def _end_by_defect(self, defect: Exception) -> None:
        """A defect of the program. What was sent by then stays in doubt in the journal, and paid for."""
        self.is_noted = False
        self.billed = Billed.MAYBE if self._is_sent else Billed.NO
        said = mask_secrets(str(defect), self._client.settings.secrets)
        self.error = GptImage2Error(f"internal error: {type(defect).__name__}: {said}", billed=self.billed)

    @property
    def is_unsent(self) -> bool:
        """Whether it was stopped before anything was paid for."""
        return isinstance(self.error, InterruptedCall) and self.billed is Billed.NO

    def sent_entry(self) -> Entry:
        """The line of the journal before it is sent."""
        assert self._prepared is not None
        paths = [self._prepared.plan.path(number) for number in self.planned.missing]
        return replace(
            self._entry(SENT),
            existed=any(os.path.lexists(path) for path in paths),
            billed=Billed.MAYBE,
            high_usd=self.hold.high_usd,
        )

    def ended_entry(self) -> Entry:
        """The line of the journal after it has ended."""
        error = self.error
        return replace(
            self._entry(DONE if error is None else FAILED),
            billed=self.billed,
            cost_usd=self.cost_usd,
            code=error.code if error else "",
            message=error.message if error else "",
            settled=error is not None and error.code == "fewer_images",
        )

    def outcome(self) -> Dict[str, object]:
        """What has become of the job, as its row tells it."""
        result = self._result
        return {
            "images": [image_json(image) for _, image in sorted(self._all_images().items())],
            "billed": self.billed.value,
            "cost_usd": None if self.cost_usd is None else round(self.cost_usd, 6),
            "attempts": result.attempts if result else 0,
            "elapsed_s": round(result.elapsed_s, 3) if result else 0.0,
            "warnings": [*(result.warnings if result else ()), *self._elsewhere],
            "error": failure_json(self.error),
        }

    def _entry(self, event: str) -> Entry:
        job = self.planned
        images = journal_images(self._all_images(), self._folder.path)
        return Entry(event=event, key=job.key, copy=job.copy, name=job.name, images=images)

    def _all_images(self) -> Dict[int, SavedImage]:
        """The images of the job by their numbers, those of earlier runs too."""
        return {**dict(self.planned.there), **self._images}

    def _number_images(self) -> None:
        """Gives each saved image its number in the job: by its name, else the next that is free."""
        assert self._prepared is not None
        missing = self.planned.missing
        free = {str(self._prepared.plan.path(number)): number for number in missing}
        strangers: List[SavedImage] = []
        for image in self._result.images if self._result else ():
            number = free.pop(image.path, None)
            if number is None:
                strangers.append(image)
            else:
                self._images[number] = image
        rest = iter(sorted(free.values()))
        further = max(missing) + 1
        for offset, image in enumerate(strangers):
            self._images[next(rest, further + offset)] = image
            if self.planned.named and not image.rescued:
                self._elsewhere.append(
                    f"{self.planned.name} was taken; an image was saved as {show(image.path)}"
                )
