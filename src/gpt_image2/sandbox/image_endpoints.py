"""The endpoints of the Images API: a request's way from its body to its answer."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial

from starlette.requests import Request
from starlette.routing import Route

from gpt_image2.core.telling.streams import print_text

from .api.access import check_key, identity, key_of, new_request_id
from .api.answers import refusal_answer
from .api.errors import Refused, masked
from .api.rate_limits import Limiter
from .api.request_body import FindUpload, read_submission
from .api.submission import Submission
from .api.validation import validate
from .connection import Answer, CallTimer, Delivery
from .faults.admission import fault_of
from .faults.fault import Case
from .image_request import Endpoint
from .making import Maker
from .request_log import ImagePost, RequestLog
from .settings import Settings
from .tasks.endpoints import TaskEndpoints, chosen_tasks
from .tasks.task import Task
from .threads import Threads

_ENDPOINTS: tuple[Endpoint, ...] = ("generations", "edits")
_DEFAULT_MODEL = "gpt-image-2"


class ImageEndpoints:
    """The image endpoints of one sandbox; lives on its event loop."""

    def __init__(
        self,
        settings: Settings,
        limiter: Limiter,
        log: RequestLog,
        find_upload: FindUpload,
        threads: Threads,
        maker: Maker,
        tasks: TaskEndpoints,
    ) -> None:
        self._settings = settings
        self._limiter = limiter
        self._log = log
        self._find_upload = find_upload
        self._threads = threads
        self._maker = maker
        self._tasks = tasks
        self._met: set[tuple[str, str]] = set()

    def routes(self, base: str) -> list[Route]:
        return [
            Route(f"{base}/images/{endpoint}", partial(self._images, endpoint=endpoint), methods=["POST"])
            for endpoint in _ENDPOINTS
        ]

    def forget(self) -> None:
        """Forget which prompts have met a fault."""
        self._met.clear()

    async def _images(self, request: Request, endpoint: Endpoint) -> Delivery:
        timer = CallTimer()
        request_id = new_request_id()
        post = self._log.open_post(request.path_params.get("fault"), endpoint, masked(key_of(request)))
        try:
            answer = await self._answer(request, endpoint, request_id, post, timer)
        except Refused as refusal:
            answer = refusal_answer(refusal)
        post.status = answer.status or None
        if self._settings.log_requests:
            line = f"{request.method} {request.url.path} {post.status} {post.prompt!r}\n"
            print_text(line, sys.stderr)
        headers = (*answer.headers, *identity(request_id), *self._limiter.headers(answer.status))
        if not self._settings.limit_headers:
            headers = [each for each in headers if not each[0].startswith(("x-ratelimit-", "retry-after"))]
        return Delivery(replace(answer, headers=headers), timer, post.count_image)

    async def _answer(
        self, request: Request, endpoint: Endpoint, request_id: str, post: ImagePost, timer: CallTimer
    ) -> Answer:
        submission = await read_submission(request, endpoint, self._find_upload)
        fields = submission.fields
        post.prompt, post.fields = submission.prompt, fields
        post.n, post.stream = fields.get("n", 1), fields.get("stream", False)
        post.files = [upload.as_json() for upload in submission.uploads]
        fault = fault_of(request)
        check_key(key_of(request))
        self._limiter.take(_images_of(submission), str(fields.get("model") or _DEFAULT_MODEL))
        if submission.uploads:  # only images are costly to judge
            asked = await self._threads.run(lambda: validate(submission, request_id))
        else:
            asked = validate(submission, request_id)
        post.n, post.stream = asked.n, asked.stream
        case = Case(
            request=asked,
            raw_fields=fields,
            key=key_of(request),
            request_id=request_id,
            first=(fault.name, asked.prompt) not in self._met,
            path=f"/v1/images/{endpoint}",
            host_url=str(request.base_url).rstrip("/"),
        )
        self._met.add((fault.name, asked.prompt))
        instead = fault.instead(case)
        if isinstance(instead, Refused):
            raise instead
        if instead is not None:
            return instead
        latency_s = self._settings.latency_for(asked.model, asked.quality)
        tasks = chosen_tasks(request, fault, self._settings.tasks)
        if tasks:
            seconds = latency_s if tasks.seconds is None else tasks.seconds
            base = request.url.path.rpartition("/images/")[0]
            return self._tasks.accept(Task(tasks.dialect, fault, case, post, base, seconds))
        timer.latency_s = latency_s
        return fault.sent(fault.shape(await self._maker.make(fault, case, post, fault.present)))


def _images_of(submission: Submission) -> int:
    """How many images a request counts for, whatever is wrong with it."""
    try:
        return max(1, int(submission.fields.get("n", 1)))
    except (TypeError, ValueError, OverflowError):
        return 1
