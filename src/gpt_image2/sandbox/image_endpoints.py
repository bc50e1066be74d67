"""The endpoints of the Images API, and the images that wait to be fetched by their URL: a request's way from
its body to its answer.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from .api.access import check_key, identity, key_of, new_request_id
from .api.answers import Presenter, as_base64, json_answer, plain_answer, refusal_answer, stream_answer
from .api.errors import Refused, masked
from .api.rate_limits import Limiter
from .api.request_body import FindUpload, read_submission
from .api.submission import Submission
from .api.validation import validate
from .connection import Answer, CallTimer, Delivery, Role
from .drawing.encoding import EncodedImage
from .drawing.pictures import picture, previews
from .faults.admission import fault_of
from .faults.fault import Case, Fault
from .image_request import Endpoint
from .request_log import Download, ImagePost, RequestLog
from .settings import Settings
from .threads import Threads

_MOST_KEPT_IMAGES = 256
_ENDPOINTS: tuple[Endpoint, ...] = ("generations", "edits")
_DEFAULT_MODEL = "gpt-image-2"


@dataclass
class _KeptImage:
    """An image that waits to be downloaded."""

    image: EncodedImage
    fault: Fault
    post: ImagePost
    downloads: int = 0
    counted: bool = False

    def count(self) -> None:
        if not self.counted:
            self.counted = True
            self.post.count_image()


class ImageEndpoints:
    """The image endpoints of one sandbox; lives on its event loop."""

    def __init__(
        self,
        settings: Settings,
        limiter: Limiter,
        log: RequestLog,
        find_upload: FindUpload,
        threads: Threads,
    ) -> None:
        self._settings = settings
        self._limiter = limiter
        self._log = log
        self._find_upload = find_upload
        self._threads = threads
        self._met: set[tuple[str, str]] = set()
        self._kept: OrderedDict[str, _KeptImage] = OrderedDict()

    def routes(self, base: str) -> list[Route]:
        return [
            Route(f"{base}/images/{endpoint}", partial(self._images, endpoint=endpoint), methods=["POST"])
            for endpoint in _ENDPOINTS
        ]

    def forget(self) -> None:
        """Forget which prompts have met a fault."""
        self._met.clear()

    async def download(self, request: Request) -> Delivery:
        """`GET /_sandbox/files/{name}`: an image of the `url` faults; no key belongs here."""
        kept = self._kept.get(request.path_params["name"])
        status = 404
        if kept is not None:
            kept.downloads += 1
            status = kept.fault.download_status(kept.downloads)
        prompt = kept.post.prompt if kept else None
        self._log.add(Download(prompt, request.url.path, status, bool(key_of(request))))
        if kept is None or status != 200:
            return Delivery(plain_answer(status, "text/plain", b"no image here\n"))
        answer = plain_answer(200, kept.image.mime, kept.image.data, role="image")
        return Delivery(answer, on_image=kept.count)

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
            line = f"{request.method} {request.url.path} {post.status} {post.prompt!r}"
            print(line, file=sys.stderr, flush=True)
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
        timer.latency_s = self._settings.latency_for(asked.model, asked.quality)
        return fault.sent(await self._draw(fault, case, post))

    async def _draw(self, fault: Fault, case: Case, post: ImagePost) -> Answer:
        understood = fault.understood(case.request)
        drawn = fault.drawn(understood)
        present = fault.present or self._by_url(fault, case, post)
        drawing = [self._threads.run(lambda i=i: picture(drawn, i)) for i in range(drawn.n)]
        images = await asyncio.gather(*drawing)
        if not understood.stream:
            return json_answer(understood, images, present, fault.write)
        partial_images = await self._threads.run(lambda: previews(drawn))
        return stream_answer(understood, images, partial_images, present, fault.write)

    def _by_url(self, fault: Fault, case: Case, post: ImagePost) -> Presenter:
        """Images by a URL on this server; previews stay in the stream."""

        def present(image: EncodedImage, role: Role) -> dict[str, Any]:
            if role != "image":
                return as_base64(image, role)
            name = f"{secrets.token_hex(12)}.{image.mime.partition('/')[2].partition('+')[0]}"
            self._kept[name] = _KeptImage(image, fault, post)
            if len(self._kept) > _MOST_KEPT_IMAGES:
                self._kept.popitem(last=False)
            return {"url": f"{case.host_url}/_sandbox/files/{name}"}

        return present


def _images_of(submission: Submission) -> int:
    """How many images a request counts for, whatever is wrong with it."""
    try:
        return max(1, int(submission.fields.get("n", 1)))
    except (TypeError, ValueError, OverflowError):
        return 1
