"""What a line of a batch's results means: whether it failed, why, and whether it was billed. Pure."""

from __future__ import annotations

from typing import Optional, Tuple

from ..api.request import ImageRequest
from ..base.errors import ApiError, GptImage2Error, PartialError
from ..base.outcome import Billed
from ..base.redact import show
from ..calls.explain import explain
from ..calls.response import Answer, ServerError
from ..calls.retry import Attempt, is_refusal, judge
from ..wire.curl import ResponseHead, TransferEnd
from .remote import RemoteBatch
from .results import ResultLine

#: Codes of lines that were never run.
_UNRUN = ("batch_expired", "batch_cancelled")
_OK = 200


def error_of_line(
    line: ResultLine, request: ImageRequest, base_url: str, secrets: Tuple[str, ...]
) -> Optional[GptImage2Error]:
    """Why a job failed by the words of its line; None where the server made its images."""
    if line.error is None and line.status in (0, _OK) and (line.writers or line.addresses):
        return None
    if line.status == 0:
        return _never_run(line.error or ServerError("its line in the results holds nothing"), secrets)
    answer = Answer("json", complete=True, error=line.error, text=line.error.message if line.error else "")
    attempt = Attempt(
        ResponseHead(line.status, {}),
        TransferEnd(0, "", sent=True),
        answer,
        images=len(line.writers),
        kept_aside=line.kept_aside,
    )
    rule = judge(attempt)
    error = explain(attempt, rule, request, base_url, secrets)
    error.request_id = show(line.request_id, secrets) if line.request_id else None
    return error


def error_of_whole(batch: RemoteBatch) -> GptImage2Error:
    """Why a job has no line in the results of a batch that has ended."""
    if batch.status == "failed":
        return ApiError(
            f"the server refused the whole batch: {batch.problem or 'it does not say why'}",
            hint="correct the jobs and submit them again; nothing was billed",
            code="batch_failed",
        )
    is_unrun = batch.status != "completed"
    return ApiError(
        f"the batch is {batch.status}, and its results do not tell of this job",
        hint="ask the provider; it may have been billed",
        code="no_result",
        billed=Billed.NO if is_unrun and not batch.output_file_id else Billed.MAYBE,
    )


def too_few(saved: int, asked: int) -> GptImage2Error:
    """The error of a job that the server did not make all images for."""
    return PartialError(
        f"the server sent {saved} images instead of {asked}",
        hint="submit the job again for the rest",
        code="fewer_images",
        billed=Billed.YES if saved else Billed.MAYBE,
    )


def _never_run(error: ServerError, secrets: Tuple[str, ...]) -> GptImage2Error:
    code = show(error.code or error.type or "not_run", secrets, 100)
    is_free = code in _UNRUN or is_refusal(code)
    made = ApiError(show(error.message, secrets), code=code, hint="submit it again")
    if not is_free:
        made.billed = Billed.MAYBE
        made.hint = "it may have been billed; check your usage"
    return made
