"""What the ledger keeps of a request, as frozen data: what is known before it is sent, and how it ended."""

from __future__ import annotations

import time
from enum import Enum
from typing import Any, Dict, Mapping, Optional, Tuple

from ..api.cost import CostEstimate
from ..api.images import sha256_of
from ..api.request import ImageRequest, InputImage, is_address
from ..base.errors import GptImage2Error, InterruptedCall, UsageError
from ..base.outcome import Billed, Result
from ..base.record import Record
from ..outputs.naming import OutputPlan

#: The host of a request that the sandbox has answered. With its blank it is no name of a host, and the
#: sandbox's port is another each time.
SANDBOX_HOST = "the sandbox"
#: The output of a request whose image went to standard output.
STDOUT = "-"


class Status(str, Enum):
    """How a request ended. `sent` is a request that still runs, or whose process was killed; `pending` one
    that the host has accepted as a task, whose images are still to come."""

    SENT = "sent"
    PENDING = "pending"
    SAVED = "saved"
    PARTIAL = "partial"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class InputFile(Record):
    """An input image or mask as it was sent. `path` is empty where there is no lasting file of it."""

    source: str
    path: str
    filename: str
    sha256: str
    size_bytes: int

    def json(self) -> Dict[str, object]:
        """As JSON, in the ledger and for those who read it."""
        return {
            "source": self.source,
            "path": self.path,
            "filename": self.filename,
            "sha256": self.sha256,
            "bytes": self.size_bytes,
        }


class Opening(Record):
    """What is known of a request before it is sent. `profile` is empty without one.

    `discount` is the factor on the list price (1.0; 0.5 for the Batch API). `started_at` is UTC, as
    `utc_text` writes it; None stands for now. `sandbox` is set where the host is known to
    be the sandbox. `wishes` is as in `PreparedCall`.
    """

    base_url: str
    command: str
    request: ImageRequest
    output: str
    inputs: Tuple[InputFile, ...] = ()
    mask: Optional[InputFile] = None
    markup: Optional[InputFile] = None
    estimate: Optional[CostEstimate] = None
    discount: float = 1.0
    batch_id: Optional[str] = None
    started_at: Optional[str] = None
    sandbox: bool = False
    profile: str = ""
    wishes: Optional[Mapping[str, object]] = None


class Ending(Record):
    """How a request ended. `result.cost_usd` is what it cost, with any discount taken off."""

    status: Status
    result: Result
    error_code: Optional[str] = None
    error_message: Optional[str] = None


def opening_of(
    base_url: str, profile: str, request: ImageRequest, plan: OutputPlan, estimate: Optional[CostEstimate]
) -> Opening:
    """The opening of a checked request; its input files are read to hash them."""
    return Opening(
        base_url=base_url,
        command=request.command,
        request=request,
        output=str(plan.folder / f"{plan.stem}{plan.suffix}"),
        inputs=tuple(input_file(image) for image in request.images),
        mask=None if request.mask is None else input_file(request.mask),
        markup=None if request.markup is None else input_file(request.markup),
        estimate=estimate,
        profile=profile,
    )


def input_file(image: InputImage) -> InputFile:
    """An input as the ledger keeps it; one that was fetched, read from standard input or made for the call
    has no path."""
    source = image.source or image.path
    lasting = source != "-" and not is_address(source) and image.made_from is None
    return InputFile(
        source, image.path if lasting else "", image.filename, sha256_of(image.path), image.size_bytes
    )


def input_file_of(fields: Mapping[str, Any]) -> InputFile:
    """The input that `InputFile.json` made an object of."""
    return InputFile(
        fields["source"], fields["path"], fields["filename"], fields["sha256"], int(fields["bytes"])
    )


def check_unchanged(request: ImageRequest, expected: Tuple[Tuple[str, str], ...]) -> None:
    """Raises a `UsageError` where an input's SHA-256 is another than expected."""
    known = dict(expected)
    for field, image in (*(("image", image) for image in request.images), *request.beside):
        if image.source in known and sha256_of(image.path) != known[image.source]:
            what = "input image" if field == "image" else field
            raise UsageError(
                f"the {what} {image.source} has changed since the request was sent",
                hint=f"put the old one back, or give another with --{field}",
            )


def ending_of(result: Result, error: Optional[BaseException], asked: int) -> Ending:
    """How a request ended, by its result and its error; `asked` is the number of images asked for."""
    if result.tasks:
        status = Status.PENDING
    elif error is not None and (isinstance(error, InterruptedCall) or not isinstance(error, Exception)):
        status = Status.INTERRUPTED
    elif len(result.images) >= asked:
        status = Status.SAVED
    else:
        status = Status.PARTIAL if result.images else Status.FAILED
    if isinstance(error, GptImage2Error):
        return Ending(status, result, error.code, error.message)
    return Ending(status, result, *(("interrupted", type(error).__name__) if error else ()))


def ending_without_result(error: BaseException, opening: Opening, elapsed_s: float) -> Ending:
    """The ending of a request without a result: stopped before it was sent, or cut by an internal error."""
    if isinstance(error, GptImage2Error):
        billed, code, message = error.billed, error.code, error.message
    else:
        billed, code, message = Billed.MAYBE, "internal_error", f"{type(error).__name__}: {error}"
    is_stopped = isinstance(error, InterruptedCall) or not isinstance(error, Exception)
    status = Status.INTERRUPTED if is_stopped else Status.FAILED
    result = Result(opening.command, opening.request.model, billed=billed, elapsed_s=elapsed_s)
    return Ending(status, result, code, message)


def utc_text(seconds: float) -> str:
    """A moment, in seconds since 1970, as the ledger writes it: `2026-11-25T03:22:20.123Z`."""
    milliseconds = int(seconds * 1000)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{moment}.{milliseconds % 1000:03d}Z"


def other_fields(request: ImageRequest) -> Mapping[str, object]:
    """The fields of a request but for model, prompt and images, by the API's names."""
    wire = request.wire_fields("output_format")
    return {name: value for name, value in wire.items() if name not in ("model", "prompt")}
