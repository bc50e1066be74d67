"""One request of a call: sent, sent again where that is safe, its images downloaded, its end judged."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter
from typing import Iterator, List, Optional, Sequence, Tuple

from ..api.images import sha256_of
from ..api.models import typical_seconds
from ..api.rate_limits import read_rate_limits
from ..api.request import ImageRequest
from ..api.usage import told_usage
from ..base.errors import GptImage2Error, NetworkError, OutputError, PartialError
from ..base.events import HeadersReceived, PartialImage, RequestStarted, RetryWaiting
from ..base.outcome import Billed, Result
from ..base.record import replace
from ..outputs.collect import ImageCollector
from ..settings.base_url import is_sandbox
from ..wire.messages import ResponseHead
from .download import MAX_FURTHER_ADDRESSES, Downloader, fetch_images
from .exchange import answer_bound, send_once
from .explain import explain, refuses_stream
from .gate import SentRequest
from .retry import Attempt, Rule, backoff_s, judge, may_send_again, request_id, server_wait_s
from .task import shown_task
from .under_way import CallUnderWay

_MIN_TIMEOUT_S = 1.0
DOWNLOAD_FAILED = "download_failed"

#: How a lane ended: what is on disk and what it cost, and the error where not all images came.
LaneEnd = Tuple[Result, Optional[GptImage2Error]]


class Lane:
    """One request of a call, with its retries, for the images with these numbers; `further` are those of
    images that nobody asked for."""

    def __init__(
        self, call: CallUnderWay, request: ImageRequest, numbers: Sequence[int], further: Iterator[int]
    ) -> None:
        self._call = call
        self._request = request
        self._numbers = numbers
        self._indices = chain(numbers, further)
        self._attempts = self._sent = 0
        self._retries = 0
        self._billed = Billed.NO

    def run(self) -> LaneEnd:
        """Sends until there is an image, or nothing more may be sent."""
        while True:
            end, attempt, rule = self.send()
            wait = self._wait_before_retry(attempt, rule)
            if wait is None or self._call.host.stop.wait(wait):
                return end

    def send(self) -> Tuple[LaneEnd, Attempt, Rule]:
        """Sends it once; how it ended."""
        call = self._call
        inputs = [sha256_of(image.path) for image in self._request.images]
        sending = call.begin_sending(self._request, self._numbers, inputs)
        collector = sending.collector = ImageCollector(
            call.plan,
            self._indices,
            call.saved,
            self._partial_came,
            call.policy.save_partials,
            asked=max(call.numbers),
            on_warning=call.warn,
            note=sending.note,
            inputs=inputs,
        )
        self._attempts += 1
        typical = typical_seconds(self._request.model, self._request.effective_quality)
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
        self._sent += attempt.end.sent
        if attempt.accepted is not None:
            from .polling import follow_task

            downloader = self._downloader(answer_bound(self._request, call.policy.max_download_bytes))
            attempt = follow_task(call, self._request.count, attempt, downloader, sending)
        if attempt.answer.urls:
            sending.note({"addresses": list(attempt.answer.urls[: self._most_addresses])})
        failures = self._download(attempt, collector)
        attempt = replace(attempt, images=len(collector.images), kept_aside=collector.kept_aside)
        end, rule = self._judge(attempt, collector, sending, failures)
        sending.result = end[0]
        sending.spool.discard()
        if rule.billed is Billed.NO:
            sending.in_flight.close()
        sending.is_unfinished = bool(failures or end[0].tasks)
        return end, attempt, rule

    def _judge(
        self, attempt: Attempt, collector: ImageCollector, sending: SentRequest, failures: List[str]
    ) -> Tuple[LaneEnd, Rule]:
        settings, spool = self._call.host.settings, sending.spool
        rule = judge(attempt)
        self._billed = max(self._billed, rule.billed, key=attrgetter("rank"))
        preview = collector.close()
        if preview:
            self._call.warn(f"no final image came; the last preview was kept: {preview}")
        images, asked = collector.images, self._request.count
        error: Optional[GptImage2Error] = None
        tasks: Tuple[str, ...] = ()
        if attempt.accepted is not None and attempt.is_pending and len(images) < asked:
            task = shown_task(attempt.accepted, settings.secrets)
            tasks = (task.id,)
            if self._call.policy.waits_for_tasks:
                from .polling import pending_error

                error = pending_error(task, sending.in_flight.id)
        elif failures:
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
            error = self._explained(attempt, rule)
            if rule.billed is not Billed.NO and not preview and spool.text().strip():
                error.hint = f"the answer was kept: {spool.keep('answer.txt')}; {error.hint}".rstrip("; ")
        elif len(images) < asked:
            error = self._too_few(attempt, rule, len(images), collector.kept_aside)
        elif attempt.was_cut or not attempt.answer.complete:
            self._call.warn("the answer was cut after the last image: all are saved, their usage is unknown")
        further = collector.left_out or max(0, len(attempt.answer.urls) - self._most_addresses)
        if images and further:
            kept = spool.keep("answer.json")
            self._call.warn(f"{further} further images, of {asked} asked for, stay in the answer: {kept}")
        result = Result(
            command=self._request.command,
            model=self._request.model,
            images=images,
            usage=attempt.answer.usage,
            svg_usage=told_usage(attempt.answer.svg_usage, settings.secrets),
            billed=self._billed,
            http_status=attempt.status or None,
            request_id=request_id(attempt.head, settings.secrets),
            attempts=self._attempts,
            requests_sent=self._sent,
            sandbox=attempt.head is not None and is_sandbox(settings.base_url, attempt.head.headers),
            tasks=tasks,
        )
        return (result, error), rule

    def _too_few(
        self, attempt: Attempt, rule: Rule, saved: int, kept_aside: Tuple[str, ...]
    ) -> GptImage2Error:
        if attempt.was_cut or attempt.error is not None or kept_aside:
            return self._explained(attempt, rule)
        return PartialError(
            f"the server sent {saved} images instead of {self._request.count}",
            code="fewer_images",
            billed=rule.billed,
        )

    def _explained(self, attempt: Attempt, rule: Rule) -> GptImage2Error:
        settings = self._call.host.settings
        return explain(attempt, rule, self._request, settings.base_url, settings.secrets, settings.prices)

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
        if not attempt.answer.urls:
            return []
        downloader = self._downloader(self._call.policy.max_download_bytes)
        most, came = self._most_addresses, len(attempt.answer.urls)
        if came > most:
            asked = self._request.count
            self._call.warn(f"{came} addresses came for {asked} images; only the first {most} are fetched")
        return fetch_images(downloader, attempt.answer.urls[:most], collector, host.settings.secrets)

    @property
    def _most_addresses(self) -> int:
        return self._request.count + MAX_FURTHER_ADDRESSES

    def _downloader(self, max_bytes: int) -> Downloader:
        host = self._call.host
        return Downloader(
            host.curl,
            max_bytes=max_bytes,
            base_url=host.settings.base_url,
            auth_headers=host.settings.auth_headers,
            remaining_s=lambda: self._call.remaining_s,
        )

    def _head_came(self, head: ResponseHead, sending: SentRequest) -> None:
        sending.in_flight.head_came(head.status, head.headers)
        limits = read_rate_limits(head.headers)
        self._call.emit(HeadersReceived(head.status, self._call.elapsed_s, limits))

    def _partial_came(self, index: int, path: Optional[str], number: int, part: str) -> None:
        self._call.emit(PartialImage(index, path, self._call.elapsed_s, number, part))
