"""Reads the output and error files of a batch while they arrive, and tells what their lines mean.

The images of a line are on disk by its end. The name of its job may stand behind them, so they are parts
without a name until then.
"""

from __future__ import annotations

import json
import re
from itertools import count
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, cast

from ..api.request import ImageRequest
from ..api.usage import read_svg_usage, read_usage
from ..base.errors import ApiError, GptImage2Error, PartialError
from ..base.outcome import Billed, SvgUsage, Usage
from ..base.record import Record
from ..base.redact import show
from ..calls.explain import explain
from ..calls.response import Answer
from ..calls.retry import Attempt, is_refusal, judge
from ..calls.server_error import ServerError, read_server_error
from ..outputs.collect import ImageCollector
from ..outputs.findings import ImageFinder
from ..outputs.naming import OutputPlan
from ..outputs.store import ImageWriter
from ..settings.config import Settings
from ..wire.json_stream import JsonSplitter, json_escaped
from ..wire.messages import ResponseHead, TransferEnd
from .api import COMPLETED, ServerBatch, fields_of

_LINE_BYTES = 1 << 20  # of a line, its images left out
_CUSTOM_ID = rb'"custom_id"\s*:\s*"([^"\\]{1,200})"'
#: Codes of lines that were never run.
_UNRUN = ("batch_expired", "batch_cancelled")


class ResultLine(Record):
    """A line that has come whole. `status` is the HTTP status of the request, 0 where it was never run;
    `writers` are its images; `kept_aside` is where bytes are that turned out to be no image; `lost` says why
    images could not be written anywhere."""

    custom_id: str
    status: int = 0
    request_id: Optional[str] = None
    usage: Optional[Usage] = None
    svg_usage: Optional[SvgUsage] = None
    error: Optional[ServerError] = None
    writers: Tuple[ImageWriter, ...] = ()
    addresses: Tuple[str, ...] = ()
    kept_aside: Tuple[str, ...] = ()
    lost: Tuple[str, ...] = ()


class ResultReader:
    """`feed` the pieces of a file, then `close`. `on_line` is given each line, and its images."""

    def __init__(self, plan: OutputPlan, on_line: Callable[[ResultLine], None]) -> None:
        self._plan = plan
        self._on_line = on_line
        self._begin()

    def feed(self, chunk: bytes) -> None:
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            self._json.feed(piece)
            self._end()
        self._json.feed(rest)

    def close(self) -> None:
        """The file has ended, or was cut: what has no name by then goes, since the server still has it."""
        try:
            if self._document.strip() and self._parsed() is not None:
                self._end()
        finally:
            self._collector.close()
            for writer in self._writers:
                writer.discard()

    def _begin(self) -> None:
        self._document = bytearray()
        self._writers: List[ImageWriter] = []
        self._collector = ImageCollector(self._plan, count(1))
        self._finder = ImageFinder(self._collector, self._keep_text, self._image_ended)
        self._json = JsonSplitter(self._finder.wants, self._keep)

    def _image_ended(self, writer: ImageWriter, _place: Tuple[str, ...], is_preview: bool) -> None:
        self._collector.let_go(writer)
        if is_preview:
            writer.discard()
        else:
            self._writers.append(writer)

    def _keep_text(self, text: bytes, is_far: bool) -> None:
        if not is_far:
            self._keep(json_escaped(text))

    def _keep(self, data: bytes) -> None:
        if len(self._document) <= _LINE_BYTES:
            self._document += data

    def _parsed(self) -> Optional[Mapping[str, Any]]:
        try:
            value: Any = json.loads(bytes(self._document).decode("utf-8", "replace"), strict=False)
        except (ValueError, RecursionError):
            return None
        return cast(Dict[str, Any], value) if isinstance(value, dict) else None

    def _end(self) -> None:
        if self._document.strip():
            self._on_line(self._line(self._parsed() or self._torn()))
        self._collector.close()
        self._begin()

    def _torn(self) -> Mapping[str, Any]:
        match = re.search(_CUSTOM_ID, self._document)
        name = match.group(1).decode("utf-8", "replace") if match else ""
        error = {"code": "unreadable_result", "message": "its line in the results is no JSON"}
        return {"custom_id": name, "error": error}

    def _line(self, document: Mapping[str, Any]) -> ResultLine:
        response = fields_of(document.get("response"))
        body = response.get("body")
        status: Any = response.get("status_code")
        request_id: Any = response.get("request_id")
        self._finder.close()
        error = read_server_error(body)
        if error is None and document.get("error"):
            error = read_server_error({"error": document["error"]})
        return ResultLine(
            custom_id=str(document.get("custom_id") or ""),
            status=status if isinstance(status, int) else 0,
            request_id=request_id if isinstance(request_id, str) else None,
            usage=read_usage(body),
            svg_usage=read_svg_usage(body),
            error=error,
            writers=tuple(self._writers),
            addresses=self._finder.addresses(has_images=bool(self._writers)),
            kept_aside=self._collector.kept_aside,
            lost=self._collector.lost,
        )


def error_of_line(line: ResultLine, request: ImageRequest, settings: Settings) -> Optional[GptImage2Error]:
    """Why a job failed, and whether it was billed, by its line; None where the server made its images."""
    if line.error is None and line.status in (0, 200) and (line.writers or line.addresses):
        return None
    if line.status == 0:
        return _never_run(line.error or ServerError("its line in the results holds nothing"), settings)
    attempt = Attempt(
        ResponseHead(line.status, {}),
        TransferEnd(0, "", sent=True),
        Answer("json", complete=True, error=line.error, text=line.error.message if line.error else ""),
        images=len(line.writers),
        kept_aside=line.kept_aside,
    )
    error = explain(attempt, judge(attempt), request, settings.base_url, settings.secrets)
    error.request_id = show(line.request_id, settings.secrets) if line.request_id else None
    return error


def error_without_line(batch: ServerBatch) -> GptImage2Error:
    if batch.status == "failed":
        return ApiError(
            f"the server refused the whole batch: {batch.problem or 'it does not say why'}",
            hint="correct the jobs and submit them again; nothing was billed",
            code="batch_failed",
        )
    was_run = batch.status == COMPLETED or batch.output_file_id is not None
    return ApiError(
        f"the batch is {batch.status}, and its results do not tell of this job",
        hint="ask the provider; it may have been billed",
        code="no_result",
        billed=Billed.MAYBE if was_run else Billed.NO,
    )


def fewer_images(saved: int, asked: int) -> GptImage2Error:
    return PartialError(
        f"the server sent {saved} images instead of {asked}",
        hint="submit the job again for the rest",
        code="fewer_images",
        billed=Billed.YES if saved else Billed.MAYBE,
    )


def _never_run(error: ServerError, settings: Settings) -> GptImage2Error:
    code = show(error.code or error.type or "not_run", settings.secrets, 100)
    message = show(error.message, settings.secrets)
    if code in _UNRUN or is_refusal(code):
        return ApiError(message, code=code, hint="submit it again")
    hint = "it may have been billed; check your usage"
    return ApiError(message, code=code, hint=hint, billed=Billed.MAYBE)
