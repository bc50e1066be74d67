"""Pictures as steps before and after a call: what is sent is made from the inputs, and what the model sent
becomes the picture that was asked for.

The steps themselves are an optional part of the package, above core. Nothing that one of them does changes
how a call ends that was paid for: where one fails, the model's own image takes the name that was asked for.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Callable, Dict, List, Optional, Protocol, Sequence, Tuple

from ..api.cost import CostEstimate
from ..api.request import ImageRequest, InputImage, is_address
from ..base.errors import GptImage2Error, InterruptedCall, UsageError
from ..base.events import Event, ImageSaved, ModelImageSaved, Observer, Warned
from ..base.optional_part import errors_as_ours, import_pictures, reason_of
from ..base.outcome import Derivation, Result, SavedImage
from ..base.record import Record, replace
from ..base.redact import show
from ..calls.client import Client
from ..calls.under_way import PreparedCall, folders_to_write
from ..ledger.afterwards import record_derived, record_renamed
from ..outputs.files import prepare_folder, temporary_folder, write_private
from ..outputs.naming import MAX_NAME_BYTES, OutputPlan, extension, has_matching_extension
from ..outputs.store import ImageWriter
from ..telling.output import Output
from .finish_later import commands_to_finish
from .further_calls import FurtherCalls, FurtherSteps
from .picture_flags import WISHES, PictureWishes, checked_wishes

#: What the steps can open and write.
FINISHED_FORMATS = ("png", "jpeg", "webp")
#: The fields of a request that the steps before it may change.
_CHANGED_FIELDS = ("prompt", "size", "background")


class FinishedPicture(Record):
    """What the steps made of one image: the bytes of a file, and how they were made. Without bytes the image
    is the picture, as it came, and the derivation says what is known of it."""

    data: bytes
    derivation: Derivation
    warnings: Tuple[str, ...] = ()


class PictureSteps(FurtherSteps, Protocol):
    """What stands above core and works with the pictures themselves."""

    def before(self, request: ImageRequest, folder: Path) -> ImageRequest:
        """The request as it is to be sent, its new files in `folder`. Raises `UsageError`."""
        ...

    def after(self, image: SavedImage, kind: str) -> FinishedPicture:
        """The finished picture, as a file of this format. May raise anything."""
        ...


class Finishing:
    """The steps around one call: `before` it is prepared, `set_aside` and `price` once it is, and then `run`.

    `say` is told what people should know. What is made for the call lies in a folder that goes with `stack`.

    Raises:
        UsageError: the wishes do not go together, or the optional part is not installed.
    """

    def __init__(
        self, wishes: PictureWishes, stack: ExitStack, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self._wishes = checked_wishes(wishes)
        self._stack = stack
        self._say = say
        self._steps: Optional[PictureSteps] = None
        if wishes.need_extra:
            with errors_as_ours():
                self._steps = import_pictures("steps").steps_for(self._wishes)
        self._further: Optional[FurtherCalls] = None
        if wishes.cutout or wishes.glass:
            assert self._steps is not None
            self._further = FurtherCalls(self._steps, say)
        self._asked: Optional[OutputPlan] = None
        self._numbers: Sequence[int] = ()
        self._changed: Dict[str, object] = {}
        self._started = time.monotonic()
        self._emit: Observer = lambda _: None
        self._warnings: List[str] = []

    def before(self, request: ImageRequest) -> ImageRequest:
        """The request as it is to be sent.

        Raises:
            UsageError: it cannot be made so.
        """
        folder = self._stack.enter_context(temporary_folder())
        if self._wishes.area:
            request = _with_area_mask(request, self._wishes.area, folder)
        if self._steps is None:
            return request
        if request.effective_format not in FINISHED_FORMATS:
            raise UsageError(
                f"{request.effective_format} is not worked on further",
                hint="leave `output_format` out, or the flags that change the picture afterwards",
            )
        with errors_as_ours():
            changed = self._steps.before(request, folder)
        values = ((name, getattr(request, name), getattr(changed, name)) for name in _CHANGED_FIELDS)
        self._changed = {name: was for name, was, now in values if was != now}
        return changed

    def set_aside(self, prepared: PreparedCall) -> PreparedCall:
        """The call with its images under names of their own, beside those that were asked for.

        Raises:
            UsageError: a name that was asked for is that of an input, or leaves no room for another.
        """
        if self._steps is None:
            return prepared
        asked, request = prepared.plan, prepared.request
        numbers = prepared.numbers or range(1, request.count + 1)
        paths = [asked.path(number) for number in numbers]
        inputs = (*request.images, *(image for _, image in request.beside))
        for path in paths:
            for image in inputs:
                if _is_same_file(path, image.made_from or image.path):
                    raise UsageError(
                        f"the output {show(str(path), limit=None)} is an input as well",
                        hint="give -o another name; nothing is ever changed in place",
                    )
        suffix = f".{extension(request.effective_format)}"
        aside = replace(
            asked, stem=f"{asked.stem}.model", suffix=suffix, no_clobber=True, moves_aside=False, met=None
        )
        if len(os.fsencode(aside.path(max(numbers)).name)) > MAX_NAME_BYTES:
            raise UsageError(
                "the output's name is too long for another beside it", hint="give -o a shorter name"
            )
        self._asked, self._numbers = asked, numbers
        output = prepared.output or str(asked.folder / f"{asked.stem}{asked.suffix}")
        source = _lasting(inputs[0]) if inputs else None
        mask = None if request.mask is None or self._wishes.area else _lasting(request.mask)
        then = {
            number: (path, commands_to_finish(self._wishes, source, mask, path))
            for number, path in ((number, str(asked.path(number))) for number in numbers)
        }
        wishes = {wish.name: getattr(self._wishes, wish.name) for wish in WISHES}
        wishes = {**{name: value for name, value in wishes.items() if value}, "asked": self._changed}
        return replace(prepared, plan=aside, output=output, then=then, wishes=wishes)

    def price(self, client: Client, prepared: PreparedCall, max_cost_usd: Optional[float] = None) -> None:
        """Looks at what may follow the call: a second one is made only where this allows it.

        Raises:
            UsageError: the picture could not be saved as it is wished for, or both calls may cost too much.
        """
        if self._further is not None:
            if self._asked is not None and _format_of(self._asked.path(1), "png") == "jpeg":
                raise UsageError("jpeg has no transparency", hint="give -o a name that ends in .png or .webp")
            self._further.price(client, prepared, max_cost_usd)

    def estimate(self, client: Client, prepared: PreparedCall) -> Optional[CostEstimate]:
        """What the priced call may cost, with the one that may follow it; None where that is not known."""
        if self._further is None or not self._further.is_allowed:
            return prepared.request.estimate(client.settings.prices)
        return self._further.both

    def show_price(self, output: Output) -> Dict[str, object]:
        """Prints what may follow the call, for a dry run; the same for its JSON."""
        if self._further is None:
            return {}
        for line in self._further.show():
            output.result(line)
        return self._further.as_json()

    def run(
        self,
        client: Client,
        prepared: PreparedCall,
        save_partials: bool = False,
        observer: Optional[Observer] = None,
    ) -> Result:
        """As `Client.run`, with the finished pictures for its images.

        Raises:
            GptImage2Error: as there; `result` holds what was finished of it.
        """
        if self._asked is None:
            return client.run(prepared, save_partials, observer)
        for folder in folders_to_write(replace(prepared, plan=self._asked)):
            prepare_folder(folder)
        self._emit = observer or client.observer
        try:
            result = client.run(prepared, save_partials, self._hear)
            if self._further is not None:
                result = self._further.run(client, self._asked, result, self._hear, self._warn)
        except GptImage2Error as error:
            if error.result is not None:
                stopped = error if isinstance(error, InterruptedCall) else None
                error.result = self._finished(error.result, client, stopped)
            raise
        return self._finished(result, client)

    def _hear(self, event: Event) -> None:
        if isinstance(event, ImageSaved):
            event = ModelImageSaved(event.image, event.elapsed_s)
        self._emit(event)

    def _finished(self, result: Result, client: Client, already: Optional[InterruptedCall] = None) -> Result:
        """The result with the finished pictures in place of what they were made from; after an interruption
        with what the model sent.

        Raises:
            InterruptedCall: there was none `already`, and there is now; `result` holds all that came.
        """
        images: List[SavedImage] = list(result.images)
        stopped = already
        for at, image in enumerate(images):
            try:
                images[at] = self._made_of(image) if stopped is None else self._as_it_came(image)
            except InterruptedCall as interruption:
                stopped = interruption
                images[at] = self._as_it_came(image)
            if client.ledger is not None:
                with suppress(Exception):  # the call has ended as it ended
                    if images[at].sha256 != image.sha256:
                        record_derived(client.ledger, images[at], self._warn)
                    record_renamed(client.ledger, image, images[at], self._warn)
            self._tell(ImageSaved(images[at], self._elapsed_s))
        result = replace(result, images=tuple(images), warnings=(*result.warnings, *self._warnings))
        if stopped is already:
            return result
        assert stopped is not None
        error = InterruptedCall(
            "interrupted while the pictures were finished",
            signum=stopped.signum,
            billed=result.billed,
            hint="what the model sent is saved; do not send the request again",
        )
        error.result = result
        raise error

    def _made_of(self, image: SavedImage) -> SavedImage:
        assert self._asked is not None and self._steps is not None
        if image.rescued:
            return image
        try:
            target = self._asked.path(image.number)
            finished = self._steps.after(image, _format_of(target, image.format))
            if not finished.data:
                return self._looked_at(image, finished)
            writer = ImageWriter(self._asked, target)
            try:
                writer.write(finished.data)
                if writer.rescue_reason:
                    raise OSError(writer.rescue_reason)
                saved = writer.commit(target, image.number, keep_existing=image.number not in self._numbers)
            except BaseException:
                with suppress(OSError):
                    writer.discard()
                raise
        except InterruptedCall:
            raise
        except Exception as problem:
            self._warn(f"the picture could not be finished: {reason_of(problem)}")
            return self._as_it_came(image)
        self._say_notes(finished)
        if writer.rescue_reason:
            place = show(saved.path, limit=None)
            self._warn(f"the output could not be written ({writer.rescue_reason}); it was saved as {place}")
        for warning in (*finished.warnings, *writer.warnings):
            self._warn(warning)
        if not has_matching_extension(saved.path, saved.format):
            place = show(saved.path, limit=None)
            self._warn(f"{place} holds {saved.format} data, whatever its name says")
        return replace(saved, derivation=finished.derivation)

    def _looked_at(self, image: SavedImage, finished: FinishedPicture) -> SavedImage:
        """An image in which nothing is to be changed, or can be, with what is known of it."""
        self._say_notes(finished)
        for warning in finished.warnings:
            self._warn(warning)
        named = self._as_it_came(image, is_wanted=not finished.warnings)
        return replace(named, derivation=finished.derivation)

    def _say_notes(self, finished: FinishedPicture) -> None:
        for note in finished.derivation.notes:
            self._say(show(note, limit=None))

    def _as_it_came(self, image: SavedImage, is_wanted: bool = False) -> SavedImage:
        """What the model sent, under the name that was asked for, where it can have that."""
        assert self._asked is not None
        if image.rescued:
            return image
        is_asked = image.number in self._numbers
        plan = self._asked if is_asked else replace(self._asked, no_clobber=True)
        try:
            writer = ImageWriter(plan, plan.path(image.number), Path(image.path))
            named = writer.take_name(image)
        except Exception as problem:
            self._warn(f"what the model sent stays {show(image.path, limit=None)}: {reason_of(problem)}")
            return image
        if not is_wanted:
            self._warn(f"what the model sent is saved as it came: {show(named.path, limit=None)}")
        for warning in writer.warnings:
            self._warn(warning)
        return named

    def _warn(self, message: str) -> None:
        self._warnings.append(message)
        self._tell(Warned(message, self._elapsed_s))

    def _tell(self, event: Event) -> None:
        with suppress(Exception):  # what is said must not change how the call ends
            self._emit(event)

    @property
    def _elapsed_s(self) -> float:
        return time.monotonic() - self._started


def _with_area_mask(request: ImageRequest, texts: Sequence[str], folder: Path) -> ImageRequest:
    """The request with a mask of these areas over its first image.

    Raises:
        UsageError: there is no image, or a mask already; or the areas make no mask for it.
    """
    from ..api.area_masks import area_mask

    if not request.images:
        raise UsageError("`areas` is for edits", hint="name the image to edit")
    if request.mask is not None or request.markup is not None:
        raise UsageError("`areas` makes the mask itself", hint="leave `mask` and `markup` out, or `areas`")
    mask, data = area_mask(texts, request.images[0], folder / "area.png")
    write_private(folder / "area.png", data)
    return replace(request, mask=mask)


def _format_of(path: Path, otherwise: str) -> str:
    """The format that a file is to have by its name."""
    return next((each for each in FINISHED_FORMATS if has_matching_extension(str(path), each)), otherwise)


def _lasting(image: InputImage) -> Optional[str]:
    """Where an input lies on the user's disk; None where that is nowhere."""
    if not image.made_from and (is_address(image.source) or image.source == "-"):
        return None
    return image.made_from or image.path


def _is_same_file(path: Path, other: str) -> bool:
    try:
        return os.path.samefile(str(path), other)
    except OSError:
        return False
