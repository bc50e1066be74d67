"""The requests of the Batch and Files APIs, and what the server answers to them.

All of them are free and are repeated until they are answered, but for one: `create` leads to a bill, so it
goes again only where the server cannot have taken it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, cast
from urllib.parse import quote as percent_encode

from ..base.about import USER_AGENT
from ..base.errors import ApiError, GptImage2Error, InterruptedCall
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed
from ..base.record import Record, replace
from ..base.redact import show
from ..base.untrusted import moment_s
from ..calls.explain import explain
from ..calls.free import send_free
from ..calls.response import Answer
from ..calls.retry import Again, Attempt, backoff_s, is_quota, judge, server_wait_s
from ..calls.server_error import read_server_error
from ..ledger.entries import utc_text
from ..outputs.files import temporary_folder, write_private
from ..settings.base_url import is_sandbox
from ..settings.config import Settings
from ..telling.amounts import size_in_words
from ..telling.output import Output
from ..wire.curl import Curl
from ..wire.messages import FormPart, HttpRequest, ResponseHead

COMPLETED = "completed"
#: A batch in one of these has ended; nothing more comes of it.
ENDED = frozenset({COMPLETED, "failed", "expired", "cancelled"})

_COMPLETION_WINDOW = "24h"
_MARK_FIELD = "gpt_image2_submission"
_MAX_PROBLEMS = 3
_STATUS_CHARS = 200
_ASK_TIMEOUT_S = 60.0
_MOVE_TIMEOUT_S = 24 * 3600.0  # for files of any size; a stall ends it sooner
_STALL_S = 300.0
_TRIES = 4
_PAGE_SIZE = 100
_LATER_HINT = "run it again in a while; this request costs nothing"
_PASSING = (408, 429)
_TOO_LARGE = 413
_ERROR_BYTES = 1 << 16
_Why = Callable[[Attempt], GptImage2Error]


class ServerBatch(Record):
    """A batch as the server shows it; `id` is None while it has not said anything of it. The counts are of
    requests. `mark` is in its metadata and tells which submission made it; `problem` is why it failed as a
    whole."""

    id: Optional[str]
    status: str
    created_at: str = ""
    endpoint: str = ""
    model: str = ""
    input_file_id: Optional[str] = None
    output_file_id: Optional[str] = None
    error_file_id: Optional[str] = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    mark: str = ""
    problem: str = ""

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED


class BatchApi:
    """One host's Batch API. Its methods raise a `GptImage2Error` where the server does not do as asked."""

    def __init__(self, settings: Settings, env: Mapping[str, str], output: Output, stop: StopSwitch) -> None:
        self._settings = settings
        self._curl = Curl(env, settings.secrets, stop)
        self._output = output
        self._stop = stop
        #: Whether the host has said that it is the sandbox.
        self.is_sandbox = False

    def upload(self, path: Path, filename: str, purpose: str, mime_type: str) -> str:
        """Uploads a file under a name that no other has; its id. Where the answer is lost the file is looked
        for in the server's list, and sent again only if it is not there."""
        form = (
            FormPart("purpose", text=purpose),
            FormPart("file", path=str(path), filename=filename, mime_type=mime_type),
        )
        request = self._request("/files", form=form, timeout_s=_MOVE_TIMEOUT_S)

        def look() -> object:
            return self._file_named(filename, purpose)

        try:
            _, answer = self._ask(request, look=look)
        except ApiError as error:
            if error.http_status == _TOO_LARGE:
                cure = "submit smaller files: --max-mb" if purpose == "batch" else "give a smaller image"
                error.hint = f"the file has {size_in_words(path.stat().st_size)}; {cure}"
            raise
        file_id = _text(fields_of(answer), "id") or _text(fields_of(look()), "id")
        if file_id is None:
            raise ApiError("the upload was answered without the id of a file", code="no_file_id")
        return file_id

    def create(self, input_file_id: str, endpoint: str, mark: str) -> ServerBatch:
        """Makes a batch of an uploaded file; an error is billed `maybe` where there may be one anyhow."""
        body = {
            "input_file_id": input_file_id,
            "endpoint": endpoint,
            "completion_window": _COMPLETION_WINDOW,
            "metadata": {_MARK_FIELD: mark},
        }
        attempt, answer = self._post("/batches", body, self._why_not_created)
        batch = _server_batch(answer)
        if batch is None:
            raise self._why_not_created(attempt)
        return batch

    def batch(self, batch_id: str) -> ServerBatch:
        return _batch_in(self._ask(self._request(f"/batches/{_part_of_url(batch_id)}"))[1])

    def cancel(self, batch_id: str) -> ServerBatch:
        return _batch_in(self._post(f"/batches/{_part_of_url(batch_id)}/cancel", {})[1])

    def batches(self) -> Iterator[ServerBatch]:
        """All batches of the server, newest first; only without an error at the end it was all of them."""
        last = ""
        while True:
            after = f"&after={_part_of_url(last)}" if last else ""
            _, answer = self._ask(self._request(f"/batches?limit={_PAGE_SIZE}{after}"))
            page = fields_of(answer).get("data")
            if not isinstance(page, list):
                raise ApiError("the server's answer is no list of batches", code="no_list")
            found = [batch for batch in map(_server_batch, cast(List[object], page)) if batch is not None]
            yield from found
            if fields_of(answer).get("has_more") is not True:
                return
            if not found or found[-1].id == last:
                raise ApiError("the server does not show its list of batches to the end", code="no_list")
            last = found[-1].id or ""

    def find(self, mark: str, input_file_id: Optional[str]) -> Optional[ServerBatch]:
        """The batch that a submission has made; None where the whole list of the server is without it."""
        for batch in self.batches():
            if batch.mark == mark or (input_file_id and batch.input_file_id == input_file_id):
                return batch
        return None

    def _file_named(self, filename: str, purpose: str) -> Optional[Mapping[str, Any]]:
        """The newest file of the server of that name; None where its list is without it, or cannot be had."""
        path = f"/files?purpose={purpose}&order=desc&limit={_PAGE_SIZE}"
        _, answer = send_free(self._curl, self._request(path))
        files: Any = fields_of(answer).get("data")
        found = map(fields_of, cast(List[object], files) if isinstance(files, list) else [])
        return next((file for file in found if file.get("filename") == filename), None)

    def download(self, file_id: str, take: Callable[[bytes], None]) -> None:
        """Gives the content of a file to `take`, piece by piece; what came before an error, too."""
        request = self._request(f"/files/{_part_of_url(file_id)}/content", timeout_s=_MOVE_TIMEOUT_S)
        heads: List[ResponseHead] = []
        refusal = bytearray()

        def take_or_keep(chunk: bytes) -> None:
            if heads and heads[0].status == 200:
                take(chunk)
            elif len(refusal) < _ERROR_BYTES:
                refusal.extend(chunk)

        received = self._curl.receive(request, take_or_keep, heads.append)
        if not heads or heads[0].status != 200 or received.end.exit_code != 0:
            attempt = Attempt(
                received.head,
                received.end,
                _answer_of(bytes(refusal)),
                body_bytes=received.body_bytes,
                elapsed_s=received.elapsed_s,
            )
            raise self._why_failed(attempt)

    def _request(
        self, path: str, timeout_s: float = _ASK_TIMEOUT_S, form: Tuple[FormPart, ...] = ()
    ) -> HttpRequest:
        self._settings.require_key()
        accept = "application/json" if timeout_s == _ASK_TIMEOUT_S or form else "*/*"
        headers = self._settings.with_auth(("User-Agent", USER_AGENT), ("Accept", accept))
        return HttpRequest(self._settings.address(path), headers, timeout_s, form=form, stall_s=_STALL_S)

    def _post(
        self, path: str, body: Mapping[str, object], why: Optional[_Why] = None
    ) -> Tuple[Attempt, object]:
        request = self._request(path)
        headers = (*request.headers, ("Content-Type", "application/json"))
        with temporary_folder() as folder:
            file = folder / "body"
            write_private(file, json.dumps(body).encode("ascii"))
            return self._ask(replace(request, headers=headers, body_path=str(file)), why)

    def _ask(
        self, request: HttpRequest, why: Optional[_Why] = None, look: Callable[[], object] = lambda: None
    ) -> Tuple[Attempt, object]:
        """Sends a request until it is answered, or its error, made by `why`, is not `retry_safe`. Before it
        goes again `look` may find what it has done."""
        number = 0
        while True:
            attempt, answer = send_free(self._curl, request)
            if attempt.head is not None and is_sandbox(self._settings.base_url, attempt.head.headers):
                self.is_sandbox = True
            if attempt.status == 200 and answer is not None:
                return attempt, answer
            error = (why or self._why_failed)(attempt)
            number += 1
            is_last = number == _TRIES
            if not error.retry_safe or not (is_last or self._wait(number, attempt, error)):
                raise error
            found = look()
            if found is not None:
                return attempt, found
            if is_last:
                raise error

    def _wait(self, number: int, attempt: Attempt, error: GptImage2Error) -> bool:
        asked_s = server_wait_s(attempt)
        wait_s = backoff_s(number - 1) if asked_s is None else asked_s
        self._output.say(f"{error.message}; trying again in {wait_s:.0f} s")
        return not self._stop.wait(wait_s)

    def _why_failed(self, attempt: Attempt) -> GptImage2Error:
        if self._stop.is_set:
            return InterruptedCall("interrupted", signum=self._stop.signum or 2)
        error = self._explained(attempt, Billed.NO)
        error.retry_safe = _is_passing(attempt)
        if error.retry_safe and attempt.end.sent:
            error.hint = _LATER_HINT
        return error

    def _why_not_created(self, attempt: Attempt) -> GptImage2Error:
        """The error of the request that makes a batch."""
        is_refused = 300 <= attempt.status < 500 and attempt.status != 408
        may_be_made = attempt.end.sent and not is_refused
        error = self._explained(attempt, Billed.MAYBE if may_be_made else Billed.NO)
        error.retry_safe = not may_be_made and judge(attempt).again is Again.SAFE
        return error

    def _explained(self, attempt: Attempt, billed: Billed) -> GptImage2Error:
        rule = replace(judge(attempt), billed=billed, again=Again.NEVER)
        settings = self._settings
        return explain(attempt, rule, None, settings.base_url, settings.secrets)


def _is_passing(attempt: Attempt) -> bool:
    if attempt.status == 0 or attempt.was_cut:
        return attempt.end.sent or judge(attempt).again is Again.SAFE
    is_wait = attempt.status in _PASSING and not is_quota(attempt.code)
    return is_wait or attempt.status >= 500


def _answer_of(body: bytes) -> Answer:
    text = body.decode("utf-8", "replace")
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    return Answer(shape="other", complete=False, error=read_server_error(document), text=text)


def _batch_in(answer: object) -> ServerBatch:
    batch = _server_batch(answer)
    if batch is None:
        raise ApiError("the server's answer tells of no batch", code="no_batch")
    return batch


def _server_batch(document: object) -> Optional[ServerBatch]:
    fields = fields_of(document)
    batch_id, status = _text(fields, "id"), fields.get("status")
    if batch_id is None or not isinstance(status, str):
        return None
    counts = fields_of(fields.get("request_counts"))
    created_s = moment_s(fields.get("created_at"))
    known: Dict[str, Any] = {name: _count_of(counts, name) for name in ("total", "completed", "failed")}
    known.update((name, _text(fields, name)) for name in ("input_file_id", "output_file_id", "error_file_id"))
    return ServerBatch(
        id=batch_id,
        status=show(status, limit=_STATUS_CHARS),
        created_at="" if created_s is None else utc_text(created_s),
        endpoint=_text(fields, "endpoint") or "",
        model=_text(fields, "model") or "",
        **known,
        mark=_text(fields_of(fields.get("metadata")), _MARK_FIELD) or "",
        problem=_problem(fields.get("errors")),
    )


def _problem(errors: object) -> str:
    data: Any = fields_of(errors).get("data")
    found: List[object] = cast(List[object], data) if isinstance(data, list) else []
    words: List[str] = []
    for error in map(fields_of, found[:_MAX_PROBLEMS]):
        where = f"line {error['line']}: " if error.get("line") else ""
        words.append(where + show(str(error.get("message") or error.get("code") or error)))
    if len(found) > _MAX_PROBLEMS:
        words.append(f"and {len(found) - _MAX_PROBLEMS} more")
    return "; ".join(words)


def fields_of(value: object) -> Mapping[str, Any]:
    return cast(Dict[str, Any], value) if isinstance(value, dict) else {}


def _text(fields: Mapping[str, Any], name: str) -> Optional[str]:
    value: Any = fields.get(name)
    return value if isinstance(value, str) and value else None


def _count_of(fields: Mapping[str, Any], name: str) -> int:
    value: Any = fields.get(name)
    return value if isinstance(value, int) else 0


def _part_of_url(text: str) -> str:
    return percent_encode(text, safe="")
