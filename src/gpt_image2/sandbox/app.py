"""One sandbox as an ASGI application: its state, the routes of all its endpoints, and its own ones below
`/_sandbox`.
"""

from __future__ import annotations

import json
import math
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route

from gpt_image2.core.api import models

from .api.access import json_delivered, on_defect, on_http_error, on_refused
from .api.errors import Refused, invalid, model_not_found
from .api.rate_limits import Limiter, PerMinute
from .batches.endpoints import BatchEndpoints
from .batches.file_endpoints import FileEndpoints
from .batches.file_store import FileStore
from .batches.keeping import Keeper
from .batches.runner import BatchRunner
from .clock import SimulatedClock
from .connection import Delivery
from .faults.admission import admit
from .image_endpoints import ImageEndpoints
from .making import Maker
from .request_log import RequestLog
from .settings import Settings
from .tasks.endpoints import TaskEndpoints
from .threads import Threads

_BASES = ("/v1", "/fault/{fault}/v1", "/tasks/{tasks}/v1", "/tasks/{tasks}/fault/{fault}/v1")
_CREATED = 1_776_643_200


class Sandbox:
    """The state of one server and its endpoints; lives on one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._clock = SimulatedClock(settings.clock_speed)
        self._log = RequestLog()
        self._threads = Threads()
        keeper = Keeper(settings.keeps_in)
        self._files = FileStore(self._clock, keeper, settings.keeps_in)
        limiter = Limiter()
        if settings.limits is not None:
            limiter = PerMinute(settings.limits, lambda: self._clock.waited_s)
        self._maker = Maker(self._log, self._threads)
        self._tasks = TaskEndpoints(self._maker, self._clock, self._log)
        self._images = ImageEndpoints(
            settings, limiter, self._log, self._files.as_upload, self._threads, self._maker, self._tasks
        )
        runner = BatchRunner(self._clock, self._files, self._log, self._threads, settings.batch_job_s, keeper)
        self._batches = BatchEndpoints(runner, self._files)

    def app(self) -> Starlette:
        routes = [
            Route("/_sandbox/log", self.log, methods=["GET"]),
            Route("/_sandbox/reset", self.reset, methods=["POST"]),
            Route("/_sandbox/files/{name}", self._maker.download, methods=["GET"]),
            Route("/_sandbox/clock", self.clock, methods=["GET", "POST"]),
        ]
        for base in _BASES:
            routes += [
                *self._images.routes(base),
                *self._tasks.routes(base),
                Route(f"{base}/models", self.models, methods=["GET"]),
                Route(f"{base}/models/{{model}}", self.model, methods=["GET"]),
                *FileEndpoints(self._files).routes(base),
                *self._batches.routes(base),
            ]
        handlers: dict[Any, Any] = {Refused: on_refused, HTTPException: on_http_error, Exception: on_defect}
        return Starlette(routes=routes, exception_handlers=handlers)

    def close(self) -> None:
        self._threads.close()
        self._files.close()

    async def models(self, request: Request) -> Delivery:
        admit(request)
        return json_delivered({"object": "list", "data": [_model(name) for name in models.KNOWN_MODELS]})

    async def model(self, request: Request) -> Delivery:
        admit(request)
        name = request.path_params["model"]
        if name not in models.KNOWN_MODELS:
            raise model_not_found(name)
        return json_delivered(_model(name))

    async def log(self, request: Request) -> Delivery:
        """`GET /_sandbox/log[?prompt=TEXT]`."""
        return json_delivered(self._log.report(request.query_params.get("prompt")))

    async def reset(self, _: Request) -> Delivery:
        """`POST /_sandbox/reset`: forget the log, and which prompts have met a fault."""
        self._log.clear()
        self._images.forget()
        return json_delivered({"ok": True})

    async def clock(self, request: Request) -> Delivery:
        """`GET /_sandbox/clock`, and `POST` of `{"advance_s": SECONDS}` to move it forward."""
        if request.method == "POST":
            self._clock.advance(_seconds_of(await request.body()))
        return json_delivered({"now_s": self._clock.now_s, "speed": self._clock.speed})


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "sandbox"}


def _seconds_of(body: bytes) -> float:
    try:
        seconds = float(json.loads(body)["advance_s"])
    except (ValueError, TypeError, KeyError, OverflowError):
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise invalid("advance_s", "invalid_value", 'Send {"advance_s": SECONDS}; time only goes forward.')
    return seconds
