"""What happens during a call, as frozen data, for observers. Pure. Times are seconds since its start."""

from __future__ import annotations

from typing import Callable, Optional, Tuple, Union

from .outcome import Result, SavedImage
from .record import Record


class RequestStarted(Record):
    """A request goes out. `typical_s` is how long such a call usually takes."""

    attempt: int
    typical_s: float
    elapsed_s: float


class RateLimit(Record):
    """One limit a minute: how much is allowed and still left, and in how many seconds it is whole again."""

    kind: str
    limit: int
    remaining: int
    reset_s: float


class HeadersReceived(Record):
    """The answer has begun. `limits` are those that its headers tell of."""

    http_status: int
    elapsed_s: float
    limits: Tuple[RateLimit, ...] = ()


class RetryWaiting(Record):
    """The request will be sent once more after a wait."""

    wait_s: float
    reason: str
    elapsed_s: float


class PartialImage(Record):
    """A preview of image `number` has come; `path` is where it was saved, None when it was not asked for.

    `part` is a file that holds it while this is told, and maybe no longer.
    """

    partial_image_index: int
    path: Optional[str]
    elapsed_s: float
    number: int = 1
    part: str = ""


class TaskUnderWay(Record):
    """The host works on the request as a task of its own. `status` is how far it is in the host's words,
    `percent` how much of it is done, None where it does not say."""

    task_id: str
    status: str
    percent: Optional[float]
    elapsed_s: float


class ImageSaved(Record):
    """An image is on disk."""

    image: SavedImage
    elapsed_s: float


class ModelImageSaved(Record):
    """What the model sent is on disk; `ImageSaved` tells of the picture that is made of it."""

    image: SavedImage
    elapsed_s: float


class Warned(Record):
    """Something the user should know."""

    message: str
    elapsed_s: float


class Finished(Record):
    """The call has ended; a failed one raises an error after this."""

    result: Result
    elapsed_s: float


Event = Union[
    RequestStarted,
    HeadersReceived,
    RetryWaiting,
    PartialImage,
    TaskUnderWay,
    ImageSaved,
    ModelImageSaved,
    Warned,
    Finished,
]
Observer = Callable[[Event], None]
