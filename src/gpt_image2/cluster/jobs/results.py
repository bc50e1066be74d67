"""How a job has ended: as a row for people and tables, and as the object that ends its claim. Pure."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpt_image2.core.base.outcome import Billed, SavedImage
from gpt_image2.core.batch.journal import image_fields, image_of_fields
from gpt_image2.core.telling.as_json import image_json

from ..store.found import StoreError, number_of, text_of

DONE, PARTIAL, FAILED, DOUBT = "done", "partial", "failed", "ambiguous"
#: Its images are on a machine and not in the store; another worker has it; it was not begun.
SAVED, ELSEWHERE, NOT_STARTED = "saved", "elsewhere", "not_started"
#: The host has made a task of it, which has not ended.
ACCEPTED = "accepted"
#: Fields of a request that a manifest shows.
_SHOWN = ("prompt", "model", "size", "quality")


@dataclass(frozen=True)
class Row:
    """What has come of a job. `job` is the name of its claim, `id` the user's own; an image's path is its
    address. `cost_usd` is None where it is unknown or nothing was paid."""

    job: str
    status: str
    id: str | None = None
    images: tuple[SavedImage, ...] = ()
    billed: Billed = Billed.NO
    cost_usd: float | None = None
    error_code: str = ""
    error_message: str = ""
    error_hint: str = ""
    attempts: int = 0
    elapsed_s: float = 0.0
    warnings: tuple[str, ...] = ()
    #: Whether it was done before this run.
    resumed: bool = False
    #: Whether this run sent a request for it: what it cost is this run's then, else an earlier one's.
    was_sent: bool = False
    #: Whether nothing more is to be started: the sum is spent, or no other job can fare better.
    stops: str = ""

    def json(self) -> dict[str, Any]:
        """The fields of a row as core's `batch run` prints them."""
        error = None
        if self.error_code:
            error = {
                "code": self.error_code,
                "message": self.error_message,
                "hint": self.error_hint,
                "http_status": None,
                "request_id": None,
            }
        return {
            "images": [image_json(each) for each in self.images],
            "billed": self.billed.value,
            "cost_usd": None if self.cost_usd is None else round(self.cost_usd, 6),
            "warnings": list(self.warnings),
            "error": error,
            "attempts": self.attempts,
            "elapsed_s": round(self.elapsed_s, 3),
            **({"resumed": True} if self.resumed else {}),
        }


def result_bytes(row: Row, request: Mapping[str, object], folder: str, worker: str) -> bytes:
    """The object that ends a job: its row, the fields of its request, and its images with paths below
    `folder`."""
    images = [{**image_fields(each), "path": each.path[len(folder) + 1 :]} for each in row.images]
    known: dict[str, Any] = {
        "job": row.job,
        "id": row.id,
        "status": row.status,
        "request": dict(request),
        "images": images,
        "billed": row.billed.value,
        "cost_usd": None if row.cost_usd is None else round(row.cost_usd, 6),
        "attempts": row.attempts,
        "elapsed_s": round(row.elapsed_s, 3),
        "error": {"code": row.error_code, "message": row.error_message} if row.error_code else None,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "worker": worker,
    }
    return (json.dumps(known, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def read_result(data: bytes, folder: str, name: str = "a result") -> tuple[Row, dict[str, Any]]:
    """The row of such an object, and the fields of its request; a `StoreError` where it is none, which names
    the object."""
    try:
        known: dict[str, Any] = json.loads(data)
        images = [_image_of(each, folder) for each in known["images"]]
        failure: dict[str, object] = known.get("error") or {}
        status = known["status"]
        if not images or status not in (DONE, PARTIAL):
            raise ValueError("no job ends so")
        row = Row(
            job=text_of(known["job"]),
            status=status,
            id=None if known.get("id") is None else text_of(known["id"]),
            images=tuple(images),
            billed=Billed(known["billed"]),
            cost_usd=None if known.get("cost_usd") is None else number_of(known["cost_usd"]),
            error_code=text_of(failure.get("code", "")),
            error_message=text_of(failure.get("message", "")),
            attempts=int(number_of(known.get("attempts", 0))),
            elapsed_s=number_of(known.get("elapsed_s", 0.0)),
            resumed=True,
        )
        request: dict[str, Any] = dict(known["request"])
        return row, {name: value for name, value in request.items() if name not in _SHOWN or text_of(value)}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"{name} is not readable: {error}",
            hint="it is of another program, or of a newer release; if neither, remove it: the same command "
            "then writes it again, without a call",
            billed=Billed.MAYBE,
        ) from None


def _image_of(fields: Mapping[str, Any], folder: str) -> SavedImage:
    image = image_of_fields({**fields, "path": f"{folder}/{text_of(fields['path'])}"})
    number_of(image.size_bytes, 2**62)
    for number in (image.number, image.width or 0, image.height or 0):
        number_of(number)
    for text in (image.sha256, image.format):
        text_of(text)
    return image
