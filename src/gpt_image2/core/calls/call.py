"""One call, from a checked request to saved images: sends, waits, sends again where that is safe, downloads.

`--n K --stream` becomes K requests of one image side by side, each a lane of its own, since the API streams
only n=1.
"""

from __future__ import annotations

import threading
import time
from itertools import chain, count
from typing import Callable, Iterator, List, Optional, Sequence, Tuple

from ..api.models import TYPICAL_SECONDS, cost_of_usage, parse_size
from ..api.rate_limits import read_rate_limits
from ..api.request import ImageRequest
from ..base.errors import GptImage2Error, InterruptedCall, NetworkError, OutputError, PartialError
from ..base.events import (
    Event,
    Finished,
    HeadersReceived,
    ImageSaved,
    Observer,
    PartialImage,
    RequestStarted,
    RetryWaiting,
    Warned,
)
from ..base.outcome import Billed, Result, SavedImage
from ..base.record import Record, replace
from ..base.redact import show
from ..outputs.collect import ImageCollector
from ..outputs.naming import OutputPlan, has_matching_extension
from ..settings.base_url import is_sandbox
from ..wire.messages import ResponseHead
from .download import MAX_FURTHER_ADDRESSES, Downloader, DownloadFailed
from .exchange import Host, auth_header, send_once
from .explain import explain, refuses_stream
from .gate import Gate, SentRequest
from .retry import Attempt, Rule, backoff_s, judge, may_send_again, request_id, server_wait_s

_MIN_TIMEOUT_S = 1.0
_JOIN_S = 0.5
DOWNLOAD_FAILED = "download_failed"
_BILLED_ORDER = (Billed.NO, Billed.MAYBE, Billed.YES)


class CallPolicy(Record):
    """How a call is made. `timeout_s` bounds the whole call, retries and waits included.

    Without `waits_for_server` a call that the server asks to wait ends instead, with an error that says so.
    """

    timeout_s: float
    retries: int
    retry_ambiguous: bool
    max_download_bytes: int
    save_partials: bool
    waits_for_server: bool = True


#: How a lane ended: what is on disk and what it cost, and the error where not all images came.
_LaneEnd = Tuple[Result, Optional[GptImage2Error]]


class Call:
    """Runs one request; `observer` hears what happens. `numbers` are those of the images that are asked for,
    by which the plan names them; None is 1, 2, 3 …"""

    def __init__(
        self,
        host: Host,
        request: ImageRequest,
        plan: OutputPlan,
        policy: CallPolicy,
        observer: Observer,
        numbers: Optional[Sequence[int]] = None,
    ) -> None:
        self.host = host
        self.request = request
        self.plan = plan
        self.numbers = numbers or range(1, request.count + 1)
        self.policy = policy
        self._observer = observer
        self._lock = threading.Lock()
        self._warnings: List[str] = []
        self.attempts = 0
        self.started = time.monotonic()
        self.gate = Gate(plan, request.count, host.settings.secrets)
        self._row = 0

    def run(self, warnings: Tuple[str, ...] = (), row: int = 0) -> Result:
        """Sends, saves, and tells how it ended. `row` is that of the ledger, 0 where there is none.

        Raises:
            GptImage2Error: not all images could be saved as asked; `result` holds those that were.
        """
        self._row = row
        try:
            return self._run(warnings)
        except BaseException as defect:
            if isinstance(defect, GptImage2Error) and defect.result is not None:
                raise
            unsettled = Result(
                command=self.request.command,
                model=self.request.model,
                attempts=self.attempts,
                elapsed_s=self.elapsed_s,
                warnings=tuple(self._warnings),
            )
            return self.gate.settle(defect, unsettled, self.warn)

    def begin_sending(self, request: ImageRequest, numbers: Sequence[int]) -> SentRequest:
        """One more request is about to be sent, for the images with these numbers."""
        self.attempts += 1
        plan = self.plan
        return self.gate.begin(
            self.host.state_folder,
            {
                "id": self._row,
                "base_url": self.host.settings.base_url,
                "command": request.command,
                "model": request.model,
                "numbers": list(numbers),
                "output": {
                    "folder": str(plan.folder),
                    "stem": plan.stem,
                    "suffix": plan.suffix,
                    "numbered": plan.numbered,
                },
            },
        )

    def _run(self, warnings: Tuple[str, ...]) -> Result:
        for warning in warnings:
            self.warn(warning)
        if self.request.stream and self.host.settings.streams is False:
            self.request = self.request.without_stream()
            self.warn("this base URL does not stream, as doctor --probe learnt; sent without --stream")
        with self.host.stop:
            if self.host.stop.is_set:
                raise InterruptedCall("interrupted; nothing was sent", signum=self.host.stop.signum or 2)
            ends = self._run_lanes()
        result = self._result([result for result, _ in ends])
        self.emit(Finished(result, result.elapsed_s))
        error = self._error([error for _, error in ends if error is not None], result)
        if error is not None:
            error.result = result
            raise error
        return result

    @property
    def elapsed_s(self) -> float:
        """Seconds since the call began."""
        return time.monotonic() - self.started

    @property
    def remaining_s(self) -> float:
        """Seconds until the call's time is up."""
        return self.policy.timeout_s - self.elapsed_s

    def emit(self, event: Event) -> None:
        """Tells the observer; lanes take turns."""
        try:
            with self._lock:
                self._observer(event)
        except Exception as defect:
            if not isinstance(event, Warned):
                self.warn(f"the observer failed: {type(defect).__name__}: {defect}")

    def warn(self, message: str) -> None:
        """Tells the observer, and keeps it for the result."""
        with self._lock:
            if message in self._warnings:
                return
            self._warnings.append(message)
        self.emit(Warned(message, self.elapsed_s))

    def saved(self, image: SavedImage, rescue_reason: str) -> None:
        """An image is on disk: says so, and what differs from what was asked for."""
        self.emit(ImageSaved(image, self.elapsed_s))
        name = show(image.path, limit=None)
        if rescue_reason:
            self.warn(f"the output could not be written ({rescue_reason}); the image was saved as {name}")
        asked_format = self.request.effective_format
        if image.format != asked_format:
            self.warn(f"asked for {asked_format}, got {image.format}: {name} holds {image.format} data")
        elif not rescue_reason and not has_matching_extension(image.path, image.format):
            self.warn(f"{name} holds {image.format} data, whatever its name says")
        asked_size = parse_size(self.request.effective_size)
        if asked_size and (image.width, image.height) != asked_size:
            self.warn(f"asked for {self.request.effective_size}, got {image.width}x{image.height}: {name}")

    def _run_lanes(self) -> List[_LaneEnd]:
        total = self.request.count
        further = count(max(self.numbers) + 1)
        if not (self.request.stream and total > 1):
            return [_Lane(self, self.request, self.numbers, further).run()]
        self.warn(f"the API streams one image a request, so {total} requests go out side by side")
        single = replace(self.request, n=None)
        lanes = [_Lane(self, single, [number], further) for number in self.numbers]
        return _run_side_by_side([lane.run for lane in lanes])

    def _result(self, lanes: List[Result]) -> Result:
        usages = [lane.usage for lane in lanes if lane.usage is not None]
        # A sum without one of its parts would be too small.
        usage = sum(usages[1:], usages[0]) if usages and len(usages) == len(lanes) else None
        return replace(
            lanes[-1],
            images=tuple(image for lane in lanes for image in lane.images),
            usage=usage,
            cost_usd=cost_of_usage(self.request.model, usage, self.host.settings.prices) if usage else None,
            billed=max((lane.billed for lane in lanes), key=_BILLED_ORDER.index),
            attempts=sum(lane.attempts for lane in lanes),
            elapsed_s=self.elapsed_s,
            warnings=tuple(self._warnings),
        )

    def _error(self, errors: List[GptImage2Error], result: Result) -> Optional[GptImage2Error]:
        """The error that the call ends with, None when every image is where it was asked for."""
        saved, asked = len(result.images), self.request.count
        if self.host.stop.is_set and (errors or saved < asked):
            return _interrupted(self.host.stop.signum, result, errors)
        rescued = [image.path for image in result.images if image.rescued]
        places = ", ".join(rescued)
        if rescued:
            return OutputError(
                f"{len(rescued)} of {asked} images could not be written where asked; they are {places}",
                hint="copy them from there; do not send the request again",
                billed=result.billed,
                http_status=result.http_status,
                request_id=result.request_id,
            )
        if not errors:
            return None
        worst = max(errors, key=lambda error: _BILLED_ORDER.index(error.billed))
        if not saved:
            worst.billed = result.billed
            return worst
        return PartialError(
            f"{saved} of {asked} images saved: {worst.message}",
            hint=worst.hint,
            code=worst.code,
            billed=result.billed,
            http_status=worst.http_status,
            request_id=worst.request_id,
        )


class _Lane:
    """One request of a call, with its retries, for the images with these numbers; `further` are those of
    images that nobody asked for."""

    def __init__(
        self, call: Call, request: ImageRequest, numbers: Sequence[int], further: Iterator[int]
    ) -> None:
        self._call = call
        self._request = request
        self._numbers = numbers
        self._indices = chain(numbers, further)
        self._attempts = 0
        self._retries = 0
        self._billed = Billed.NO

    def run(self) -> _LaneEnd:
        """Sends until there is an image, or nothing more may be sent."""
        while True:
            end, attempt, rule = self._send()
            wait = self._wait_before_retry(attempt, rule)
            if wait is None or self._call.host.stop.wait(wait):
                return end

    def _send(self) -> Tuple[_LaneEnd, Attempt, Rule]:
        call = self._call
        sending = call.begin_sending(self._request, self._numbers)
        collector = sending.collector = ImageCollector(
            call.plan,
            self._indices,
            call.saved,
            self._partial_came,
            call.policy.save_partials,
            asked=max(call.numbers),
            on_warning=call.warn,
            note=sending.note,
        )
        self._attempts += 1
        typical = TYPICAL_SECONDS.get(self._request.effective_quality, TYPICAL_SECONDS["auto"])
        call.emit(RequestStarted(self._attempts, typical, call.elapsed_s))
        timeout_s = call.policy.timeout_s if self._attempts == 1 else max(_MIN_TIMEOUT_S, call.remaining_s)
        attempt = send_once(
            call.host,
            self._request,
            collector,
            sending.spool,
            timeout_s,
            call.policy.max_download_bytes,
            on_head=lambda head: self._head_came(head, sending),
            on_sent=sending.left,
        )
        if attempt.answer.urls:
            sending.note({"addresses": list(attempt.answer.urls)})
        failures = self._download(attempt, collector)
        attempt = replace(attempt, images=len(collector.images), kept_aside=collector.kept_aside)
        end, rule = self._judge(attempt, collector, sending, failures)
        sending.result = end[0]
        sending.spool.discard()
        if rule.billed is Billed.NO:
            sending.in_flight.close()
        sending.is_unfinished = bool(failures)
        return end, attempt, rule

    def _judge(
        self, attempt: Attempt, collector: ImageCollector, sending: SentRequest, failures: List[str]
    ) -> Tuple[_LaneEnd, Rule]:
        settings, spool = self._call.host.settings, sending.spool
        rule = judge(attempt)
        self._billed = max(self._billed, rule.billed, key=_BILLED_ORDER.index)
        preview = collector.close()
        if preview:
            self._call.warn(f"no final image came; the last preview was kept: {preview}")
        images, asked = collector.images, self._request.count
        error: Optional[GptImage2Error] = None
        if failures:
            kept = spool.keep("answer.json")
            error = NetworkError(
                f"{len(failures)} images were made but could not be fetched: {'; '.join(failures)}",
                hint=f"fetch them by hand soon, the addresses expire; the answer was kept: {kept}",
                code=DOWNLOAD_FAILED,
                billed=Billed.YES,
            )
        elif collector.lost:
            error = OutputError("; ".join(collector.lost), billed=rule.billed)
        elif not images:
            error = explain(attempt, rule, self._request, settings.base_url, settings.secrets)
            end = attempt.end
            is_readable = not attempt.was_cut or end.is_undecodable or end.is_too_long
            if attempt.status == 200 and is_readable and attempt.error is None and spool.size_bytes:
                error.hint = f"the answer was kept: {spool.keep('answer.txt')}; {error.hint}".rstrip("; ")
        elif len(images) < asked:
            error = self._too_few(attempt, rule, len(images), collector.kept_aside)
        elif attempt.was_cut or not attempt.answer.complete:
            self._call.warn("the answer was cut after the last image: all are saved, their usage is unknown")
        result = Result(
            command=self._request.command,
            model=self._request.model,
            images=images,
            usage=attempt.answer.usage,
            billed=self._billed,
            http_status=attempt.status or None,
            request_id=request_id(attempt.head, settings.secrets),
            attempts=self._attempts,
            sandbox=attempt.head is not None and is_sandbox(settings.base_url, attempt.head.headers),
        )
        return (result, error), rule

    def _too_few(
        self, attempt: Attempt, rule: Rule, saved: int, kept_aside: Tuple[str, ...]
    ) -> GptImage2Error:
        if attempt.was_cut or attempt.error is not None or kept_aside:
            settings = self._call.host.settings
            return explain(attempt, rule, self._request, settings.base_url, settings.secrets)
        return PartialError(
            f"the server sent {saved} images instead of {self._request.count}",
            hint="send another request for the rest",
            code="fewer_images",
            billed=rule.billed,
        )

    def _wait_before_retry(self, attempt: Attempt, rule: Rule) -> Optional[float]:
        """Seconds to wait before the request is sent once more, or None when it is not."""
        call = self._call
        if call.host.stop.is_set:
            return None
        if self._request.stream and refuses_stream(attempt):
            self._request = self._request.without_stream()
            call.warn(
                "the server refuses streaming; the request is sent again without it (nothing was billed)"
            )
            return 0.0
        if self._retries >= call.policy.retries or not may_send_again(rule, call.policy.retry_ambiguous):
            return None
        asked = server_wait_s(attempt)
        if not call.policy.waits_for_server and (asked is not None or attempt.status == 429):
            return None
        wait = backoff_s(self._retries) if asked is None else asked
        if wait >= call.remaining_s:
            return None
        self._retries += 1
        reason = f"{rule.name}: {rule.when}"
        if rule.billed is Billed.MAYBE:
            reason += "; it may be billed twice, as --retry-ambiguous allows"
        call.emit(RetryWaiting(wait, reason, call.elapsed_s))
        return wait

    def _download(self, attempt: Attempt, collector: ImageCollector) -> List[str]:
        """Fetches the images that came as addresses; what could not be fetched, and why."""
        host = self._call.host
        failures: List[str] = []
        if not attempt.answer.urls:
            return []
        downloader = Downloader(
            host.curl,
            max_bytes=self._call.policy.max_download_bytes,
            base_url=host.settings.base_url,
            key_header=auth_header(host.settings, host.settings.require_key()),
            remaining_s=lambda: self._call.remaining_s,
        )
        most = self._request.count + MAX_FURTHER_ADDRESSES
        if len(attempt.answer.urls) > most:
            came, asked = len(attempt.answer.urls), self._request.count
            self._call.warn(f"{came} addresses came for {asked} images; only the first {most} are fetched")
        for url in attempt.answer.urls[:most]:
            try:
                collector.take(url, lambda take, restart: downloader.fetch(url, take, restart))  # noqa: B023
            except OutputError as error:
                collector.lose(error.message)
            except (DownloadFailed, GptImage2Error) as error:
                failures.append(f"{show(url, host.settings.secrets, None)} ({error})")
        return failures

    def _head_came(self, head: ResponseHead, sending: SentRequest) -> None:
        sending.in_flight.head_came(head.status, head.headers)
        limits = read_rate_limits(head.headers)
        self._call.emit(HeadersReceived(head.status, self._call.elapsed_s, limits))

    def _partial_came(self, index: int, path: Optional[str]) -> None:
        self._call.emit(PartialImage(index, path, self._call.elapsed_s))


def _run_side_by_side(jobs: List[Callable[[], _LaneEnd]]) -> List[_LaneEnd]:
    """Runs every job in a thread of its own; how they ended, in their order."""
    ends: List[Optional[_LaneEnd]] = [None] * len(jobs)
    failures: List[BaseException] = []

    def work(number: int) -> None:
        try:
            ends[number] = jobs[number]()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(_JOIN_S)  # in slices, so that signals are heard everywhere
    if failures:
        raise failures[0]
    return [end for end in ends if end is not None]


def _interrupted(signum: Optional[int], result: Result, errors: List[GptImage2Error]) -> InterruptedCall:
    saved = f"{len(result.images)} images saved; " if result.images else ""
    if result.billed is Billed.NO:
        return InterruptedCall(f"interrupted; {saved}nothing was billed", signum=signum or 2)
    hints = [error.hint for error in errors if error.code == DOWNLOAD_FAILED]
    return InterruptedCall(
        f"interrupted; {saved}the request may still be billed",
        signum=signum or 2,
        billed=result.billed,
        hint="; ".join([*hints, "check your usage before you send it again"]),
    )
