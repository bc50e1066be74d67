"""How many images a minute: a bucket that refills all the time, or a window that refills at once.

Says in headers what is left, and refuses in the words of the API.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..connection import Headers
from ..settings import Limits
from .errors import Refused

_MINUTE_S = 60.0
_ORGANIZATION = "org-sandbox"


def _headers(unit: str, limit: str, remaining: str, reset: str) -> Headers:
    values = {"limit": limit, "remaining": remaining, "reset": reset}
    return [(f"x-ratelimit-{name}-{unit}", value) for name, value in values.items()]


_REQUESTS = _headers("requests", "250", "249", "240ms")
#: Tokens are not limited here.
_TOKENS = _headers("tokens", "8000000", "7999000", "7ms")


class Limiter:
    """What stands before the image endpoints: this one lets everything pass, as with a large account."""

    def take(self, images: int, model: str) -> None:
        """Let a request for some images pass, or refuse it with 429."""

    def headers(self, status: int) -> Headers:
        """The `x-ratelimit` headers of an answer with a status."""
        return (*_REQUESTS, *_TOKENS) if status in (200, 429) else ()


class PerMinute(Limiter):
    """Limits the images of a minute; `now_s` is any clock in seconds."""

    def __init__(self, limits: Limits, now_s: Callable[[], float]) -> None:
        self._limits = limits
        self._now_s = now_s
        self._left = float(limits.capacity)
        self._seen_s = now_s()

    def take(self, images: int, model: str) -> None:
        """Take images from what is left; a refusal says how long to wait, unless no wait would help."""
        self._refill()
        limit = self._limits.images_per_minute
        place = f"for {model} in organization {_ORGANIZATION} on images per min"
        if images > self._limits.capacity:
            message = f"Request too large {place}: Limit {limit}, Requested {images}."
            raise Refused(429, message, type="requests", code="rate_limit_exceeded")
        if images > self._left:
            wait_ms = math.ceil(self._wait_s(images) * 1000)
            message = (
                f"Rate limit reached {place}: Limit {limit}, Used {max(0, limit - int(self._left))}, "
                f"Requested {images}. Please try again in {in_words(wait_ms)}."
            )
            headers = {"retry-after": str(math.ceil(wait_ms / 1000)), "retry-after-ms": str(wait_ms)}
            raise Refused(429, message, type="requests", code="rate_limit_exceeded", headers=headers)
        self._left -= images

    def headers(self, status: int) -> Headers:  # noqa: ARG002
        """What is left now, in images and so in requests for one image."""
        self._refill()
        reset = in_words(math.ceil(self._wait_s(self._limits.capacity) * 1000))
        state = (str(self._limits.images_per_minute), str(int(self._left)), reset)
        return (*_headers("images", *state), *_headers("requests", *state), *_TOKENS)

    def _refill(self) -> None:
        passed_s = self._now_s() - self._seen_s
        if not self._limits.fixed_window:
            self._left = min(self._limits.capacity, self._left + passed_s / self._seconds_per_image)
            self._seen_s += passed_s
        elif passed_s >= _MINUTE_S:
            self._left = self._limits.capacity
            self._seen_s += passed_s // _MINUTE_S * _MINUTE_S

    def _wait_s(self, images: int) -> float:
        """Seconds until so many images are left."""
        if images <= self._left:
            return 0.0
        if self._limits.fixed_window:
            return self._seen_s + _MINUTE_S - self._now_s()
        return (images - self._left) * self._seconds_per_image

    @property
    def _seconds_per_image(self) -> float:
        return _MINUTE_S / self._limits.images_per_minute


def in_words(milliseconds: int) -> str:
    """A time as the API writes it: `240ms`, `1.5s`, `1m12s`."""
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest_ms = divmod(milliseconds, 60_000)
    seconds = f"{rest_ms / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{minutes}m{seconds}" if minutes else seconds
