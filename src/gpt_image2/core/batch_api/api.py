"""The requests of the Batch and Files APIs. All are free, so they go again by themselves; but one.

`create` is the one that leads to a bill: it is sent again only where the server cannot have taken it.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Callable, Iterator, Mapping, Optional, Tuple
from urllib.parse import quote as percent_encode

from ..api.request import ImageRequest
from ..base.about import USER_AGENT
from ..base.errors import ApiError, GptImage2Error, InterruptedCall
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed
from ..base.record import replace
from ..calls.exchange import auth_header
from ..calls.explain import explain
from ..calls.response import Answer, read_server_error
from ..calls.retry import Again, Attempt, backoff_s, is_quota, judge, server_wait_s
from ..commands.doctor import send_free
from ..outputs.files import temporary_folder, write_private
from ..settings.config import Settings
from ..telling.output import Output
from ..wire.curl import FormPart, HttpRequest, ResponseHead, Transfer, TransferEnd, too_old_error
from .remote import RemoteBatch, has_more, read_id, read_page, read_remote_batch

_ASK_TIMEOUT_S = 60.0
_MOVE_TIMEOUT_S = 24 * 3600.0  # for files of any size; a stall ends it sooner
_STALL_S = 300.0
_TRIES = 4
_PAGE_SIZE = 100
_MAX_PAGES = 20
_LATER_HINT = "run it again in a while; this request costs nothing"
_PASSING = (408, 429)
_ERROR_BYTES = 1 << 16


class BatchServer:
    """One host's Batch API. `waiting` is told before each wait: seconds, and why."""

    def __init__(
        self,
        settings: Settings,
        env: Mapping[str, str],
        stop: StopSwitch,
        waiting: Callable[[float, str], None],
    ) -> None:
        self._settings = settings
        self._env = env
        self._stop = stop
        self._waiting = waiting

    def upload(self, path: Path, filename: str, purpose: str, mime_type: str) -> str:
        """Uploads a file straight from disk; its id.

        Raises:
            GptImage2Error: it cannot be uploaded.
        """
        form = (
            FormPart("purpose", text=purpose),
            FormPart("file", path=str(path), filename=filename, mime_type=mime_type),
        )
        file_id = read_id(self._persist(self._request("/files", form=form, timeout_s=_MOVE_TIMEOUT_S)))
        if file_id is None:
            raise ApiError("the upload was answered without the id of a file", code="no_file_id")
        return file_id

    def create(self, body: bytes) -> Tuple[Optional[RemoteBatch], Optional[GptImage2Error]]:
        """Makes a batch. The batch, or why there is none; that error is billed `maybe` where nobody knows."""
        with temporary_folder() as folder:
            request = self._with_body("/batches", body, folder)
            for number in range(_TRIES):
                attempt, document = self._send(request)
                batch = read_remote_batch(document) if attempt.status == 200 else None
                if batch is not None:
                    return batch, None
                error = self._creation_error(attempt)
                is_over = number == _TRIES - 1 or not error.retry_safe
                if is_over or not self._wait(number, attempt, error):
                    return None, error
        raise AssertionError

    def batch(self, batch_id: str) -> RemoteBatch:
        """What the server says of a batch.

        Raises:
            GptImage2Error: it does not say.
        """
        return self._batch_of(self._persist(self._request(f"/batches/{_part_of_url(batch_id)}")))

    def cancel(self, batch_id: str) -> RemoteBatch:
        """Asks the server to cancel a batch.

        Raises:
            GptImage2Error: it does not.
        """
        with temporary_folder() as folder:
            request = self._with_body(f"/batches/{_part_of_url(batch_id)}/cancel", b"{}", folder)
            return self._batch_of(self._persist(request))

    def batches(self) -> Iterator[RemoteBatch]:
        """The batches of the server, newest first.

        Raises:
            GptImage2Error: it does not tell.
        """
        after = ""
        for _ in range(_MAX_PAGES):
            document = self._persist(self._request(f"/batches?limit={_PAGE_SIZE}{after}"))
            found = [batch for batch in map(read_remote_batch, read_page(document)) if batch is not None]
            yield from found
            if not found or not has_more(document):
                return
            after = f"&after={_part_of_url(found[-1].id)}"

    def download(self, file_id: str, take: Callable[[bytes], None]) -> None:
        """Gives the content of a file to `take`, piece by piece.

        Raises:
            GptImage2Error: it did not come whole; what came was given all the same.
        """
        request = self._request(f"/files/{_part_of_url(file_id)}/content", timeout_s=_MOVE_TIMEOUT_S)
        started = time.monotonic()
        size = 0
        refusal = b""
        with Transfer(request, self._env, self._settings.secrets, self._stop) as transfer:
            head = transfer.read_head()
            is_good = head is not None and head.status == 200
            for chunk in transfer.chunks():
                size += len(chunk)
                if is_good:
                    take(chunk)
                elif len(refusal) < _ERROR_BYTES:
                    refusal += chunk
            end = transfer.end()
        if not is_good or end.exit_code != 0:
            attempt = _attempt_of(head, end, refusal, size, time.monotonic() - started)
            raise self._error(attempt)

    def _batch_of(self, document: object) -> RemoteBatch:
        batch = read_remote_batch(document)
        if batch is None:
            raise ApiError("the server's answer tells of no batch", code="no_batch")
        return batch

    def _request(
        self, path: str, timeout_s: float = _ASK_TIMEOUT_S, form: Tuple[FormPart, ...] = ()
    ) -> HttpRequest:
        headers = (
            auth_header(self._settings, self._settings.require_key()),
            ("User-Agent", USER_AGENT),
            ("Accept", "application/json" if timeout_s == _ASK_TIMEOUT_S or form else "*/*"),
        )
        url = self._settings.base_url.value + path
        return HttpRequest(url, headers, timeout_s, form=form, stall_s=_STALL_S)

    def _with_body(self, path: str, body: bytes, folder: Path) -> HttpRequest:
        file = folder / "body"
        write_private(file, body)
        request = self._request(path)
        headers = (*request.headers, ("Content-Type", "application/json"))
        return replace(request, headers=headers, body_path=str(file))

    def _send(self, request: HttpRequest) -> Tuple[Attempt, object]:
        attempt, document = send_free(request, self._settings, self._env, self._stop)
        too_old = too_old_error(attempt.end)
        if too_old is not None:
            raise too_old
        return attempt, document

    def _persist(self, request: HttpRequest) -> object:
        """Sends a free request until it is answered or refused; the answer."""
        for number in range(_TRIES):
            attempt, document = self._send(request)
            if attempt.status == 200 and not attempt.was_cut and document is not None:
                return document
            error = self._error(attempt)
            if number == _TRIES - 1 or not is_passing(attempt) or not self._wait(number, attempt, error):
                raise error
        raise AssertionError

    def _wait(self, number: int, attempt: Attempt, error: GptImage2Error) -> bool:
        """Waits before another try; False when the user stops it."""
        asked_s = server_wait_s(attempt)
        wait_s = backoff_s(number) if asked_s is None else asked_s
        self._waiting(wait_s, error.message)
        return not self._stop.wait(wait_s)

    def _error(self, attempt: Attempt) -> GptImage2Error:
        """Why a free request failed."""
        if self._stop.is_set:
            return InterruptedCall("interrupted", signum=self._stop.signum or 2)
        error = self._explained(attempt, Billed.NO)
        error.retry_safe = is_passing(attempt)
        if error.retry_safe and attempt.end.sent:
            error.hint = _LATER_HINT
        return error

    def _creation_error(self, attempt: Attempt) -> GptImage2Error:
        """Why no batch was made, or why nobody knows."""
        rule = judge(attempt)
        is_refused = 300 <= attempt.status < 500 and attempt.status != 408
        was_sent = attempt.end.sent and not is_refused
        error = self._explained(attempt, Billed.MAYBE if was_sent else Billed.NO)
        error.retry_safe = not was_sent and rule.again is Again.SAFE
        return error

    def _explained(self, attempt: Attempt, billed: Billed) -> GptImage2Error:
        rule = replace(judge(attempt), billed=billed, again=Again.NEVER)
        settings = self._settings
        return explain(attempt, rule, ImageRequest(prompt=""), settings.base_url.value, settings.secrets)


def told(output: Output) -> Callable[[float, str], None]:
    """What a server tells before it waits, said by a command."""
    return lambda wait_s, why: output.say(f"{why}; trying again in {wait_s:.0f} s")


def is_passing(attempt: Attempt) -> bool:
    """Whether a free request that failed may well succeed in a while."""
    if attempt.status == 0 or attempt.was_cut:
        return attempt.end.sent or judge(attempt).again is Again.SAFE
    is_wait = attempt.status in _PASSING and not is_quota(attempt.code)
    return is_wait or attempt.status >= 500


def _attempt_of(
    head: Optional[ResponseHead], end: TransferEnd, body: bytes, size: int, elapsed_s: float
) -> Attempt:
    """A failed download as the policy sees it."""
    text = body.decode("utf-8", "replace")
    try:
        document: object = json.loads(text)
    except ValueError:
        document = None
    answer = Answer(shape="other", complete=False, error=read_server_error(document), text=text)
    return Attempt(head, end, answer, body_bytes=size, elapsed_s=elapsed_s)


def _part_of_url(text: str) -> str:
    return percent_encode(text, safe="")
