"""What every request meets on its way in and out: its key, its number, and the answers to what went wrong."""

from __future__ import annotations

import json
import secrets
import sys
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from ..connection import Answer, Delivery, Headers
from .answers import plain_answer, refusal_answer
from .errors import Refused, invalid_key, masked, no_key

_VERSION = "2020-10-01"


def key_of(request: Request) -> str:
    """The API key, or an empty string."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("api-key", "").strip()


def check_key(key: str) -> None:
    """Any key is good, but for those that say they are not."""
    if not key:
        raise no_key()
    if key == "invalid" or key.startswith("sk-invalid"):
        raise invalid_key(masked(key))


def new_request_id() -> str:
    """The number of a request."""
    return f"req_{secrets.token_hex(16)}"


def identity(request_id: str) -> Headers:
    """The headers that every answer has."""
    return ("x-request-id", request_id), ("openai-version", _VERSION)


def delivered(answer: Answer) -> Delivery:
    """An answer with its number, sent at once."""
    return Delivery(replace(answer, headers=(*answer.headers, *identity(new_request_id()))))


def json_delivered(body: Mapping[str, Any]) -> Delivery:
    """A 200 of JSON."""
    return delivered(plain_answer(200, "application/json", json.dumps(body).encode("ascii")))


async def on_refused(_: Request, refusal: Refused) -> Delivery:
    """A refusal that an endpoint raised."""
    return delivered(refusal_answer(refusal))


async def on_http_error(request: Request, error: HTTPException) -> Delivery:
    """An address that does not exist, or not with this method."""
    if error.status_code == 405:
        place = f"{request.method} on {request.url.path}"
        message = f"Not allowed to {place}. (HINT: Perhaps you meant to use a different HTTP method?)"
        refusal = Refused(405, message, code="method_not_supported", headers=dict(error.headers or {}))
    else:
        refusal = Refused(error.status_code, f"Invalid URL ({request.method} {request.url.path})")
    return delivered(refusal_answer(refusal))


async def on_defect(_: Request, error: Exception) -> Delivery:
    """A defect of the sandbox itself: say so, in the envelope and on stderr."""
    if not isinstance(error, ClientDisconnect):
        traceback.print_exception(error, file=sys.stderr)
    refusal = Refused(500, f"The sandbox itself failed: {error!r}", type="server_error", code="sandbox_error")
    return delivered(refusal_answer(refusal))
