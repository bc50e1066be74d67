"""What the page asks of stars and collections: pictures by their ids are starred, collected, and let go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.ledger.database import read_database

from ..bodies import json_of
from .collected import CollectedFile
from .export import MOST
from .picture_files import image_row

_RELOAD = "reload the page"


class Collecting:
    """The endpoints of these; `changed` is called after each change."""

    def __init__(self, ledger: Path, collected: CollectedFile, changed: Callable[[], None]) -> None:
        self._ledger = ledger
        self._collected = collected
        self._changed = changed

    def routes(self) -> list[Route]:
        """The routes, below the studio's root."""
        return [
            Route("/api/stars", self.star, methods=["POST"]),
            Route("/api/collections", self.collect, methods=["POST"]),
            Route("/api/collections/rename", self.rename, methods=["POST"]),
            Route("/api/collections/dissolve", self.dissolve, methods=["POST"]),
        ]

    async def star(self, request: Request) -> Response:
        """`POST /api/stars` of `{"pictures": [ID, …], "is_starred": true or false}`."""
        document = await json_of(request)
        is_starred = _of_type(document, "is_starred", bool)
        contents = await self._contents(document)
        return await self._done(partial(self._collected.star, contents, is_starred=is_starred))

    async def collect(self, request: Request) -> Response:
        """`POST /api/collections` of `{"name": NAME, "pictures": [ID, …], "is_in": true or false}`."""
        document = await json_of(request)
        name, is_in = _of_type(document, "name", str), _of_type(document, "is_in", bool)
        contents = await self._contents(document)
        return await self._done(partial(self._collected.collect, name, contents, is_in=is_in))

    async def rename(self, request: Request) -> Response:
        """`POST /api/collections/rename` of `{"name": NAME, "to": NAME}`: the name that is kept."""
        document = await json_of(request)
        name, to = (_of_type(document, each, str) for each in ("name", "to"))
        kept = await anyio.to_thread.run_sync(self._collected.rename, name, to)
        self._changed()
        return JSONResponse({"name": kept})

    async def dissolve(self, request: Request) -> Response:
        """`POST /api/collections/dissolve` of `{"name": NAME}`: it goes, its pictures stay."""
        name = _of_type(await json_of(request), "name", str)
        return await self._done(partial(self._collected.dissolve, name))

    async def _done(self, change: Callable[[], None]) -> Response:
        await anyio.to_thread.run_sync(change)
        self._changed()
        return JSONResponse({"ok": True})

    async def _contents(self, document: Mapping[str, Any]) -> list[str]:
        ids = cast("list[object]", _of_type(document, "pictures", list))
        if not all(isinstance(each, str) for each in ids) or not 0 < len(ids) <= MOST:
            raise UsageError(f"choose from 1 to {MOST} pictures", hint="choose others")
        return await anyio.to_thread.run_sync(self._contents_of, cast("list[str]", ids))

    def _contents_of(self, ids: list[str]) -> list[str]:
        """The SHA-256 of the pictures; requests that have none are left out."""
        database = read_database(self._ledger)
        try:
            rows = [image_row(database, each) for each in ids]
        finally:
            database.close()
        contents = [str(row["sha256"]) for row in rows if row is not None]
        if not contents:
            raise UsageError("none of the chosen is a picture of the history", hint="choose others")
        return contents


def _of_type(document: Mapping[str, Any], name: str, kind: type) -> Any:
    value = document.get(name)
    if not isinstance(value, kind):
        raise UsageError(f"`{name}` is missing, or of another type", hint=_RELOAD)
    return value
