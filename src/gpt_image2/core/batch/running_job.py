"""A job that is under way: what is sent for it, and how it ended.

For the scheduler's thread alone. Touches no file but to see whether it is there.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Callable, Dict, List, Optional, Tuple, cast

from ..api.request import ImageRequest
from ..base.errors import GptImage2Error, InterruptedCall
from ..base.events import Observer
from ..base.outcome import Billed, Result, SavedImage
from ..base.record import replace
from ..base.redact import mask_secrets, show
from ..calls.client import Client
from ..calls.under_way import PreparedCall
from ..commands.finishing import Finishing
from ..commands.further_calls import checks_of
from ..commands.steps_ahead import most_for_both
from ..ledger.budget import Hold
from .job import Job
from .journal import SENT, Entry
from .kept_pace import Departure
from .output_folder import OutputFolder
from .plan import JobEnding, PlannedJob


class RunningJob:
    """A job sent once. `hold` is the money set aside for it, `departure` what the pacer knows it by; `inputs`
    closes what was loaded for it, and `finishing` works on its pictures, where that is wished for."""

    call: PreparedCall  # from `prepare` on, for those images of the job that are missing
    sent: PreparedCall  # the same, where its images go first

    def __init__(
        self, planned: PlannedJob, job: Job, hold: Hold, departure: Departure, started_s: float
    ) -> None:
        self.planned = planned
        self.job = job
        self.hold = hold
        self.departure = departure
        self.started_s = started_s
        self.inputs = ExitStack()
        self.finishing: Optional[Finishing] = None
        self.result: Optional[Result] = None
        self.ending = JobEnding(planned.there)
        #: Whether the journal is to tell how it ended: it was sent, and how is known.
        self.is_noted = False
        #: Whether the server has asked it to come again later.
        self.goes_again = False
        self._is_sent = self._existed = False
        #: Whether the backgrounds of its images are transparent, by their paths, where that was looked at.
        self._checks: Dict[str, object] = {}

    @property
    def is_unsent(self) -> bool:
        """Whether it was stopped before anything was paid for."""
        return isinstance(self.ending.error, InterruptedCall) and self.ending.billed is Billed.NO

    def load(self, client: Client) -> ImageRequest:
        """The request with what it needs, which lasts until `inputs` is closed. For a worker."""
        job, request = self.job, self.job.request
        if job.sources:
            inputs = client.with_inputs(request, job.sources, job.mask, job.markup)
            request = self.inputs.enter_context(inputs)
        if job.wishes is None:
            return request
        self.finishing = Finishing(job.wishes, self.inputs)
        return self.finishing.before(request)

    def run(self, client: Client, observer: Observer) -> Result:
        """Sends the call; its images as they were wished for, and looked at where their background is to be
        transparent. For a worker."""
        if self.finishing is None:
            result = client.run(self.sent, observer=observer)
        else:
            result = self.finishing.run(client, self.sent, observer=observer)
        if self.sent.request.background != "transparent":
            return result
        made = ((image, image.derivation.figures if image.derivation else ()) for image in result.images)
        unchecked = [image.path for image, figures in made if "checks" not in dict(figures)]
        self._checks, found = checks_of(unchecked)
        return replace(result, warnings=(*result.warnings, *found))

    def prepare(
        self,
        client: Client,
        request: ImageRequest,
        folder: OutputFolder,
        is_anothers: Callable[[str], bool],
        max_cost_usd: Optional[float] = None,
    ) -> None:
        """Prepares the call; a `UsageError` where it cannot be sent. `is_anothers` tells whether a file below
        the folder is another job's image; `max_cost_usd` is the cap on the sum of all jobs."""
        planned, missing = self.planned, self.planned.missing
        call = client.prepare(request, folder.path / planned.name, no_clobber=not planned.replaces)
        targets = [call.plan.path(number) for number in missing]
        if any(not os.path.lexists(path) or is_anothers(folder.name_of(path)) for path in targets):
            # What was not there yet may be another job's by the time that this one ends.
            call = replace(call, plan=replace(call.plan, no_clobber=True))
        if len(missing) < call.request.count:
            call = replace(call, request=replace(call.request, n=len(missing)), numbers=missing)
        self.call = self.sent = call
        if self.finishing is not None:
            self.sent = self.finishing.set_aside(call)
            self.finishing.price(client, self.sent, most_for_both(max_cost_usd))

    def sent_entry(self, folder: OutputFolder) -> Entry:
        """Its line in the journal before it is sent."""
        planned = self.planned
        self._existed = any(os.path.lexists(self.call.plan.path(number)) for number in planned.missing)
        return planned.entry(
            SENT,
            existed=self._existed,
            images=folder.below(planned.there),
            billed=Billed.MAYBE,
            high_usd=self.hold.high_usd,
        )

    def end_entry(self, folder: OutputFolder) -> Entry:
        """Its line in the journal after it has ended."""
        return replace(self.ending.entry(self.planned, folder), existed=self._existed)

    def send(self, now_s: float) -> None:
        """From now on it may cost all that is held for it."""
        self.departure.sent_s = now_s
        self.hold.sent()
        self._is_sent = self.is_noted = True

    def end(self, result: Optional[Result], error: Optional[Exception], secrets: Tuple[str, ...]) -> None:
        """Takes in how it ended; without an error all its images are saved."""
        if error is not None and not isinstance(error, GptImage2Error):
            # A defect of the program. What was sent by then stays in doubt in the journal, and paid for.
            self.is_noted = False
            billed = Billed.MAYBE if self._is_sent else Billed.NO
            said = f"internal error: {type(error).__name__}: {mask_secrets(str(error), secrets)}"
            self.ending = replace(self.ending, error=GptImage2Error(said, billed=billed), billed=billed)
            return
        if not self._is_sent:
            self.ending = replace(self.ending, error=error)
            return
        self.result = result
        ending = error or result
        billed = ending.billed if ending is not None else Billed.MAYBE
        cost_usd = result.cost_usd if result else None
        self.hold.settle(billed, cost_usd)
        images = (*self.planned.there, *self._numbered(result.images if result else ()))
        in_order = tuple(sorted(images, key=lambda image: image.number))
        warnings = (*result.warnings, *self._elsewhere(result.images)) if result else ()
        unpriced = result.unpriced if result else ""
        self.ending = JobEnding(in_order, error, billed, cost_usd, warnings, unpriced)

    def row(self) -> Dict[str, object]:
        result, ending = self.result, self.ending.row()
        images = cast("List[Dict[str, object]]", ending["images"])
        known = ((image, self._checks.get(str(image["path"]))) for image in images)
        return {
            **ending,
            "images": [{**image, "checks": checks} if checks else image for image, checks in known],
            "attempts": result.attempts if result else 0,
            "elapsed_s": round(result.elapsed_s, 3) if result else 0.0,
        }

    def _numbered(self, images: Tuple[SavedImage, ...]) -> Tuple[SavedImage, ...]:
        """The images by their numbers in the job: one too many stands for one that is missing."""
        missing = self.planned.missing
        free = iter(sorted(set(missing) - {image.number for image in images}))
        return tuple(
            image if image.number in missing else replace(image, number=next(free, image.number))
            for image in images
        )

    def _elsewhere(self, images: Tuple[SavedImage, ...]) -> Tuple[str, ...]:
        """What there is to say of images that are not where the user named them."""
        if not self.planned.named:
            return ()
        taken = [image for image in images if image.path != str(self.call.plan.path(image.number))]
        return tuple(
            f"{self.planned.name} was taken; an image was saved as {show(image.path)}"
            for image in taken
            if not image.rescued
        )
