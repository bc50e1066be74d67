"""From a failed attempt to the error that a person can act on: what it was, what it cost, whether to send it
again. Pure.
"""

from __future__ import annotations

import re
from typing import Iterable, Mapping, Optional, Tuple, Type

from ..api.cost import PRICES
from ..api.models import Prices
from ..api.refusals import refusal_by_status
from ..api.request import ImageRequest
from ..base.about import called
from ..base.errors import ApiError, GptImage2Error, NetworkError, UsageError
from ..base.outcome import Billed
from ..base.record import Record
from ..base.redact import mask_secrets, show
from .retry import Again, Attempt, Rule, request_id, server_wait_s

_CODE_CHARS = 100
_SAID_CHARS = 200


class Cause(Record):
    """What an error is made of."""

    kind: Type[GptImage2Error]
    code: str
    message: str
    hint: str


def in_doubt(request: Optional[ImageRequest], prices: Mapping[str, Prices] = PRICES) -> str:
    """What to do where nobody can tell whether a request is billed, and how much is at risk."""
    estimate = request.estimate(prices) if request else None
    most = f", up to ${estimate.high_usd:.4f}" if estimate else ""
    return f"it may have been billed{most}; check your usage before you send it again"


def explain(
    attempt: Attempt,
    rule: Rule,
    request: Optional[ImageRequest],
    base_url: str,
    secrets: Iterable[str],
    prices: Mapping[str, Prices] = PRICES,
) -> GptImage2Error:
    """The error for an attempt that brought no image; `rule` is the row of the policy that it fell under.
    `request` is None for one that was for no image."""
    secrets = tuple(secrets)
    doubt = ""
    if rule.billed is Billed.MAYBE:
        free = f"{called()} resume saves what had come, and doctor looks for the cause, both free"
        parts = (in_doubt(request, prices), free if rule.again is Again.OPT_IN else "")
        doubt = "; ".join(filter(None, parts))
    try:
        from .causes import cause_of

        cause = cause_of(attempt, doubt, request, base_url, secrets)
    except UsageError:  # the script lies alone
        cause = _bare_cause(attempt, doubt, secrets)
    return cause.kind(
        mask_secrets(cause.message, secrets),
        hint=mask_secrets(cause.hint, secrets),
        code=show(cause.code, secrets, _CODE_CHARS),
        billed=rule.billed,
        http_status=attempt.status or None,
        request_id=request_id(attempt.head, secrets),
        retry_safe=rule.again is Again.SAFE,
        retry_after_s=server_wait_s(attempt),
    )


def _bare_cause(attempt: Attempt, doubt: str, secrets: Tuple[str, ...]) -> Cause:
    """The cause as curl or the server put it."""
    error, answer = attempt.error, attempt.answer
    if attempt.was_cut and error is None:
        return Cause(NetworkError, "network", show(attempt.end.message, secrets), doubt)
    refusal = attempt.refusal or refusal_by_status(attempt.said_status)
    said = error.message if error else answer.title or answer.text or "no image"
    text = f"HTTP {attempt.status}: {show(said, secrets, _SAID_CHARS)}"
    if refusal is None:
        kind = "server_error" if attempt.said_status >= 500 else "api_error"
        return Cause(ApiError, attempt.code or kind, text, doubt)
    hint = "; ".join(filter(None, [refusal.cure, doubt]))
    return Cause(refusal.raises, attempt.code or refusal.code, text, hint)


def refuses_stream(attempt: Attempt) -> bool:
    """Whether the server refused the request before work because of `stream` or `partial_images`."""
    if attempt.status != 400 or attempt.error is None:
        return False
    if attempt.error.param:
        return attempt.error.param in ("stream", "partial_images")
    return re.search(r"\b(stream|streaming|partial_images)\b", attempt.error.message, re.I) is not None
