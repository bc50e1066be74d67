"""The routes of the sandbox, and a request's way through its modules: read, judge, draw, answer, note."""

from __future__ import annotations

import asyncio
import json
import math
import os
import secrets
import sys
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route

from gpt_image2.core.api import models

from .api.access import (
    answered,
    broken,
    check_key,
    delivered,
    fault_of,
    identified,
    json_of,
    key_of,
    new_request_id,
    not_routed,
)
from .api.answers import (
    Picture,
    Presenter,
    as_base64,
    json_answer,
    plain_answer,
    refusal_answer,
    stream_answer,
    usage_of,
)
from .api.errors import Refused, invalid, masked, model_not_found
from .api.rate_limits import Limiter, NoLimit, PerMinute
from .api.request_body import read_submission
from .api.validation import validate
from .batches.clock import SimTime
from .batches.endpoints import BatchRoutes
from .batches.file_endpoints import FileRoutes
from .batches.file_store import FileStore
from .batches.runner import Batches
from .connection import Answer, Clock, Delivery, Role
from .drawing.pictures import Easel
from .faults.steps import Case, Fault
from .image_request import Endpoint, Submission
from .request_log import Download, Journal, Row
from .settings import Settings

_T = TypeVar("_T")

_KEPT_FILES = 256
_CREATED = 1_776_643_200
_DEFAULT_MODEL = "gpt-image-2"


@dataclass
class _File:
    """An image that waits to be downloaded."""

    picture: Picture
    fault: Fault
    row: Row
    downloads: int = 0
    counted: bool = False

    def count(self) -> None:
        """Note the image as delivered, once."""
        if not self.counted:
            self.counted = True
            self.row.count_image()


class Sandbox:
    """The state of one server and its endpoints; lives on one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._time = SimTime(settings.clock_speed)
        self._limiter: Limiter = NoLimit()
        if settings.limits is not None:
            self._limiter = PerMinute(settings.limits, lambda: self._time.waited_s)
        self._stored = FileStore(self._time)
        self._journal = Journal()
        self._easel = Easel()
        self._met: set[tuple[str, str]] = set()
        self._files: OrderedDict[str, _File] = OrderedDict()
        # Drawing is work for the CPU: more threads than cores would only take turns.
        self._painters = ThreadPoolExecutor(
            max_workers=max(2, os.cpu_count() or 2), thread_name_prefix="painter"
        )

        self._batches = Batches(
            self._time, self._stored, self._easel, self._journal, self._in_thread, settings.batch_job_s
        )

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/_sandbox/log", self.log, methods=["GET"]),
            Route("/_sandbox/reset", self.reset, methods=["POST"]),
            Route("/_sandbox/files/{name}", self.file, methods=["GET"]),
            Route("/_sandbox/clock", self.clock, methods=["GET", "POST"]),
        ]
        for base in ("/v1", "/fault/{fault}/v1"):
            routes += [
                Route(f"{base}/images/generations", self.generations, methods=["POST"]),
                Route(f"{base}/images/edits", self.edits, methods=["POST"]),
                Route(f"{base}/models", self.models, methods=["GET"]),
                Route(f"{base}/models/{{model}}", self.model, methods=["GET"]),
                *FileRoutes(self._stored).routes(base),
                *BatchRoutes(self._batches, self._stored).routes(base),
            ]
        handlers: dict[Any, Any] = {HTTPException: not_routed, Exception: broken}
        return Starlette(routes=routes, exception_handlers=handlers)

    def close(self) -> None:
        """Let the drawing threads and the files go."""
        self._painters.shutdown(wait=False, cancel_futures=True)
        self._stored.close()

    async def generations(self, request: Request) -> Delivery:
        """`POST /v1/images/generations`."""
        return await self._images(request, "generations")

    async def edits(self, request: Request) -> Delivery:
        """`POST /v1/images/edits`."""
        return await self._images(request, "edits")

    async def models(self, request: Request) -> Delivery:
        """`GET /v1/models`."""
        listed = {"object": "list", "data": [_model_row(name) for name in models.KNOWN_MODELS]}
        return answered(request, lambda: json_of(listed))

    async def model(self, request: Request) -> Delivery:
        """`GET /v1/models/{model}`."""
        name = request.path_params["model"]

        def answer() -> Answer:
            if name not in models.KNOWN_MODELS:
                raise model_not_found(name)
            return json_of(_model_row(name))

        return answered(request, answer)

    async def log(self, request: Request) -> Delivery:
        """`GET /_sandbox/log[?prompt=TEXT]`."""
        return Delivery(json_of(self._journal.report(request.query_params.get("prompt"))), Clock())

    async def reset(self, _: Request) -> Delivery:
        """`POST /_sandbox/reset`: forget the log, and which prompts have met a fault."""
        self._journal.clear()
        self._met.clear()
        return Delivery(json_of({"ok": True}), Clock())

    async def clock(self, request: Request) -> Delivery:
        """`GET /_sandbox/clock`, and `POST` of `{"advance_s": SECONDS}` to move it forward."""
        if request.method == "POST":
            try:
                self._time.advance(_seconds_of(await request.body()))
            except Refused as refusal:
                return delivered(refusal_answer(refusal))
        return delivered(json_of({"now_s": self._time.now_s, "speed": self._time.speed}))

    async def file(self, request: Request) -> Delivery:
        """`GET /_sandbox/files/{name}`: an image of the `url` faults; no key belongs here."""
        file = self._files.get(request.path_params["name"])
        status = 404
        if file is not None:
            file.downloads += 1
            status = file.fault.download_status(file.downloads)
        key_sent = bool(key_of(request))
        prompt = file.row.prompt if file else None
        self._journal.add_download(Download(request.url.path, status, key_sent, prompt))
        if file is None or status != 200:
            return Delivery(plain_answer(status, "text/plain", b"no image here\n"), Clock())
        answer = plain_answer(200, file.picture.mime, file.picture.data, role="image")
        return Delivery(answer, Clock(), file.count)

    async def _images(self, request: Request, endpoint: Endpoint) -> Delivery:
        clock = Clock()
        request_id = new_request_id()
        key = key_of(request)
        row = self._journal.open_row(request.path_params.get("fault"), endpoint, masked(key))
        try:
            answer = await self._answer(request, endpoint, key, request_id, row, clock)
        except Refused as refusal:
            answer = refusal_answer(refusal)
        row.status = answer.status or None
        if self._settings.log_requests:
            print(
                f"{request.method} {request.url.path} {row.status} {row.prompt!r}",
                file=sys.stderr,
                flush=True,
            )
        answer = identified(answer, request_id, self._limiter.headers(answer.status))
        if not self._settings.limit_headers:
            answer = replace(answer, headers=[each for each in answer.headers if not _tells_limits(each[0])])
        return Delivery(answer, clock, row.count_image)

    async def _answer(
        self, request: Request, endpoint: Endpoint, key: str, request_id: str, row: Row, clock: Clock
    ) -> Answer:
        submission = await read_submission(request, endpoint, self._stored.find)
        row.describe(submission)
        fault = fault_of(request)
        check_key(key)
        self._limiter.take(_images_of(submission), str(submission.fields.get("model") or _DEFAULT_MODEL))
        if submission.uploads:  # only images are costly to judge
            job = await self._in_thread(lambda: validate(submission, request_id))
        else:
            job = validate(submission, request_id)
        row.n, row.stream = job.n, job.stream
        case = Case(
            job=job,
            raw_fields=submission.fields,
            key=key,
            request_id=request_id,
            first=(fault.name, job.prompt) not in self._met,
            path=f"/v1/images/{endpoint}",
            host_url=str(request.base_url).rstrip("/"),
        )
        self._met.add((fault.name, job.prompt))
        instead = fault.instead(case)
        if instead is not None:
            return instead
        clock.latency_s = self._settings.latency_for(job.quality)
        return fault.sent(await self._make(fault, case, row))

    async def _make(self, fault: Fault, case: Case, row: Row) -> Answer:
        job = fault.understood(case.job)
        drawn = fault.drawn(job)
        present = fault.present or self._by_url(fault, case, row)
        drawing = [self._in_thread(lambda i=i: self._easel.picture(drawn, i)) for i in range(drawn.n)]
        pictures = await asyncio.gather(*drawing)
        if not job.stream:
            return json_answer(job, pictures, usage_of(job), present, fault.write)
        previews = await self._in_thread(lambda: self._easel.previews(drawn))
        usage_of_one = usage_of(replace(job, n=1))
        return stream_answer(job, pictures, previews, usage_of_one, present, fault.write)

    def _by_url(self, fault: Fault, case: Case, row: Row) -> Presenter:
        """Images by a URL on this server; previews stay in the stream."""

        def present(picture: Picture, role: Role) -> dict[str, Any]:
            if role != "image":
                return as_base64(picture, role)
            name = f"{secrets.token_hex(12)}.{picture.mime.partition('/')[2]}"
            self._files[name] = _File(picture, fault, row)
            if len(self._files) > _KEPT_FILES:
                self._files.popitem(last=False)
            return {"url": f"{case.host_url}/_sandbox/files/{name}"}

        return present

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._painters, work)


def _images_of(submission: Submission) -> int:
    """How many images a request counts for, whatever is wrong with it."""
    try:
        return max(1, int(submission.fields.get("n", 1)))
    except (TypeError, ValueError, OverflowError):
        return 1


def _seconds_of(body: bytes) -> float:
    try:
        seconds = float(json.loads(body)["advance_s"])
    except (ValueError, TypeError, KeyError, OverflowError):
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise invalid("advance_s", "invalid_value", 'Send {"advance_s": SECONDS}; time only goes forward.')
    return seconds


def _tells_limits(header: str) -> bool:
    return header.startswith(("x-ratelimit-", "retry-after"))


def _model_row(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "sandbox"}
