"""What the page asks of the gallery: cards, one request, pictures and thumbnails by id; and forgetting."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from gpt_image2.core.history.search import forget_requests, request_by_id
from gpt_image2.core.ledger.database import LEDGER_NAME, Database, read_database
from gpt_image2.core.outputs.naming import slug

from ..settings import StudioSettings
from ..writing import private_place
from .cards import FILTERS, MAX_PAGE, card_of, choices, page_of
from .collected import Collected, CollectedFile
from .export import write_zip
from .opening import open_folder
from .picture_files import MEDIA_TYPES, PictureFiles, image_row
from .readable import request_shown
from .thumbnails import MEDIA_TYPE, Thumbnails
from .versions import versions_of

#: A picture is what its id says for ever, since an id is never given twice.
_FOR_EVER = {"cache-control": "private, max-age=31536000, immutable"}
#: An SVG is a program for a browser: opened by itself it runs nothing and fetches nothing.
_SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


class GalleryEndpoints:
    """The endpoints of one ledger."""

    def __init__(
        self,
        settings: StudioSettings,
        files: PictureFiles,
        thumbnails: Thumbnails,
        collected: CollectedFile,
    ) -> None:
        self._ledger = settings.state_dir / LEDGER_NAME
        self._own_dir = settings.own_dir
        self._files = files
        self._thumbnails = thumbnails
        self._collected = collected

    def routes(self) -> list[Route]:
        """The routes, below the studio's root."""
        return [
            Route("/api/pictures", self.pictures, methods=["GET"]),
            Route("/api/requests/{request}", self.request, methods=["GET"]),
            Route("/api/requests/{request}/forget", self.forget, methods=["POST"]),
            Route("/api/pictures/{picture}", self.card, methods=["GET"]),
            Route("/api/pictures/{picture}/versions", self.versions, methods=["GET"]),
            Route("/api/pictures/{picture}/file", self.place, methods=["GET"]),
            Route("/api/pictures/{picture}/open-folder", self.open_folder, methods=["POST"]),
            Route("/api/pictures/{picture}/delete", self.delete, methods=["POST"]),
            Route("/api/export", self.export, methods=["GET"]),
            Route("/pictures/{picture}", self.picture, methods=["GET"]),
            Route("/thumbnails/{picture}", self.thumbnail, methods=["GET"]),
        ]

    def pictures(self, request: Request) -> Response:
        """`GET /api/pictures?offset=&limit=`, some of `FILTERS`, `starred=1`, `collection=NAME`."""
        query = request.query_params
        offset, limit = (_number(query.get(name, "0")) for name in ("offset", "limit"))
        filters = {name: query[name] for name in FILTERS if query.get(name)}
        with self._database() as database:
            collected = self._collected.read()
            among = _among(collected, query)
            page = page_of(database, filters, offset, limit or MAX_PAGE, among)
            marked = tuple(_marked(card, collected) for card in page.cards)
            found: dict[str, object] = asdict(replace(page, cards=marked))
            if not offset:
                found["choices"] = {**choices(database), "collection": collected.names()}
        return JSONResponse(found)

    def request(self, request: Request) -> Response:
        """`GET /api/requests/ID`: all that is known of one."""
        with self._database() as database:
            past = request_by_id(database, _number(request.path_params["request"]))
        if past is None:
            raise HTTPException(404, "there is no such request in the history")
        return JSONResponse(request_shown(past))

    def card(self, request: Request) -> Response:
        """`GET /api/pictures/ID`: the card of one; ID may be the SHA-256 of its content."""
        with self._database() as database:
            card = card_of(database, request.path_params["picture"])
        if card is None:
            raise _no_picture()
        return JSONResponse(_marked(card, self._collected.read()))

    def versions(self, request: Request) -> Response:
        """`GET /api/pictures/ID/versions`: what it was made from, and what was made from it."""
        with self._database() as database:
            row = image_row(database, request.path_params["picture"])
            if row is None:
                raise _no_picture()
            found = versions_of(database, str(row["sha256"]))
        return JSONResponse({"versions": [asdict(version) for version in found]})

    async def forget(self, request: Request) -> Response:
        """`POST /api/requests/ID/forget`: the row goes, the files stay."""
        number = _number(request.path_params["request"])
        with self._database() as database:
            forgotten = forget_requests(database, [number])
        return JSONResponse({"forgotten": len(forgotten)})

    def place(self, request: Request) -> Response:
        """`GET /api/pictures/ID/file`: where the file is, to be copied as a path."""
        return JSONResponse({"path": str(self._found(request)[0])})

    def open_folder(self, request: Request) -> Response:
        """`POST /api/pictures/ID/open-folder`: shows it in the system's file manager."""
        open_folder(self._found(request)[0].parent)
        return JSONResponse({"ok": True})

    def delete(self, request: Request) -> Response:
        """`POST /api/pictures/ID/delete`: the file goes, its row stays."""
        self._found(request)[0].unlink(missing_ok=True)  # two tabs may do so
        return JSONResponse({"ok": True})

    def export(self, request: Request) -> Response:
        """`GET /api/export?ids=ID,ID`: the pictures as a zip, with what is known of them and a page; or with
        `starred=1` or `collection=NAME` all that are such, in the order in which they were added."""
        query = request.query_params
        ids = _among(self._collected.read(), query)
        if ids is None:
            ids = query.get("ids", "").split(",")
        zip_name = f"{slug(query['collection'])}.zip" if query.get("collection") else "pictures.zip"
        handle, name = tempfile.mkstemp(".zip", dir=private_place(self._own_dir))
        os.close(handle)
        try:
            with self._database() as database:
                write_zip(Path(name), [each for each in ids if each], database, self._files)
        except BaseException:
            os.unlink(name)
            raise
        gone = BackgroundTask(os.unlink, name)
        return FileResponse(name, media_type="application/zip", filename=zip_name, background=gone)

    def picture(self, request: Request) -> Response:
        """`GET /pictures/ID`: the file, under a type of ours."""
        path, kind = self._found(request)
        headers = dict(_FOR_EVER)
        if kind == "svg":
            headers["content-security-policy"] = _SVG_POLICY
        return FileResponse(path, media_type=MEDIA_TYPES[kind], headers=headers)

    def thumbnail(self, request: Request) -> Response:
        """`GET /thumbnails/ID`: a small copy; the picture itself where it is a drawing."""
        with self._database() as database:
            row = image_row(database, request.path_params["picture"])
        known = self._thumbnails.known(str(row["sha256"])) if row else None
        if known is None:
            path, kind = self._found(request)
            if kind == "svg":
                return self.picture(request)
            assert row is not None
            known = self._thumbnails.make(path, str(row["sha256"]))
        if known is None:
            raise HTTPException(415, "the picture cannot be decoded")
        return Response(known, media_type=MEDIA_TYPE, headers=dict(_FOR_EVER))

    def _found(self, request: Request) -> tuple[Path, str]:
        """The file of the picture that an address names, and its format."""
        with self._database() as database:
            row = image_row(database, request.path_params["picture"])
        if row is None or row["format"] not in MEDIA_TYPES:
            raise _no_picture()
        path = self._files.find(str(row["path"]), str(row["sha256"]), int(str(row["bytes"])))
        if path is None:
            raise HTTPException(410, "the file is gone, or another picture has taken its name")
        return path, str(row["format"])

    @contextmanager
    def _database(self) -> Generator[Database]:
        database = read_database(self._ledger)
        try:
            yield database
        finally:
            database.close()


def _among(collected: Collected, query: Mapping[str, str]) -> list[str] | None:
    return collected.among(is_starred=bool(query.get("starred")), collection=query.get("collection", ""))


def _marked(card: Mapping[str, Any], collected: Collected) -> dict[str, object]:
    """A card with its star and its collections."""
    picture = card["picture"]
    return {**card, **collected.marks_of(picture["sha256"] if picture else "")}


def _no_picture() -> HTTPException:
    return HTTPException(404, "there is no such picture in the history")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise HTTPException(404, "that is no number")
    return int(text)
