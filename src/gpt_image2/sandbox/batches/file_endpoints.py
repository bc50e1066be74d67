"""The endpoints of the Files API: an upload goes to disk as it comes, a download leaves from disk."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import BinaryIO

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from ..api.access import identity, json_delivered, new_request_id
from ..api.errors import Refused, invalid, unknown_parameter, unsupported_value
from ..connection import Delivery
from ..faults.admission import admit
from .file_store import FileStore
from .paging import page
from .stored_file import StoredFile

MAX_BATCH_BYTES = 200 * 1024 * 1024
MAX_FILE_BYTES = 512 * 1024 * 1024
PURPOSES = ("fine-tune", "assistants", "batch", "user_data", "vision", "evals")
_NOT_DOWNLOADED = ("assistants", "user_data", "vision")
_BATCH_LIVES_S = 30 * 86400
_MIN_LIVES_S, _MAX_LIVES_S = 3600, 2_592_000
_FIELDS = ("file", "purpose", "expires_after[anchor]", "expires_after[seconds]")


class FileEndpoints:
    """The endpoints of one sandbox's files."""

    def __init__(self, files: FileStore) -> None:
        self._files = files

    def routes(self, base: str) -> list[Route]:
        return [
            Route(f"{base}/files", self.create, methods=["POST"]),
            Route(f"{base}/files", self.list, methods=["GET"]),
            Route(f"{base}/files/{{id}}", self.retrieve, methods=["GET"]),
            Route(f"{base}/files/{{id}}", self.delete, methods=["DELETE"]),
            Route(f"{base}/files/{{id}}/content", self.content, methods=["GET"]),
        ]

    async def create(self, request: Request) -> Delivery:
        admit(request)
        try:
            async with request.form(max_files=1) as form:
                file = await self._store(form)
        except HTTPException as error:
            raise Refused(400, f"Could not parse multipart form: {error.detail}") from None
        return json_delivered(file.as_json())

    async def list(self, request: Request) -> Delivery:
        admit(request)
        query = request.query_params
        return json_delivered(
            page(self._files.files(query.get("purpose")), query, default=10_000, most=10_000)
        )

    async def retrieve(self, request: Request) -> Delivery:
        admit(request)
        return json_delivered(self._files.get(request.path_params["id"]).as_json())

    async def delete(self, request: Request) -> Delivery:
        admit(request)
        file_id = request.path_params["id"]
        self._files.delete(file_id)
        return json_delivered({"object": "file", "id": file_id, "deleted": True})

    async def content(self, request: Request) -> Delivery | FileResponse:
        admit(request)
        file = self._files.get(request.path_params["id"])
        if file.purpose in _NOT_DOWNLOADED:
            raise Refused(400, f"Not allowed to download files of purpose: {file.purpose}")
        return FileResponse(
            file.path,
            media_type="application/octet-stream",
            filename=file.filename,
            headers=dict(identity(new_request_id())),
        )

    async def _store(self, form: FormData) -> StoredFile:
        for name in form:
            if name not in _FIELDS:
                raise unknown_parameter(name)
        purpose, upload = form.get("purpose"), form.get("file")
        if purpose is None:
            raise Refused(400, "'purpose' is a required property")
        if purpose not in PURPOSES:
            raise Refused(400, f"'{purpose}' is not one of {list(PURPOSES)} - 'purpose'")
        if not isinstance(upload, UploadFile):
            raise Refused(400, "'file' is a required property")
        limit = MAX_BATCH_BYTES if purpose == "batch" else MAX_FILE_BYTES
        if (upload.size or 0) > limit:
            message = f"File is too large. The maximum for purpose '{purpose}' is {limit >> 20} MB."
            raise Refused(413, message, param="file", code="file_too_large")
        lives_s = _lives_s(form) or (_BATCH_LIVES_S if purpose == "batch" else None)
        path = self._files.new_path()
        await asyncio.to_thread(_copy, upload.file, path)
        return self._files.add(path, upload.filename or "file", str(purpose), lives_s, upload.content_type)


def _copy(source: BinaryIO, path: Path) -> None:
    with path.open("wb") as out:
        shutil.copyfileobj(source, out, 1024 * 1024)


def _lives_s(form: FormData) -> int | None:
    """How long a file is to be kept, in seconds, where the form says it."""
    anchor, text = form.get("expires_after[anchor]"), form.get("expires_after[seconds]")
    if anchor is None and text is None:
        return None
    if anchor != "created_at":
        raise unsupported_value("expires_after[anchor]", str(anchor), ["created_at"])
    seconds = int(text) if isinstance(text, str) and text.isascii() and text.isdigit() else -1
    return checked_lives_s("expires_after[seconds]", seconds)


def checked_lives_s(name: str, seconds: int) -> int:
    """The seconds that a file may be kept."""
    if not _MIN_LIVES_S <= seconds <= _MAX_LIVES_S:
        message = f"Invalid '{name}': expected an integer between {_MIN_LIVES_S} and {_MAX_LIVES_S}."
        raise invalid(name, "invalid_value", message)
    return seconds
