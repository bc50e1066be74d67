"""Bodies in and out: read within bounds, answered as JSON, and errors as JSON too."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gpt_image2.core.base.errors import GptImage2Error, UsageError
from gpt_image2.core.base.outcome import ExitCode
from gpt_image2.core.base.redact import mask_secrets, show

from .door import BYTES_TYPE, JSON_TYPE

_MAX_JSON_BYTES = 4 << 20  # a mask of many strokes
#: As much as the API takes of one picture, and some for formats that pack worse.
_MAX_PICTURE_BYTES = 100 << 20

_log = logging.getLogger(__name__)


async def json_of(request: Request) -> Mapping[str, Any]:
    """The JSON object in a body; a `UsageError` for anything else."""
    if request.headers.get("content-type") != JSON_TYPE:
        raise HTTPException(415, f"send {JSON_TYPE}")
    body = await _body(request, _MAX_JSON_BYTES)
    try:
        document = json.loads(body)
        if b"\\u" in body:  # half a character can be neither sent nor answered with: better now than midway
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise UsageError("a text holds half a character", hint="delete what shows as \ufffd") from None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise UsageError("the body is no JSON object", hint="reload the page")
    return cast("dict[str, Any]", document)


async def picture_of(request: Request) -> bytes:
    """The bytes of a picture in a body."""
    if request.headers.get("content-type") != BYTES_TYPE:
        raise HTTPException(415, f"send {BYTES_TYPE}")
    return await _body(request, _MAX_PICTURE_BYTES)


async def _body(request: Request, most: int) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise HTTPException(413, f"at most {most >> 20} MB are taken")
    return bytes(body)


def on_error(_: Request, error: Exception) -> Response:
    """The answer of an error that core knows."""
    assert isinstance(error, GptImage2Error)
    status = 400 if error.exit_code in (ExitCode.USAGE, ExitCode.CONFIG) else 502
    told = {"code": error.code, "message": show(error.message), "hint": show(error.hint)}
    return JSONResponse({"error": told}, status)


def on_http_error(_: Request, error: Exception) -> Response:
    """The answer of what there is not."""
    assert isinstance(error, HTTPException)
    told = {"code": f"http_{error.status_code}", "message": error.detail, "hint": ""}
    return JSONResponse({"error": told}, error.status_code)


def on_defect(_: Request, error: Exception) -> Response:
    """The answer of a defect: one line, no stack trace."""
    text = f"internal error: {type(error).__name__}: {mask_secrets(str(error))}"
    _log.error("%s", text)
    return JSONResponse({"error": {"code": "internal_error", "message": text, "hint": ""}}, 500)
