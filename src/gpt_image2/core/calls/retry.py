"""What may be sent again, whether it may have been billed, and how long to wait. Pure, but for the dice.

The table below is the whole policy; the first row that fits counts. Nothing that can have been billed is
sent again, unless the user opts in with `--retry-ambiguous`.
"""

from __future__ import annotations

import re
import time
from enum import Enum
from typing import Callable, Iterable, Optional, Tuple

from ..api.refusals import MODERATION, OVERLOAD, QUOTA, RATE_LIMIT, Refusal, refusal_by_code, refusal_by_words
from ..base.outcome import Billed
from ..base.record import Record
from ..base.redact import show
from ..base.untrusted import duration_s
from ..wire.messages import ResponseHead, TransferEnd
from .response import Answer
from .server_error import ServerError
from .task import Task, TaskState

MAX_BACKOFF_S = 60.0
#: The longest wait that a server is obeyed in, two hours: limits by the hour come back in it, and a wait of
#: years, asked for in error, does not look like a hang.
MAX_SERVER_WAIT_S = 7200.0
DEFAULT_RETRIES = 2
_REQUEST_ID_CHARS = 200
_DATE_CHARS = 64
_PAGE_CHARS, _BAD_REQUEST_CHARS = 200, 600

#: curl's codes for what may well succeed next time: proxy, name, connect, timeout, TLS, send, receive.
_PASSING_CONNECT_CODES = frozenset({5, 6, 7, 28, 35, 52, 55, 56, 97})
#: How curl tells that a proxy refused for good to connect; 408 and 429 may pass.
_PROXY_REFUSED = r"(?:response|HTTP code) (?:40[0-7]|41\d|501|505)\b"
#: Statuses that the same request gets again, whatever the server asks for.
_LASTING = frozenset({405, 407, 411, 413, 414, 415, 431, 501, 505, 511})

_WAIT_WORDS = r"\b(?:re)?try(?: again)? (?:in|after) (?=[0-9])"
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
    #: The task that the request was accepted as, and how far it is.
    accepted: Optional[Task] = None

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
    def said_status(self) -> int:
        """The status that the answer says: the HTTP status, or under 200 that in the error itself."""
        return self.error.status if self.error and self.error.status and self.status < 300 else self.status

    @property
    def refusal(self) -> Optional[Refusal]:
        """What the server refused the request for, by its code or its words; of a page, its first words."""
        error, status = self.error, self.said_status
        if error is not None:
            return refusal_by_code(error.code, error.type) or refusal_by_words(error.message, status)
        title, text = self.answer.title, self.answer.text
        page = f"{title} {text[:_BAD_REQUEST_CHARS]}" if status == 400 else title or text[:_PAGE_CHARS]
        return refusal_by_words(page, status) if status >= 400 else None

    @property
    def is_pending(self) -> bool:
        """Whether it was accepted as a task that has not ended: its images are still to come."""
        has_images = bool(self.images) and not self.was_cut
        has_ended = has_images or self.answer.urls or self.error is not None or self.kept_aside
        return self.accepted is not None and not has_ended and self.accepted.state is not TaskState.DONE

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
        "task-refunded",
        "a task that failed, of which the host says that nothing was charged",
        lambda a: a.accepted is not None and a.accepted.is_free and a.error is not None,
        Billed.NO,
        Again.NEVER,
    ),
    Rule(
        "task",
        "accepted as a task that failed, or has not ended",
        lambda a: a.accepted is not None,
        Billed.MAYBE,
        Again.NEVER,
    ),
    Rule(
        "never-connected",
        "no connection was made (curl 5, 6, 7, 28, 35 … before the request was sent)",
        lambda a: not a.end.sent and a.end.exit_code in _PASSING_CONNECT_CODES and not is_lasting(a),
        Billed.NO,
        Again.SAFE,
    ),
    Rule(
        "cannot-connect",
        "no connection can be made (certificate, CA file, bad URL, a proxy that refuses …)",
        lambda a: not a.end.sent and a.was_cut,
        Billed.NO,
        Again.NEVER,
    ),
    Rule(
        "quota",
        "out of credit, or over a spend or usage limit, by code, by words or by 402",
        lambda a: a.refusal is QUOTA or a.said_status == 402,
        Billed.NO,
        Again.NEVER,
    ),
    Rule(
        "moderation",
        "blocked by moderation, unless the answer says that it was the input",
        lambda a: is_blocked(a),
        Billed.MAYBE,
        Again.NEVER,
    ),
    Rule(
        "lasting",
        "405, 407, 411, 413, 414, 415, 431, 501, 505 or 511: no other answer can come",
        lambda a: is_lasting(a),
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
        lambda a: (a.said_status == 429 or is_overload(a)) and a.header("x-should-retry").lower() == "false",
        Billed.NO,
        Again.NEVER,
    ),
    Rule(
        "request-too-large",
        "429: more in one request than the limit allows in a minute",
        lambda a: a.said_status == 429 and is_too_large(a),
        Billed.NO,
        Again.NEVER,
    ),
    Rule(
        "rate-limit",
        "429: too many requests or tokens a minute",
        lambda a: a.said_status == 429,
        Billed.NO,
        Again.SAFE,
    ),
    Rule(
        "overload",
        "5xx with the API's own overload error, or 503 with `Retry-After`",
        lambda a: is_overload(a),
        Billed.NO,
        Again.SAFE,
    ),
    Rule(
        "request-timeout",
        "408, or 499 of a gateway: somebody gave up waiting",
        lambda a: a.said_status in (408, 499),
        Billed.MAYBE,
        Again.OPT_IN,
    ),
    Rule(
        "refused",
        "any other 3xx or 4xx: refused before work",
        lambda a: 300 <= a.said_status < 500,
        Billed.NO,
        Again.NEVER,
    ),
    Rule(
        "refused-by-words",
        "any other error whose code or words say that it was refused before work, under 200 or a 5xx",
        lambda a: a.refusal is not None,
        Billed.NO,
        Again.NEVER,
    ),
    Rule(
        "server-error",
        "500, 502, 504, 524 and any other 5xx",
        lambda a: a.said_status >= 500,
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
    """The wait that the server asks for in seconds, by header or by its message, at most
    `MAX_SERVER_WAIT_S`; None when it names none."""
    milliseconds = duration_s(attempt.header("retry-after-ms"), 1000 * MAX_SERVER_WAIT_S)
    if milliseconds is not None:
        return milliseconds / 1000
    after = attempt.header("retry-after")
    seconds = duration_s(after, MAX_SERVER_WAIT_S)
    if seconds is None and after:
        seconds = _until_date(after, time.time() if now is None else now)
    if seconds is None and attempt.error is not None:
        match = re.search(_WAIT_WORDS, attempt.error.message, re.I)
        words = attempt.error.message[match.end() :] if match else ""
        seconds = duration_s(words, MAX_SERVER_WAIT_S, whole=False)
    return seconds


def _until_date(text: str, now_s: float) -> Optional[float]:
    """Seconds until an HTTP date, at most as long as a server is obeyed; None where it is none."""
    from email.utils import parsedate_to_datetime

    try:
        wait_s = parsedate_to_datetime(text[:_DATE_CHARS]).timestamp() - now_s
    except (TypeError, ValueError, IndexError, OverflowError, OSError):  # by version of Python
        return None
    return min(max(0.0, wait_s), MAX_SERVER_WAIT_S)


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
    is_reported = attempt.said_status >= 500 and attempt.refusal in (OVERLOAD, RATE_LIMIT)
    return is_reported or (attempt.status == 503 and bool(attempt.header("retry-after")))


def is_blocked(attempt: Attempt) -> bool:
    """Whether moderation stopped it, perhaps only when the image was there."""
    stage = attempt.error.moderation_stage if attempt.error else ""
    return stage == "output" or (attempt.refusal is MODERATION and stage != "input")


def is_lasting(attempt: Attempt) -> bool:
    """Whether the same request gets the same answer for good: nobody is asked again in vain."""
    if not attempt.end.sent:
        return re.search(_PROXY_REFUSED, attempt.end.message) is not None
    return attempt.said_status in _LASTING


def is_too_large(attempt: Attempt) -> bool:
    """Whether no wait would help: one request asks for more than a minute's limit."""
    return attempt.error is not None and "request too large" in attempt.error.message.lower()


def is_quota(code: str) -> bool:
    """Whether an error code says that the money is gone, not that it is too fast."""
    return refusal_by_code(code) is QUOTA


def is_refusal(code: str) -> bool:
    """Whether an error code by itself says that the request was refused before work."""
    return refusal_by_code(code) not in (None, MODERATION)


def request_id(head: Optional[ResponseHead], secrets: Iterable[str]) -> Optional[str]:
    """The id under which the server knows the request, None when it gave none."""
    if head is None:
        return None
    given = head.headers.get("x-request-id") or head.headers.get("apim-request-id")
    return show(given, secrets, _REQUEST_ID_CHARS) if given else None
