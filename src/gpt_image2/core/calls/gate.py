"""The one way out of a call whose request may have left, whatever is raised on the way.

What was saved is listed, what came whole is saved, what was received is kept, and the call is billed at least
`maybe`: `yes` when an image or its address came. Nothing here depends on what the defect may have broken but
the notes of each sending.
"""

from __future__ import annotations

from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import Any, Callable, List, Mapping, Optional, Sequence, Tuple

from ..base.about import called
from ..base.errors import GptImage2Error, InterruptedCall, OutputError, PartialError, UsageError
from ..base.outcome import Billed, Result, SavedImage
from ..base.record import replace
from ..base.redact import mask_secrets
from ..outputs.adopt import adopt
from ..outputs.collect import ImageCollector
from ..outputs.inflight import InFlight
from ..outputs.naming import OutputPlan
from ..outputs.store import Spool


class SentRequest:
    """One sending of a request, and all that is known of it by now."""

    def __init__(self, in_flight: InFlight, rescue_folder: Path) -> None:
        self.in_flight = in_flight
        self._rescue_folder = rescue_folder
        self.spool = Spool(rescue_folder, in_flight.body_path)
        self.notes: List[Mapping[str, Any]] = []
        self.collector: Optional[ImageCollector] = None
        #: Whether the request may have left.
        self.may_have_left = False
        #: How it ended; None until that is known.
        self.result: Optional[Result] = None
        #: Whether some of its images are still to be fetched from their addresses.
        self.is_unfinished = False

    def poll_spool(self) -> Spool:
        """Where the next answer about a task goes; that of the request itself is understood by then."""
        self.spool.discard()
        folder = self.in_flight.body_path
        self.spool = Spool(self._rescue_folder, folder and folder.with_name("task"))
        return self.spool

    def left(self, may_have_left: bool) -> None:
        """Whether the request may have left by now."""
        self.may_have_left = may_have_left

    @property
    def is_sent(self) -> bool:
        """Whether the request left, or may have."""
        return self.may_have_left or self.result is not None

    def note(self, event: Mapping[str, object]) -> None:
        """Remembers what became of an image, here and on disk."""
        self.notes.append(event)
        self.in_flight.note(event)


class Gate:
    """The way out of one call, whose images go by `plan`; `asked` is how many it is to have."""

    def __init__(self, plan: OutputPlan, asked: int, secrets: Tuple[str, ...]) -> None:
        self._plan = plan
        self._asked = asked
        self._secrets = secrets
        self._sendings: List[SentRequest] = []

    def begin(self, state_folder: Path, asked: Mapping[str, object]) -> SentRequest:
        """A request is about to be sent."""
        sending = SentRequest(InFlight(state_folder, asked), self._plan.rescue_folder)
        self._sendings.append(sending)
        return sending

    def close(self) -> None:
        """The outcome is recorded: only what is unfinished is left for `resume`."""
        for sending in self._sendings:
            with suppress(Exception):  # the call has ended as it ended
                if sending.is_unfinished:
                    sending.in_flight.leave()
                else:
                    sending.in_flight.close()

    def settle(self, defect: BaseException, unsettled: Result, warn: Callable[[str], None]) -> Result:
        """The result of a call that a defect broke off, where every image is where it was asked for.

        `unsettled` is the result but for images, `billed` and `requests_sent`. Where images are missing it
        raises what the call ends with, the result attached: what was no error of this program becomes one.
        """
        images: List[SavedImage] = []
        kept: List[str] = []
        billed = Billed.NO
        is_alone = isinstance(defect, UsageError) and defect.code == "extra_missing"
        for sending in self._sendings:
            saved, aside, cost = self._known_of(sending, is_alone)
            images += saved
            kept += aside
            billed = max(billed, cost, key=attrgetter("rank"))
        sent = sum(sending.may_have_left for sending in self._sendings)
        result = replace(unsettled, images=tuple(images), billed=billed, requests_sent=sent)
        is_ours = isinstance(defect, GptImage2Error)
        said = str(defect) if is_ours else f"internal error: {type(defect).__name__}: {defect}"
        said = mask_secrets(said, self._secrets)
        if not isinstance(defect, Exception):
            defect.__dict__["result"] = result
            raise defect
        is_whole = len(images) >= self._asked and not any(image.rescued for image in images)
        if is_whole and not isinstance(defect, InterruptedCall):
            warn(f"something went wrong when all was saved: {said}")
            return result
        error = _error_of(defect, said, len(images), self._asked, billed)
        if isinstance(error, UsageError) and any(sending.is_sent for sending in self._sendings):
            error = OutputError(error.message, hint=error.hint, code=error.code, billed=billed)
        places = f"what came was kept: {', '.join(kept)}" if kept else ""
        doubt = "check your usage before you send it again" if billed is not Billed.NO else ""
        to_resume = [sending.in_flight.id for sending in self._sendings if sending.is_unfinished]
        if is_alone and to_resume:
            doubt = f"then {called()} resume {to_resume[0]} goes on with it; do not send the request again"
        error.hint = "; ".join(filter(None, [error.hint, doubt, places]))
        error.result = result
        raise error from defect

    def _known_of(
        self, sending: SentRequest, is_alone: bool
    ) -> Tuple[Sequence[SavedImage], Sequence[str], Billed]:
        """What is saved of a sending, where the rest was kept, and what it may have cost. Where only what
        would read the answer is not there, since the script lies alone, it stays in flight."""
        if sending.result is not None:
            return sending.result.images, (), sending.result.billed
        if sending.collector is not None:
            with suppress(Exception):
                sending.collector.break_off()
        images, previews = adopt(sending.notes, self._plan)
        addresses = [url for note in sending.notes for url in note.get("addresses") or ()]
        has_task = any("task" in note for note in sending.notes)
        stays = is_alone and sending.may_have_left and bool(sending.in_flight.id)
        sending.is_unfinished = stays or len(images) < (self._asked if has_task else len(addresses))
        answer: Optional[str] = None
        with suppress(Exception):
            answer = None if stays else sending.spool.keep("answer.txt") if sending.spool.size_bytes else None
        billed = Billed.MAYBE if sending.may_have_left else Billed.NO
        kept = (*previews, *([answer] if answer else []))
        return images, kept, Billed.YES if images or addresses else billed


def _error_of(defect: Exception, said: str, saved: int, asked: int, billed: Billed) -> GptImage2Error:
    """The error that a call with missing images ends with."""
    if isinstance(defect, InterruptedCall):
        message = f"interrupted; {saved} of {asked} images saved" if saved else said
        return InterruptedCall(message, signum=defect.signum, billed=billed)
    if saved:
        return PartialError(f"{saved} of {asked} images saved: {said}", code="internal_error", billed=billed)
    if isinstance(defect, GptImage2Error):
        defect.billed = billed
        return defect
    return GptImage2Error(said, billed=billed)
