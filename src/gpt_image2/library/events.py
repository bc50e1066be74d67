"""What happens during a call, as a program of the library hears it: the events of core, their images with
bytes. Times are seconds since the call began."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Callable, Optional, Union

from ..core.base import events as core
from ..core.base.events import HeadersReceived, RateLimit, RequestStarted, RetryWaiting, TaskUnderWay, Warned
from ..core.base.record import Record, replace
from .outcome import Result, SavedImage, image_of, in_memory

__all__ = [
    "Event",
    "Finished",
    "HeadersReceived",
    "ImageSaved",
    "Observer",
    "PartialImage",
    "RateLimit",
    "RequestStarted",
    "RetryWaiting",
    "TaskUnderWay",
    "Warned",
]


class PartialImage(Record):
    """A preview has come: `image` has its bytes; its `path` is None unless previews are saved.

    `partial_image_index` counts those of one image from 0, `image.number` says of which.
    """

    partial_image_index: int
    image: SavedImage
    elapsed_s: float


class ImageSaved(Record):
    """An image is whole, and safe on disk."""

    image: SavedImage
    elapsed_s: float


class Finished(Record):
    """The call has ended. A `stream` ends with this; a call that fails raises instead."""

    result: Result
    elapsed_s: float


#: All that can happen.
Event = Union[
    RequestStarted, HeadersReceived, RetryWaiting, PartialImage, TaskUnderWay, ImageSaved, Warned, Finished
]
Observer = Callable[[Event], object]


def heard(event: core.Event, stays_in_memory: bool) -> Optional[Event]:
    """An event of core as the library tells it, at the moment when it is told; None where it tells nothing:
    of a preview that is none, and of the end, which comes when the images are handed over. An image that
    `stays_in_memory` comes with its bytes, since its file will go."""
    if isinstance(event, (core.Finished, core.ModelImageSaved)):  # the second is the command's own
        return None
    if isinstance(event, core.ImageSaved):
        image = image_of(event.image)
        if stays_in_memory:
            image = replace(image, data=image.bytes(), path=None)
        return ImageSaved(image, event.elapsed_s)
    if isinstance(event, core.PartialImage):
        preview = _preview(event)
        return preview and PartialImage(event.partial_image_index, preview, event.elapsed_s)
    return event


def _preview(event: core.PartialImage) -> Optional[SavedImage]:
    with suppress(OSError):
        return in_memory(
            Path(event.part).read_bytes(), event.number, None if event.path is None else Path(event.path)
        )
    return None
