"""What every request meets on its way in and out: its key, its fault, its number, errors of routing."""

from __future__ import annotations

import json
import secrets
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from ..connection import Answer, Clock, Delivery, Headers
from ..faults.steps import Fault
from ..faults.table import FAULTS, NO_FAULT
from .answers import plain_answer, refusal_answer
from .errors import Refused, invalid_key, masked, no_key

_VERSION = "2020-10-01"


def fault_of(request: Request) -> Fault:
    """The fault in a request's path.

    Raises:
        Refused: there is no such fault.
    """
    name = request.path_params.get("fault")
    if name is None:
        return NO_FAULT
    if name not in FAULTS:
        raise Refused(
            404, f"There is no fault '{name}'. The faults are: {', '.join(FAULTS)}.", code="unknown_fault"
        )
    return FAULTS[name]


def key_of(request: Request) -> str:
    """The API key, or an empty string."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("api-key", "").strip()


def check_key(key: str) -> None:
    """Any key is good, but for those that say they are not.

    Raises:
        Refused: there is no key, or a bad one.
    """
    if not key:
        raise no_key()
    if key == "invalid" or key.startswith("sk-invalid"):
        raise invalid_key(masked(key))


def admit(request: Request) -> None:
    """Check fault and key of a request to an endpoint that costs nothing.

    Raises:
        Refused: as `fault_of` and `check_key` do.
    """
    fault_of(request)
    check_key(key_of(request))


def answered(request: Request, make: Callable[[], Answer]) -> Delivery:
    """The answer of an endpoint that costs nothing."""
    try:
        admit(request)
        answer = make()
    except Refused as refusal:
        answer = refusal_answer(refusal)
    return delivered(answer)


def delivered(answer: Answer) -> Delivery:
    """An answer with its number, sent at once."""
    return Delivery(identified(answer, new_request_id()), Clock())


def new_request_id() -> str:
    """A number for a request."""
    return f"req_{secrets.token_hex(16)}"


def identified(answer: Answer, request_id: str, limits: Headers = ()) -> Answer:
    """An answer with the headers that every answer has, and those that tell of limits."""
    return replace(answer, headers=(*answer.headers, *identity(request_id), *limits))


def identity(request_id: str) -> Headers:
    """The headers that name an answer."""
    return ("x-request-id", request_id), ("openai-version", _VERSION)


def json_of(body: dict[str, Any]) -> Answer:
    """A 200 of JSON."""
    return plain_answer(200, "application/json", json.dumps(body).encode("ascii"))


async def not_routed(request: Request, error: HTTPException) -> Delivery:
    """An address that does not exist, or not with this method."""
    if error.status_code == 405:
        place = f"{request.method} on {request.url.path}"
        message = f"Not allowed to {place}. (HINT: Perhaps you meant to use a different HTTP method?)"
        refusal = Refused(405, message, code="method_not_supported", headers=dict(error.headers or {}))
    else:
        refusal = Refused(error.status_code, f"Invalid URL ({request.method} {request.url.path})")
    return delivered(refusal_answer(refusal))


async def broken(_: Request, error: Exception) -> Delivery:
    """A defect of the sandbox itself: say so, in the envelope and on stderr."""
    if not isinstance(error, ClientDisconnect):
        traceback.print_exception(error, file=sys.stderr)
    refusal = Refused(500, f"The sandbox itself failed: {error!r}", type="server_error", code="sandbox_error")
    return delivered(refusal_answer(refusal))
