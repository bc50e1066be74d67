"""Requests that cost nothing."""

from __future__ import annotations

import json
from typing import Tuple

from ..base.record import replace
from ..settings.base_url import is_sandbox
from ..wire.curl import Curl
from ..wire.messages import HttpRequest
from .response import Answer
from .retry import Attempt
from .server_error import read_server_error

_ANSWER_BYTES = 8 << 20
_ASK_SANDBOX_S = 10.0


def send_free(curl: Curl, request: HttpRequest) -> Tuple[Attempt, object]:
    """Sends a request that costs nothing; how it ended, and the JSON that came (None where none did)."""
    data = bytearray()
    received = curl.receive(replace(request, max_bytes=_ANSWER_BYTES), data.extend)
    text = data.decode("utf-8", "replace")
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    answer = Answer(
        shape="json" if document is not None else "other",
        complete=True,
        error=read_server_error(document),
        text=text,
    )
    attempt = Attempt(
        received.head,
        received.end,
        answer,
        body_bytes=received.body_bytes,
        elapsed_s=received.elapsed_s,
    )
    return attempt, document


def asks_sandbox(curl: Curl, base_url: str) -> bool:
    """Whether the sandbox answers at a base URL; asks it, without a key."""
    attempt, _ = send_free(curl, HttpRequest(f"{base_url}/models", (), _ASK_SANDBOX_S))
    return attempt.head is not None and is_sandbox(base_url, attempt.head.headers)
