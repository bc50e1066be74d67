"""What a base URL may be, and whose it is: OpenAI's, this machine's, the sandbox's. Pure."""

from __future__ import annotations

import re
from typing import Mapping, Optional, Set
from urllib.parse import urlsplit

from ..base.errors import ConfigError
from ..wire.addresses import is_loopback_host, read_address

DEFAULT_BASE_URL = "https://api.openai.com/v1"
#: What the sandbox says of itself in every answer.
SANDBOX_HEADER = "x-gpt-image-2-sandbox"
#: The base URLs of the sandboxes that this process runs itself.
OWN_SANDBOXES: Set[str] = set()


def check_base_url(url: str, source: str) -> None:
    """Refuses a base URL that cannot be one, or that carries credentials."""
    problem = _base_url_problem(url)
    if problem:
        raise ConfigError(
            f"base URL from {source} {problem}",
            hint=f"expected something like {DEFAULT_BASE_URL}",
            code="bad_base_url",
        )


def is_official(url: str) -> bool:
    """Whether a base URL is OpenAI's own, over TLS."""
    return has_same_origin(url, DEFAULT_BASE_URL)


def has_same_origin(url: str, other: str) -> bool:
    """Whether two URLs are of one server: of one scheme, host and port."""
    try:
        return read_address(url).origin == read_address(other).origin
    except ValueError:
        return False


def is_sandbox(url: str, headers: Mapping[str, str]) -> bool:
    """Whether an answer came from the sandbox, by what that says of itself. Elsewhere than on this machine no
    header makes a host one that charges nothing."""
    return SANDBOX_HEADER in headers and is_loopback(url)


def is_loopback(url: str) -> bool:
    try:
        return is_loopback_host(urlsplit(url).hostname or "")
    except ValueError:
        return False


def _base_url_problem(url: str) -> Optional[str]:
    if re.search(r"[\x00-\x20\x7f\\]", url):
        return "has a blank, a backslash or a control character in it"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (raises for a port that is no number)
    except ValueError as error:
        return f"cannot be read: {error}"
    if "@" in parts.netloc:
        return "has credentials in it; give the key by api_key_env instead"
    if parts.scheme not in ("http", "https"):
        return f"needs http:// or https:// in front, found {url!r}"
    if not parts.hostname:
        return f"has no host: {url!r}"
    if not parts.hostname.isascii():
        return "has other characters than ASCII in its host; write it in its form with xn--"
    try:
        read_address(url)
    except ValueError as error:
        return f"cannot be read: {error}"
    if parts.query or parts.fragment:
        return "has a query or a fragment; only scheme, host and path belong in it"
    return None
