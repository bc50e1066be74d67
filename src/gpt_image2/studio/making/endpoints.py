"""What the page asks of calls: the price of one, to begin it, to end it, its previews; and its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from gpt_image2.core.api.checks import checked
from gpt_image2.core.api.images import read_image_info
from gpt_image2.core.api.models import typical_seconds
from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.api.sizes import parse_size
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.record import replace as replace_record
from gpt_image2.core.calls.client import Client
from gpt_image2.core.history.search import request_by_id
from gpt_image2.core.ledger.database import read_database
from gpt_image2.core.telling.amounts import estimate_json

from ..bodies import json_of, picture_of
from ..gallery.picture_files import MEDIA_TYPES
from .asking import Asked, asked_of, id_of
from .call_state import State
from .calls import Calls
from .inputs import Inputs
from .offline import Made, made_of
from .reusing import reused

_MOST_USD = 1_000_000.0


class CallEndpoints:
    """The endpoints of the calls of one studio."""

    def __init__(self, calls: Calls, inputs: Inputs, ledger: Path) -> None:
        self._calls = calls
        self._inputs = inputs
        self._ledger = ledger
        self._last: tuple[Asked, ImageRequest, tuple[str, ...]] | None = None

    def routes(self) -> list[Route]:
        """The routes, below the studio's root."""
        return [
            Route("/api/price", self.price, methods=["POST"]),
            Route("/api/ceiling", self.ceiling, methods=["POST"]),
            Route("/api/calls", self.begin, methods=["POST"]),
            Route("/api/calls/{call}/send", self.send, methods=["POST"]),
            Route("/api/calls/{call}/cancel", self.cancel, methods=["POST"]),
            Route("/api/calls/{call}/dismiss", self.dismiss, methods=["POST"]),
            Route("/api/calls/{call}/previews/{number:int}", self.preview, methods=["GET"]),
            Route("/api/inputs", self.add_input, methods=["POST"]),
            Route("/api/masks", self.paint, methods=["POST"]),
            Route("/api/pictures/{picture}/make", self.make, methods=["POST"]),
            Route("/api/requests/{request:int}/reuse", self.reuse, methods=["POST"]),
            Route("/inputs/{input}", self.input, methods=["GET"]),
        ]

    async def price(self, request: Request) -> Response:
        """`POST /api/price`: what a call would cost and how long it takes, or why it cannot be sent."""
        asked = asked_of(await json_of(request))
        return JSONResponse(await anyio.to_thread.run_sync(self._priced, asked))

    async def ceiling(self, request: Request) -> Response:
        """`POST /api/ceiling` of `{"max_cost_usd": USD or null}`: for all calls of this visit together."""
        wished = (await json_of(request)).get("max_cost_usd")
        is_number = isinstance(wished, (int, float)) and not isinstance(wished, bool)
        if wished is not None and not (is_number and 0 <= wished <= _MOST_USD):
            raise UsageError("the ceiling must be an amount in USD", hint="0 or more, or nothing")
        self._calls.budget.max_cost_usd = wished
        self._calls.told_budget()
        return JSONResponse(self._calls.budget.json())

    async def begin(self, request: Request) -> Response:
        """`POST /api/calls`: begins a call, once an id; checks first all that costs nothing."""
        document = await json_of(request)
        call_id, asked = id_of(document), asked_of(document)
        if self._calls.find(call_id) is None:
            await anyio.to_thread.run_sync(self._checked, asked)
        return JSONResponse(self._calls.begin(call_id, asked))

    async def send(self, request: Request) -> Response:
        """`POST /api/calls/ID/send`: begins what an earlier studio has not sent, after the same checks."""
        call = self._calls.find(request.path_params["call"])
        if call is None:
            raise HTTPException(404, "there is no such call")
        if call.state is State.UNSENT:
            await anyio.to_thread.run_sync(self._checked, call.asked)
        return JSONResponse(self._calls.send(call.id))

    async def cancel(self, request: Request) -> Response:
        """`POST /api/calls/ID/cancel`."""
        self._calls.cancel(request.path_params["call"])
        return JSONResponse({"ok": True})

    async def dismiss(self, request: Request) -> Response:
        """`POST /api/calls/ID/dismiss`: a call that has ended or was never sent is taken off the list."""
        self._calls.dismiss(request.path_params["call"])
        return JSONResponse({"ok": True})

    async def preview(self, request: Request) -> Response:
        """`GET /api/calls/ID/previews/N`."""
        call = self._calls.find(request.path_params["call"])
        number = request.path_params["number"]
        if call is None or number >= len(call.previews):
            raise HTTPException(404, "there is no such preview")
        return Response(call.previews[number], media_type=MEDIA_TYPES[call.asked.request.effective_format])

    async def add_input(self, request: Request) -> Response:
        """`POST /api/inputs` of a picture's bytes: keeps it as the API takes it, and says its id."""
        data = await picture_of(request)
        added = await anyio.to_thread.run_sync(self._inputs.add, data)
        return JSONResponse(
            {"id": added.id, "width": added.width, "height": added.height, "notes": list(added.notes)}
        )

    async def paint(self, request: Request) -> Response:
        """`POST /api/masks` of `{"picture": ID, "painting": …}`: keeps a painted mask, and says its id."""
        document = await json_of(request)
        picture, painting = document.get("picture"), document.get("painting")
        if not isinstance(picture, str) or not isinstance(painting, dict):
            raise UsageError("`picture` and `painting` are missing", hint="reload the page")
        made, share = await anyio.to_thread.run_sync(
            self._inputs.paint, picture, cast("dict[str, Any]", painting)
        )
        return JSONResponse({"id": made.id, "share": round(share, 6), "notes": list(made.notes)})

    async def make(self, request: Request) -> Response:
        """`POST /api/pictures/ID/make` of a wish (see `made_of`): makes it without a call."""
        wish = await json_of(request)
        made = await anyio.to_thread.run_sync(self._made, request.path_params["picture"], wish)
        return JSONResponse({"sha256": made.sha256, "path": made.path, "notes": list(made.notes)})

    def _made(self, picture: str, wish: Mapping[str, Any]) -> Made:
        return made_of(self._inputs.path(picture), wish, self._calls.output_dir, self._calls.client())

    def reuse(self, request: Request) -> Response:
        """`POST /api/requests/ID/reuse`: all that it was asked with, for the form (see `reused`)."""
        database = read_database(self._ledger)
        try:
            past = request_by_id(database, request.path_params["request"])
        finally:
            database.close()
        if past is None:
            raise HTTPException(404, "there is no such request in the history")
        return JSONResponse(reused(past, self._inputs))

    def input(self, request: Request) -> Response:
        """`GET /inputs/ID`: an input that was added."""
        path = self._inputs.path(request.path_params["input"])
        with path.open("rb") as file:
            info = read_image_info(file)
        if info is None:
            raise HTTPException(404, "there is no such input")
        return FileResponse(path, media_type=MEDIA_TYPES[info.format])

    def _checked(self, asked: Asked) -> None:
        with ExitStack() as stack:
            client = self._calls.client()
            client.check_way()
            prepared, _ = self._calls.prepared(client, asked, stack)
            self._calls.budget.check(prepared.request.estimate(client.settings.prices), "this call")

    def _priced(self, asked: Asked) -> dict[str, Any]:
        client = self._calls.client()
        request, warnings = self._resolved(client, asked)
        estimate = request.estimate(client.settings.prices)
        size = parse_size(request.effective_size)
        return {
            "estimate_usd": estimate_json(estimate),
            "note": estimate.note if estimate else "",
            "size": list(size) if size else None,
            "typical_s": typical_seconds(request.model, request.effective_quality),
            "warnings": list(warnings),
        }

    def _resolved(self, client: Client, asked: Asked) -> tuple[ImageRequest, tuple[str, ...]]:
        """The request as it would be sent, and what is to be said of it. While only the prompt is typed, its
        pictures are not worked on again."""
        prompt = str(asked.fields.get("prompt", ""))
        rest = replace(
            asked, fields={**asked.fields, "prompt": "", "model": client.with_model(asked.request).model}
        )
        known = self._last
        if known is not None and known[0] == rest:
            request, _ = checked(replace_record(known[1], prompt=prompt))
            return request, known[2]
        with ExitStack() as stack:
            prepared, _ = self._calls.prepared(client, asked, stack)
        self._last = rest, prepared.request, prepared.warnings
        return prepared.request, prepared.warnings
