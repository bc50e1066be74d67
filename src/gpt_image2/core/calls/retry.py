"""What may be sent again, whether it may have been billed, and how long to wait. Pure, but for the dice.

The table below is the whole policy; the first row that fits counts. Nothing that can have been billed is
sent again, unless the user opts in with `--retry-ambiguous`.
"""

from __future__ import annotations

import re
import time
from enum import Enum
from typing import Callable, Iterable, Mapping, Optional, Tuple

from ..api.rate_limits import duration_s
from ..base.outcome import Billed
from ..base.record import Record
from ..base.redact import show
from ..wire.curl import ResponseHead, TransferEnd
from .response import Answer, ServerError

MAX_BACKOFF_S = 60.0
DEFAULT_RETRIES = 2
_REQUEST_ID_CHARS = 200

QUOTA_CODES = frozenset({"insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached"})
_QUOTA_CODE = r".*_(spend|usage)_limit_exceeded"
_RATE_CODES = frozenset({"rate_limit_exceeded", "slow_down"})
_OVERLOAD_CODES = frozenset({"server_is_overloaded", "overloaded", "overloaded_error"})
_REFUSAL_CODES = frozenset({"invalid_api_key", "unknown_parameter", "model_not_found", "invalid_value"})

#: curl's codes for what may well succeed next time: proxy, name, connect, timeout, TLS, send, receive.
_PASSING_CONNECT_CODES = frozenset({5, 6, 7, 28, 35, 52, 55, 56, 97})

_WAIT_WORDS = (
    r"\b(?:re)?try(?: again)? (?:in|after) "
    r"((?:\d+(?:\.\d+)? ?(?:ms|h|m|s|sec|min|hour|minute|second)?s?,? ?)+)"
)
_MAX_DOUBLINGS = 6


class Again(Enum):
    """Whether a request may be sent once more: by itself, only if the user opts in, or never."""

    SAFE = "yes"
    OPT_IN = "only with --retry-ambiguous"
    NEVER = "no"


class Attempt(Record):
    """One sending of a request: what came back, as far as the policy needs to know. Times in seconds."""

    head: Optional[ResponseHead]
    end: TransferEnd
    answer: Answer = Answer()
    images: int = 0
    kept_aside: Tuple[str, ...] = ()
    body_bytes: int = 0
    elapsed_s: float = 0.0

    @property
    def status(self) -> int:
        """The HTTP status, 0 when none arrived."""
        return self.head.status if self.head else 0

    @property
    def error(self) -> Optional[ServerError]:
        """What the server says went wrong."""
        return self.answer.error

    @property
    def code(self) -> str:
        """The server's error code, else its type, else empty."""
        return (self.error.code or self.error.type) if self.error else ""

    @property
    def was_cut(self) -> bool:
        """Whether the transfer ended in another way than HTTP ends."""
        return self.end.exit_code != 0

    def header(self, name: str) -> str:
        """A header of the answer, empty when it is not there."""
        return self.head.headers.get(name, "") if self.head else ""


class Rule(Record):
    """One row of the policy."""

    name: str
    when: str
    fits: Callable[[Attempt], bool]
    billed: Billed
    again: Again


RULES: Tuple[Rule, ...] = (
    Rule(
        "image-arrived",
        "at least one image, or the address of one, arrived",
        lambda a: a.images > 0 or bool(a.answer.urls),
        Billed.YES,
        Again.NEVER,
    ),
    Rule(
        "never-connected",
        "no connection was made (curl 5, 6, 7, 28, 35 … before the request was sent)",
        lambda a: not a.end.sent and a.end.exit_code in _PASSING_CONNECT_CODES,
        Billed.NO,
        Again.SAFE,
    ),
    Rule(
        "cannot-connect",
        "no connection can be made (certificate, CA file, bad URL …)",
        lambda a: not a.end.sent and a.was_cut,
        Billed.NO,
        Again.NEVER,
    ),
    Rule(
        "quota",
        "out of credit, or over a spend or usage limit",
        lambda a: a.status >= 400 and is_quota(a.code),
        Billed.NO,
        Again.NEVER,
    ),
    Rule(
        "server-says-retry",
        "an error with the header `x-should-retry: true`",
        lambda a: a.status >= 400 and a.header("x-should-retry").lower() == "true",
        Billed.NO,
        Again.SAFE,
    ),
    Rule(
        "server-says-stop",
        "429, or an overload as below, with the header `x-should-retry: false`",
        lambda a: (a.status == 429 or is_overload(a)) and a.header("x-should-retry").lower() == "false",
        Billed.NO,
        Again.NEVER,
    ),
    Rule(
        "request-too-large",
        "429: more in one request than the limit allows in a minute",
        lambda a: a.status == 429 and is_too_large(a),
        Billed.NO,
        Again.NEVER,
    ),
    Rule(
        "rate-limit",
        "429: too many requests or tokens a minute",
        lambda a: a.status == 429,
        Billed.NO,
        Again.SAFE,
    ),
    Rule(
        "overload",
        "503 with the API's own overload error, or with `Retry-After`",
        lambda a: is_overload(a),
        Billed.NO,
        Again.SAFE,
    ),
    Rule(
        "moderation-output",
        "the finished image was blocked by moderation",
        lambda a: a.error is not None and a.error.moderation_stage == "output",
        Billed.MAYBE,
        Again.NEVER,
    ),
    Rule(
        "request-timeout",
        "408: the server gave up waiting",
        lambda a: a.status == 408,
        Billed.MAYBE,
        Again.OPT_IN,
    ),
    Rule(
        "refused",
        "any other 3xx or 4xx: refused before work",
        lambda a: 300 <= a.status < 500,
        Billed.NO,
        Again.NEVER,
    ),
    Rule(
        "server-error",
        "500, 502, 504, 524 and any other 5xx",
        lambda a: a.status >= 500,
        Billed.MAYBE,
        Again.OPT_IN,
    ),
    Rule(
        "cut",
        "connection reset, cut or timed out after the request was sent",
        lambda a: a.was_cut,
        Billed.MAYBE,
        Again.OPT_IN,
    ),
    Rule(
        "refused-under-200",
        "an error under status 200 whose code says that it was refused before work",
        lambda a: is_refusal(a.code),
        Billed.NO,
        Again.NEVER,
    ),
    Rule(
        "unusable-answer",
        "any other answer without an image (error under 200, HTML, empty, not an image)",
        lambda _: True,
        Billed.MAYBE,
        Again.NEVER,
    ),
)


def judge(attempt: Attempt) -> Rule:
    """The first row of the policy that fits."""
    return next(rule for rule in RULES if rule.fits(attempt))


def may_send_again(rule: Rule, retry_ambiguous: bool) -> bool:
    """Whether the policy, and the user's word, allow one more request."""
    return rule.again is Again.SAFE or (rule.again is Again.OPT_IN and retry_ambiguous)


def server_wait_s(attempt: Attempt, now: Optional[float] = None) -> Optional[float]:
    """The wait that the server asks for in seconds, by header or by its message; None when it names none."""
    headers: Mapping[str, str] = attempt.head.headers if attempt.head else {}
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    after = headers.get("retry-after", "")
    seconds = _number(after)
    if seconds is not None:
        return seconds
    if after:
        from email.utils import parsedate_to_datetime

        try:
            return max(0.0, parsedate_to_datetime(after).timestamp() - (time.time() if now is None else now))
        except (TypeError, ValueError, IndexError, OverflowError):  # by version of Python
            pass
    return _wait_in_words(attempt.error.message) if attempt.error else None


def backoff_s(retry: int, dice: Optional[float] = None) -> float:
    """The wait before a retry (the first is 0) where the server names none: full jitter on 1, 2, 4 … 60 s.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog. `dice` is a number from 0 to 1.
    """
    if dice is None:
        import random

        dice = random.random()  # noqa: S311
    return dice * min(MAX_BACKOFF_S, 2.0 ** min(retry, _MAX_DOUBLINGS))


def is_overload(attempt: Attempt) -> bool:
    """Whether the API itself says that it is overloaded, and not a gateway behind which a job may run."""
    is_reported = attempt.code in _OVERLOAD_CODES | _RATE_CODES or bool(attempt.header("retry-after"))
    return attempt.status == 503 and is_reported


def is_too_large(attempt: Attempt) -> bool:
    """Whether no wait would help: one request asks for more than a minute's limit."""
    return attempt.error is not None and attempt.error.message.lower().startswith("request too large")


def is_quota(code: str) -> bool:
    """Whether an error code says that the money is gone, not that it is too fast."""
    return code in QUOTA_CODES or re.fullmatch(_QUOTA_CODE, code) is not None


def is_refusal(code: str) -> bool:
    """Whether an error code by itself says that the request was refused before work."""
    return is_quota(code) or code in _RATE_CODES | _OVERLOAD_CODES | _REFUSAL_CODES


def request_id(head: Optional[ResponseHead], secrets: Iterable[str]) -> Optional[str]:
    """The id under which the server knows the request, None when it gave none."""
    if head is None:
        return None
    given = head.headers.get("x-request-id") or head.headers.get("apim-request-id")
    return show(given, secrets, _REQUEST_ID_CHARS) if given else None


def _wait_in_words(message: str) -> Optional[float]:
    match = re.search(_WAIT_WORDS, message, re.I)
    return duration_s(match.group(1)) if match else None


def _number(text: str) -> Optional[float]:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None
