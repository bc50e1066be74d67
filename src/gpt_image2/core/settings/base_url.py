"""What a base URL may be, what of a pasted address is one, and whose it is: OpenAI's, Azure's, this
machine's, the sandbox's. Pure."""

from __future__ import annotations

import re
from typing import Mapping, Optional, Set, Tuple
from urllib.parse import parse_qsl, urlsplit

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
_ENDPOINTS = (
    r"(/+(images/+(generations|edits|variations)|chat/+completions|completions|responses|models|embeddings"
    r"|audio/+(speech|transcriptions|translations)|files|batches))+$"
)
#: What portals and habit give for a resource at Azure instead of its base URL.
_AZURE_STUBS = r"(/openai|/v1|/api/projects/[^/]+)?"
_DEPLOYMENT = r"/openai/deployments/([^/]+)"
_AZURE_PATH, _OFFICIAL_PATH = "/openai/v1", "/v1"


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
    """
    problem = _base_url_problem(url)
    if problem:
        raise _refused(source, problem)
    parts = urlsplit(url)
    path = re.sub(_ENDPOINTS, "", parts.path.rstrip("/"), flags=re.I)
    is_endpoint = path != parts.path.rstrip("/")
    query = parse_qsl(parts.query, keep_blank_values=True)
    others = [name for name, _ in query if name != API_VERSION]
    if others and not is_endpoint:
        raise _refused(
            source, f"has {', '.join(others)} in its query", 'give it as "query" in the config file'
        )
    versions = tuple(pair for pair in query if pair[0] == API_VERSION)
    what, advice = "the address of an endpoint" if is_endpoint else "", ""
    deployment = re.fullmatch(_DEPLOYMENT, path)
    if is_azure(url) and (re.fullmatch(_AZURE_STUBS, path) or (deployment and not versions)):
        what = "an Azure deployment" if deployment else "an Azure resource"
        advice = f"; the deployment's name goes by --model {deployment.group(1)}" if deployment else ""
        path = _AZURE_PATH  # whose versions are words; those that are dates belong to deployments
        versions = tuple(pair for pair in versions if not pair[1][:1].isdigit())
    elif is_official(url) and not path:
        what, path = what or "a bare host", _OFFICIAL_PATH
    if others:
        advice += f"; {', '.join(others)} is left out"
    base = f"{parts.scheme}://{parts.netloc}{path}"
    return BaseUrl(
        base, versions, f"base URL from {source} is {what}: {base} is used{advice}" if what else ""
    )


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


def _refused(
    source: str, problem: str, hint: str = f"expected something like {DEFAULT_BASE_URL}"
) -> ConfigError:
    return ConfigError(f"base URL from {source} {problem}", hint=hint, code="bad_base_url")
