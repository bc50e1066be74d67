"""One studio as an ASGI application: its parts put together behind the door."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from gpt_image2.core.api.models import BACKGROUNDS, COMPLEXITIES, MODELS
from gpt_image2.core.api.sizes import SIZE_NAMES, resolve_size
from gpt_image2.core.base.errors import GptImage2Error
from gpt_image2.core.ledger.database import LEDGER_NAME

from .approving import Approving
from .bodies import on_defect, on_error, on_http_error
from .door import Door
from .events import Events
from .gallery.collected import CollectedFile
from .gallery.collecting import Collecting
from .gallery.endpoints import GalleryEndpoints
from .gallery.picture_files import PictureFiles
from .gallery.thumbnails import Thumbnails
from .making.calls import Calls
from .making.endpoints import CallEndpoints
from .making.inputs import Inputs
from .overview import Overview
from .page_files import INDEX, page_files
from .settings import StudioSettings
from .watching import Watcher
from .way_in import WayIn

_ROOT_BYTES = 18


class Studio:
    """The parts of one studio; `door` is the application to serve."""

    def __init__(self, settings: StudioSettings, port: int) -> None:
        self._settings = settings
        self._page = page_files()
        self.events = Events()
        files = PictureFiles()
        inputs = Inputs(settings.own_dir / "inputs", settings.state_dir, files)
        self._calls = Calls(settings, inputs, self.events.publish)
        self._approving = Approving(settings.state_dir, self.events.publish)
        ledger = settings.state_dir / LEDGER_NAME
        self._watcher = Watcher(ledger, self._gallery_changed)
        collected = CollectedFile(settings.collected_path)
        thumbnails = Thumbnails(settings.own_dir / "thumbnails")
        gallery = GalleryEndpoints(settings, files, thumbnails, collected)
        routes = [
            Route("/api/state", self.state, methods=["GET"]),
            Route("/api/events", self.stream, methods=["GET"]),
            *gallery.routes(),
            *Collecting(ledger, collected, self._gallery_changed).routes(),
            *CallEndpoints(self._calls, inputs, ledger).routes(),
            *Overview(settings).routes(),
            *self._approving.routes(),
            Route("/{path:path}", self.page, methods=["GET"]),
        ]
        handlers: dict[Any, Any] = {
            GptImage2Error: on_error,
            HTTPException: on_http_error,
            Exception: on_defect,
        }
        root = f"/{secrets.token_urlsafe(_ROOT_BYTES)}"
        app = Starlette(
            routes=[Mount(root, routes=routes)], exception_handlers=handlers, lifespan=self._lifespan
        )
        self.way_in = WayIn(settings.output_dir, port)
        self.door = Door(app, port, root, self.way_in.close)

    def close(self) -> int:
        """Ends what is under way, and returns when it has ended: how many clicks wait for the next studio."""
        self.way_in.close()
        return self._calls.close()

    async def state(self, _: Request) -> Response:
        """`GET /api/state`: what the page needs to know before it asks for anything."""
        found: dict[str, object] = {
            "output_dir": str(self._settings.output_dir),
            "budget": self._calls.budget.json(),
            "models": [_model_json(model) for model in MODELS],
            "backgrounds": list(BACKGROUNDS),
            "complexities": list(COMPLEXITIES),
            "sizes": {name: resolve_size(name) for name in SIZE_NAMES},
        }
        try:
            client = self._calls.client()
            found.update(
                model=client.settings.model,
                base_url=client.settings.base_url,
                profile=client.settings.profile,
                history=client.settings.history,
                problem=None,
            )
        except GptImage2Error as error:
            found.update(model="", base_url="", profile="", history=True, problem=error.message)
        return JSONResponse(found)

    async def stream(self, _: Request) -> Response:
        """`GET /api/events`: the calls as they stand, then what happens."""
        return StreamingResponse(self.events.stream(self._first), media_type="text/event-stream")

    async def page(self, request: Request) -> Response:
        """`GET /…`: a file of the page."""
        found = self._page.get(request.path_params["path"] or INDEX)
        if found is None:
            raise HTTPException(404, "there is no such file")
        return Response(found.data, media_type=found.media_type)

    def _first(self) -> list[Mapping[str, object]]:
        calls = {"kind": "calls", "calls": self._calls.all(), "budget": self._calls.budget.json()}
        return [calls, self._approving.as_event()]

    def _gallery_changed(self) -> None:
        self.events.publish({"kind": "ledger"})

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        tasks = [asyncio.create_task(part.run()) for part in (self._watcher, self._approving)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _model_json(model: Any) -> dict[str, object]:
    return {
        "name": model.names[0],
        "qualities": list(model.qualities),
        "output_formats": list(model.output_formats),
        "takes_complexity": model.takes_complexity,
        "takes_markup": model.takes_markup,
    }
