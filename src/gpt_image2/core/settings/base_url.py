"""What a base URL may be, what of a pasted address is one, and whose it is: OpenAI's, Azure's, this
machine's, the sandbox's. Pure."""

from __future__ import annotations

import re
from typing import Mapping, Optional, Set, Tuple
from urllib.parse import urlsplit

from ..base.errors import ConfigError
from ..base.record import Record
from ..wire.addresses import is_loopback_host, read_address

DEFAULT_BASE_URL = "https://api.openai.com/v1"
#: What the sandbox says of itself in every answer.
SANDBOX_HEADER = "x-gpt-image-2-sandbox"
#: The base URLs of the sandboxes that this process runs itself.
OWN_SANDBOXES: Set[str] = set()


#: The one parameter that belongs to a base URL: which form of the API is spoken, at Azure and its gateways.
API_VERSION = "api-version"
_AZURE_HOSTS = (
    ".openai.azure.com",
    ".openai.azure.us",
    ".cognitiveservices.azure.com",
    ".services.ai.azure.com",
)
#: Endpoints below a base URL, as they are pasted from documentation and portals.
ENDPOINTS = (
    r"(/+(images/+(generations|edits|variations)|chat/+completions|completions|responses|models|embeddings"
    r"|audio/+(speech|transcriptions|translations)|files|batches))+$"
)
AZURE_PATH = "/openai/v1"
_OFFICIAL_ROOTS = ("https://api.openai.com", "https://api.openai.com:443")


class BaseUrl(Record):
    """A base URL as it is used, without a slash at its end. `query` goes with every request. `said` tells
    what was made of an address that is none as it was given, else it is empty."""

    url: str
    query: Tuple[Tuple[str, str], ...] = ()
    said: str = ""


def read_base_url(url: str, source: str) -> BaseUrl:
    """The base URL that is meant by one, by an endpoint below it, or by an Azure resource or deployment.

    Raises:
        ConfigError: it cannot be one, or it carries credentials.
        UsageError: it is none as it is, and the script lies alone.
    """
    problem = _base_url_problem(url)
    if problem:
        raise refused(source, problem)
    plain = url.rstrip("/")
    is_stub = is_azure(url) and not plain.endswith(AZURE_PATH)
    is_odd = is_stub or re.search(ENDPOINTS, plain, re.I) or plain.lower() in _OFFICIAL_ROOTS
    if re.fullmatch(r"https?://[^?#]+", plain) and not is_odd:
        return BaseUrl(plain)
    from .pasted_url import read_pasted_url

    return read_pasted_url(url, source)


def is_azure(url: str) -> bool:
    """Whether a URL is of a resource at Azure, which takes its key in a header of its own."""
    return (urlsplit(url).hostname or "").endswith(_AZURE_HOSTS)


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
    return "has a fragment (#)" if parts.fragment else None


def refused(
    source: str, problem: str, hint: str = f"expected something like {DEFAULT_BASE_URL}"
) -> ConfigError:
    """The error for what cannot be a base URL."""
    return ConfigError(f"base URL from {source} {problem}", hint=hint, code="bad_base_url")
