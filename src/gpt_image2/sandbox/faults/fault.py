"""What a fault is: steps between a valid request and the bytes of its answer, some of them changed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from ..api.answers import Long, Presenter, Writer, as_base64, json_answer, stream_answer, write_json
from ..api.errors import Refused
from ..connection import Answer
from ..drawing.encoding import EncodedImage
from ..image_request import ImageRequest

_T = TypeVar("_T")


#: Where a task is. `refunded` is failed, and the answer says that nothing was charged.
State = Literal["queued", "running", "completed", "failed", "refunded", "cancelled"]


@dataclass(frozen=True)
class Case:
    """What a fault may know of a request. `first`: its prompt never met this fault."""

    request: ImageRequest
    raw_fields: Mapping[str, Any]
    key: str
    request_id: str
    first: bool
    path: str
    host_url: str


@dataclass(frozen=True)
class Made:
    """What was made for a request, and how its images and its JSON are written."""

    request: ImageRequest
    images: Sequence[EncodedImage]
    previews: Sequence[EncodedImage]
    present: Presenter
    write: Writer

    @property
    def values(self) -> list[str | Long]:
        """Each image as text: base64, a data URI, or its address."""
        items = (self.present(image, "image") for image in self.images)
        return [item.get("url") or item["b64_json"] for item in items]


def as_the_api(made: Made) -> Answer:
    """The answer of the Images API."""
    if not made.request.stream:
        return json_answer(made.request, made.images, made.present, made.write)
    return stream_answer(made.request, made.images, made.previews, made.present, made.write)


@dataclass(frozen=True)
class Course:
    """What becomes of a task: how it ends (`running`: never), and what its nth poll (from 1) meets."""

    end: State = "completed"
    polled: Callable[[int], Answer | Refused | None] = lambda _: None


def _same(value: _T) -> _T:
    return value


@dataclass(frozen=True)
class Fault:
    """One row of the table; `does` is shown to people.

    Attributes:
        instead: an answer or a refusal in place of images, or None to go on.
        understood: the request as the server takes it.
        drawn: the request that is drawn, while the answer describes the one that was understood.
        present: how an image stands in the answer; None means by a URL on the sandbox.
        write: how JSON is written.
        shape: what kind of answer the images come in.
        sent: what becomes of the finished answer.
        course: what becomes of the task that the answer is; None leaves it to others whether it is one.
        download_status: status of the nth download (from 1) of an image's URL.
    """

    name: str
    does: str
    instead: Callable[[Case], Answer | Refused | None] = lambda _: None
    understood: Callable[[ImageRequest], ImageRequest] = _same
    drawn: Callable[[ImageRequest], ImageRequest] = _same
    present: Presenter | None = as_base64
    write: Writer = write_json
    shape: Callable[[Made], Answer] = as_the_api
    sent: Callable[[Answer], Answer] = _same
    course: Course | None = None
    download_status: Callable[[int], int] = lambda _: 200
