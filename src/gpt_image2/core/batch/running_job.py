"""A job that is under way: what is sent for it, and how it ended, as the journal and its row say it.

For the scheduler's thread alone. Touches no file but to see whether it is there.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Callable, Dict, List, Optional, Tuple

from ..api.request import ImageRequest
from ..base.errors import GptImage2Error, InterruptedCall
from ..base.outcome import Billed, Result, SavedImage
from ..base.record import replace
from ..base.redact import mask_secrets, show
from ..calls.budget import Hold
from ..calls.client import Client, PreparedCall
from ..telling.as_json import failure_json, image_json
from .jobs import Job
from .journal import DONE, FAILED, SENT, Entry, journal_images
from .output_folder import OutputFolder
from .plan import PlannedJob


class RunningJob:
    """A job sent once. `hold` is the money set aside for it; `inputs` closes what was loaded for it."""

    call: PreparedCall  # from `prepare` on, for those images of the job that are missing

    def __init__(self, planned: PlannedJob, job: Job, hold: Hold, started_s: float) -> None:
        self.planned = planned
        self.job = job
        self.hold = hold
        self.started_s = started_s
        self.inputs = ExitStack()
        self.result: Optional[Result] = None
        self.error: Optional[GptImage2Error] = None
        self.billed = Billed.NO
        #: Whether the journal is to tell how it ended: it was sent, and how is known.
        self.is_noted = False
        #: Whether the server has asked it to come again later.
        self.goes_again = False
        self.images: Dict[int, SavedImage] = {}
        self._is_sent = False
        self._elsewhere: List[str] = []  # images that are not where the user named them

    @property
    def is_unsent(self) -> bool:
        """Whether it was stopped before anything was paid for."""
        return isinstance(self.error, InterruptedCall) and self.billed is Billed.NO

    @property
    def cost_usd(self) -> Optional[float]:
        """What it cost, None where that is unknown or nothing was paid."""
        return self.result.cost_usd if self.result else None

    def prepare(
        self, client: Client, request: ImageRequest, folder: OutputFolder, is_anothers: Callable[[str], bool]
    ) -> None:
        """Prepares the call. `is_anothers` tells whether a file below the folder is another job's image.

        Raises:
            UsageError: it cannot be sent.
        """
        planned, missing = self.planned, self.planned.missing
        call = client.prepare(request, folder.path / planned.name, no_clobber=not planned.replaces)
        targets = [call.plan.path(number) for number in missing]
        if any(not os.path.lexists(path) or is_anothers(folder.name_of(path)) for path in targets):
            # What was not there yet may be another job's by the time that this one ends.
            call = replace(call, plan=replace(call.plan, no_clobber=True))
        if len(missing) < call.request.count:
            call = replace(call, request=replace(call.request, n=len(missing)), numbers=missing)
        self.call = call

    def send(self) -> None:
        """From now on it may cost all that is held for it."""
        self.hold.sent()
        self._is_sent = self.is_noted = True

    def end(self, result: Optional[Result], error: Optional[Exception], secrets: Tuple[str, ...]) -> None:
        """Takes in how it ended; without an error all its images are saved."""
        if error is not None and not isinstance(error, GptImage2Error):
            # A defect of the program. What was sent by then stays in doubt in the journal, and paid for.
            self.is_noted = False
            self.billed = Billed.MAYBE if self._is_sent else Billed.NO
            said = f"internal error: {type(error).__name__}: {mask_secrets(str(error), secrets)}"
            self.error = GptImage2Error(said, billed=self.billed)
            return
        self.result, self.error = result, error
        if self._is_sent:
            ending = error or result
            self.billed = ending.billed if ending is not None else Billed.MAYBE
            self.hold.settle(self.billed, self.cost_usd)
            self._number_images()

    def entry(self, event: str, folder: OutputFolder) -> Entry:
        """Its line in the journal, before it is sent or after it has ended."""
        planned, error = self.planned, self.error
        entry = Entry(
            event=event,
            key=planned.key,
            copy=planned.copy,
            name=planned.name,
            images=journal_images(self._all_images(), folder.path),
        )
        if event == SENT:
            existed = any(os.path.lexists(self.call.plan.path(number)) for number in planned.missing)
            return replace(entry, existed=existed, billed=Billed.MAYBE, high_usd=self.hold.high_usd)
        entry = replace(entry, billed=self.billed, cost_usd=self.cost_usd)
        if error is None:
            return entry
        is_settled = error.code == "fewer_images"
        return replace(entry, code=error.code, message=error.message, settled=is_settled)

    @property
    def state(self) -> str:
        """How it has ended, in the words of the journal."""
        return DONE if self.error is None else FAILED

    def outcome(self) -> Dict[str, object]:
        """What has become of the job, as its row tells it."""
        result = self.result
        return {
            "images": [image_json(image) for _, image in sorted(self._all_images().items())],
            "billed": self.billed.value,
            "cost_usd": None if self.cost_usd is None else round(self.cost_usd, 6),
            "attempts": result.attempts if result else 0,
            "elapsed_s": round(result.elapsed_s, 3) if result else 0.0,
            "warnings": [*(result.warnings if result else ()), *self._elsewhere],
            "error": failure_json(self.error),
        }

    def _all_images(self) -> Dict[int, SavedImage]:
        """The images of the job by their numbers, those of earlier runs too."""
        return {**dict(self.planned.there), **self.images}

    def _number_images(self) -> None:
        """Gives each saved image its number in the job: by its name, else the next that is free."""
        planned = self.planned
        free = {str(self.call.plan.path(number)): number for number in planned.missing}
        strangers: List[SavedImage] = []
        for image in self.result.images if self.result else ():
            number = free.pop(image.path, None)
            if number is None:
                strangers.append(image)
            else:
                self.images[number] = image
        rest = iter(sorted(free.values()))
        further = max(planned.missing) + 1
        for offset, image in enumerate(strangers):
            self.images[next(rest, further + offset)] = image
            if planned.named and not image.rescued:
                self._elsewhere.append(f"{planned.name} was taken; an image was saved as {show(image.path)}")
