"""Why an attempt brought no image, in the words of whoever kept it back, and what to do about it. Pure."""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, Optional, Tuple
from urllib.parse import urlsplit

from ..api.ratios import nearest_legal_size
from ..api.refusals import (
    BAD_FIELD,
    MODERATION,
    PROXY,
    RATE_LIMIT,
    refusal_by_code,
    refusal_by_status,
)
from ..api.request import REQUEST_FIELDS, ImageRequest
from ..base.errors import ApiError, AuthenticationError, ConfigError, NetworkError, QuotaError
from ..base.record import replace
from ..base.redact import show
from ..telling.amounts import size_in_words
from .explain import Cause
from .retry import MAX_SERVER_WAIT_S, Attempt, is_too_large, server_wait_s

#: Seconds after which common gateways cut a silent connection: nginx at 60, Cloudflare at 100 to 125.
_GATEWAY_WINDOWS_S = ((55.0, 65.0), (95.0, 130.0))
#: How LiteLLM passes on what its provider said.
_THROUGH_LITELLM = r"litellm\.\w{1,100}: (?:\w{1,100}: )?\w{1,100}Exception - "
_FLAGS = {
    "format": "--format (or config field format_field)",
    "output_format": '--format (a relay that wants another name: "format_field": "format" in the config)',
    "image": "the input images",
    "image[]": "the input images",
    "prompt": "the prompt",
}
_SIZE = r"([0-9]{1,5}) ?x ?([0-9]{1,5})"
_CURL_REFUSED, _CURL_TIMEOUT, _CURL_CERTIFICATE = 7, 28, 60
_SHOWN_PAGE_CHARS = 4000

#: What curl's exit codes mean for a user; {host} is the server's name.
_CURL_CAUSES: Dict[int, Tuple[str, str, str]] = {
    6: ("dns", "the name {host} cannot be resolved", "check the base URL and the network"),
    7: ("refused", "{host} refuses connections", "check the base URL and its port; is the server running?"),
    35: (
        "tls",
        "the TLS handshake with {host} failed",
        "check https:// against http://, the port, and the proxy",
    ),
    47: ("redirect", "too many redirects", "set base_url to the final address"),
    60: (
        "tls_certificate",
        "the certificate of {host} cannot be verified",
        "set CURL_CA_BUNDLE to your CA file, or correct the host name in base_url",
    ),
    77: ("tls_ca", "the CA file cannot be read", "correct CURL_CA_BUNDLE or SSL_CERT_FILE"),
}
#: Statuses whose pages are those of whoever keeps people out, and never the API's.
_KEPT_OUT = (401, 403, 451)


def cause_of(
    attempt: Attempt, doubt: str, request: Optional[ImageRequest], base_url: str, secrets: Tuple[str, ...]
) -> Cause:
    """The cause of an attempt without an image; `doubt` is what its hint says of money, if anything."""
    host = show(urlsplit(base_url).netloc, secrets)
    if attempt.was_cut and attempt.error is None and not attempt.status >= 300:
        if attempt.end.sent:
            cause = _cut_cause(attempt, request, secrets)
        else:
            cause = _unsent_cause(attempt, host, secrets)
    elif _is_page_of_proxy(attempt, base_url):
        cause = _proxy_page(attempt, secrets)
    elif attempt.error is not None or attempt.status >= 300:
        cause = _server_cause(attempt, request, secrets)
    else:
        cause = _unusable_cause(attempt, secrets)
    hint = "; ".join(filter(None, [cause.hint, doubt]))
    if attempt.error is not None and re.match(_THROUGH_LITELLM, attempt.error.message):
        hint = _hint_on_litellm(cause, attempt, request, hint)
    return replace(cause, hint=hint)


def _hint_on_litellm(cause: Cause, attempt: Attempt, request: Optional[ImageRequest], hint: str) -> str:
    """The hint, where the provider spoke to LiteLLM: of its key, and perhaps more than once.

    Source of the figures: LiteLLM 1.108.7, whose router and client each send a request up to three times.
    """
    if issubclass(cause.kind, (AuthenticationError, QuotaError)):
        return "the provider says so of the key that LiteLLM has, not of yours; tell who runs the proxy"
    if attempt.said_status < 500:
        return hint
    if request and request.stream:
        hint = f"leave out --stream, which LiteLLM cannot pass on; {hint}"
    return f"{hint}; LiteLLM itself sends what fails up to 9 times (3 with num_retries: 0 in its config)"


def _unsent_cause(attempt: Attempt, host: str, secrets: Iterable[str]) -> Cause:
    """Why no connection was made that could have carried the request."""
    end = attempt.end
    code, said = end.exit_code, show(end.message, secrets)
    if end.proxy and code not in (35, _CURL_CERTIFICATE, 77):
        return _proxy_cause(attempt, host, said)
    if code in _CURL_CAUSES:
        name, message, hint = _CURL_CAUSES[code]
        if code == _CURL_CERTIFICATE and re.search(r"alternative certificate subject|does not match", said):
            hint = "the certificate is for another host name; correct base_url"
        return Cause(NetworkError, name, f"{message.format(host=host)} ({said})", hint)
    if code == _CURL_TIMEOUT:
        return Cause(
            NetworkError, "connect_timeout", f"no connection to {host} in time ({said})", "try again"
        )
    if code in (1, 2, 3):
        return Cause(ConfigError, "curl", f"curl cannot take the request: {said}", "check base_url")
    return Cause(NetworkError, "network", f"no connection to {host} ({said})", "check the network")


def _proxy_cause(attempt: Attempt, host: str, said: str) -> Cause:
    """Why the proxy made no connection: it is not there, or does not want to, or cannot."""
    end = attempt.end
    proxy, variable = show(end.proxy), end.proxy.partition(" ")[0]
    hint = f"correct {variable}, or add {host.partition(':')[0]} to NO_PROXY to go there without it"
    if re.search(r"(response|HTTP code) 407\b", said):
        return _password_wanted(proxy, said)
    if end.exit_code == 5:
        what = "cannot be found"
    elif end.exit_code == _CURL_REFUSED and re.search(r"connect to \S+ port|connect to server", said):
        what, hint = "cannot be reached", f"is it running? {hint}"
    elif end.exit_code == _CURL_TIMEOUT:
        what = f"did not reach {host} in time" if end.connect_s else "does not answer in time"
    else:
        what = f"did not connect to {host}"
    return Cause(NetworkError, PROXY.code, f"the proxy of {proxy} {what} ({said})", hint)


def _password_wanted(proxy: str, said: str) -> Cause:
    return Cause(
        NetworkError,
        PROXY.code,
        f"the proxy of {proxy} wants a name and a password, or other ones than it got ({said})",
        f"put them into {proxy.partition(' ')[0]}: http://NAME:PASSWORD@HOST:PORT",
    )


def _cut_cause(attempt: Attempt, request: Optional[ImageRequest], secrets: Iterable[str]) -> Cause:
    """How an answer to a request that may have left was cut off."""
    code, said = attempt.end.exit_code, show(attempt.end.message, secrets)
    if code == _CURL_TIMEOUT:
        hint = "raise --timeout, or add --stream" if request else "try again"
        return Cause(NetworkError, "timeout", f"no whole answer within {attempt.elapsed_s:.0f} s", hint)
    if attempt.body_bytes == 0 and any(low <= attempt.elapsed_s <= high for low, high in _GATEWAY_WINDOWS_S):
        return Cause(
            NetworkError,
            "gateway_cut",
            f"the connection was closed after {attempt.elapsed_s:.0f} s without a byte ({said})",
            _stream_hint(request),
        )
    if attempt.end.is_too_long:
        hint = "see --max-download" if request else ""
        return Cause(NetworkError, "too_long", f"the answer is {said}", hint)
    if attempt.end.is_undecodable:
        return Cause(
            NetworkError,
            "bad_encoding",
            f"the answer came, but cannot be decompressed ({said})",
            "turn compression off in the gateway before the API",
        )
    if "HTTP/0.9" in said:
        hint = "check base_url: its port may want https://, or serve something else"
        return Cause(NetworkError, "not_http", f"what answers there does not speak HTTP ({said})", hint)
    if attempt.body_bytes:
        return Cause(
            NetworkError, "truncated", f"the answer was cut after {attempt.body_bytes:,} bytes ({said})", ""
        )
    return Cause(NetworkError, "connection_lost", f"the connection was lost after sending ({said})", "")


def _stream_hint(request: Optional[ImageRequest]) -> str:
    why = "a gateway gives up on silent connections"
    if request is None:
        return why
    if request.stream:
        return f"{why}; raise --partial-images: previews keep the connection alive"
    return f"{why}; add --stream: partial images keep the connection alive"


def _is_page_of_proxy(attempt: Attempt, base_url: str) -> bool:
    """Whether it seems to be the proxy's own answer; through a tunnel, as for https, the server speaks."""
    if attempt.error is not None or not attempt.end.proxy or not base_url.startswith("http://"):
        return False
    refusal = attempt.refusal
    is_page = attempt.status >= 400 or attempt.answer.shape == "html"
    return is_page and (refusal is None or refusal.raises is AuthenticationError)


def _proxy_page(attempt: Attempt, secrets: Iterable[str]) -> Cause:
    proxy, variable = show(attempt.end.proxy), attempt.end.proxy.partition(" ")[0]
    if attempt.status in PROXY.statuses:
        return _password_wanted(proxy, "HTTP 407")
    page = _describe_page(attempt, secrets)
    return Cause(
        NetworkError,
        PROXY.code,
        f"the proxy of {proxy} answered in place of the API: HTTP {attempt.status}: {page}",
        f"ask who runs it to let this host through, or use https:// in base_url, or correct {variable}",
    )


def _server_cause(attempt: Attempt, request: Optional[ImageRequest], secrets: Iterable[str]) -> Cause:
    error = attempt.error
    status, said_status = attempt.status, attempt.said_status
    name = error.code if error else ""
    said = show(error.message, secrets) if error else _describe_page(attempt, secrets)
    text = f"HTTP {status}: {said}" if status >= 300 else f"the server answered an error: {said}"
    if attempt.accepted is not None:
        text = f"the task {show(attempt.accepted.id, secrets)} failed: {said}"
    refusal = attempt.refusal or refusal_by_status(said_status)
    if refusal is MODERATION or (error is not None and error.moderation_stage):
        return _moderation(attempt, text)
    if refusal is BAD_FIELD and error is not None:
        return _bad_request(attempt, text, request)
    is_page = error is None and (attempt.answer.shape == "html" or _is_of_firewall(attempt))
    if is_page and status in _KEPT_OUT and (refusal is None or refusal.raises is AuthenticationError):
        return Cause(
            ApiError,
            "html_page",
            text,
            f"that is {'a web page' if attempt.answer.shape == 'html' else 'a firewall'} and not the API's "
            "answer: a gateway, a firewall or a login stands before it; check base_url",
        )
    if status == 413:
        return Cause(ApiError, name or "too_large", text, _size_hint(request))
    if refusal is not None and refusal is not BAD_FIELD:
        cure = _wait_hint(attempt) if refusal is RATE_LIMIT else refusal.cure
        by_type = error.type if error and refusal_by_code(error.type) is refusal else ""
        return Cause(refusal.raises, name or by_type or refusal.code, text, cure)
    if 300 <= status < 400:
        where = show(attempt.header("location"), secrets, 200)
        return Cause(
            ApiError,
            "redirect",
            f"{text} (to {where})",
            "redirects are not followed with a key; correct base_url",
        )
    if said_status in (504, 524) or (said_status == 502 and attempt.elapsed_s >= _GATEWAY_WINDOWS_S[0][0]):
        return Cause(ApiError, name or "gateway_cut", text, _stream_hint(request))
    return Cause(ApiError, name or ("server_error" if said_status >= 500 else "api_error"), text, "")


def _is_of_firewall(attempt: Attempt) -> bool:
    """Whether an answer is one of Cloudflare's own, which it gives programs in place of a page."""
    return re.match(r"error code: 1\d{3}\b", attempt.answer.text) is not None


def _moderation(attempt: Attempt, text: str) -> Cause:
    error = attempt.error
    details: List[str] = []
    if error is not None and error.moderation_stage:
        details.append(f"stage: {show(error.moderation_stage)}")
    if error is not None and error.moderation_categories:
        details.append("categories: " + show(", ".join(error.moderation_categories)))
    suffix = f" ({'; '.join(details)})" if details else ""
    return Cause(MODERATION.raises, MODERATION.code, text + suffix, MODERATION.cure)


def _size_hint(request: Optional[ImageRequest]) -> str:
    """What makes a request smaller, and how large its parts are."""
    if request is None:
        return ""
    files = [*request.images, *([request.mask] if request.mask else [])]
    if not files:
        return f"the prompt has {len(request.prompt):,} characters: shorten it"
    total = sum(file.size_bytes for file in files)
    return f"the input images have {size_in_words(total)}: give fewer, or smaller ones (jpeg, webp)"


def _bad_request(attempt: Attempt, text: str, request: Optional[ImageRequest]) -> Cause:
    error = attempt.error
    assert error is not None
    size = re.search(_SIZE, error.message) or (request and re.search(_SIZE, request.effective_size))
    if "size" in (error.param or error.message[:60].lower()) and size:
        nearest = "{}x{}".format(*nearest_legal_size(int(size.group(1)), int(size.group(2))))
        return Cause(ApiError, error.code or "invalid_size", text, f"the nearest legal size is {nearest}")
    named = re.search(r"[Uu]nknown parameter:? '([^']+)'", error.message)
    param = error.param or (named.group(1) if named else "")
    if not param:
        return Cause(ApiError, error.code or "bad_request", text, "")
    flag = _FLAGS.get(param) or (
        f"--{param.replace('_', '-')}" if param in REQUEST_FIELDS else f"field {param}"
    )
    if request and param in dict(request.extra):
        flag = f"--param {param}=…"
    verb = "it comes from" if named or error.code == "unknown_parameter" else "correct"
    return Cause(ApiError, error.code or "bad_request", text, f"{verb} {show(flag)}")


def _unusable_cause(attempt: Attempt, secrets: Iterable[str]) -> Cause:
    if attempt.kept_aside:
        places = ", ".join(attempt.kept_aside)
        return Cause(
            ApiError, "not_an_image", "what the server sent as an image is none", f"it was kept: {places}"
        )
    shape = attempt.answer.shape
    if shape == "html":
        return Cause(
            ApiError,
            "html_page",
            f"the server answered a web page: {_describe_page(attempt, secrets)}",
            "check base_url; a login page or a gateway stands before the API",
        )
    if shape == "sse" and not attempt.answer.complete:
        return Cause(NetworkError, "stream_ended_early", "the stream ended without a final image", "")
    if shape == "empty":
        return Cause(ApiError, "empty_answer", "the server answered nothing", "")
    said = show(attempt.answer.text, secrets, 200)
    if attempt.accepted is not None:
        task = show(attempt.accepted.id, secrets)
        return Cause(ApiError, "no_image", f"the task {task} is done, and holds no image: {said}", "")
    return Cause(ApiError, "no_image", f"the answer holds no image: {said}", "")


def _describe_page(attempt: Attempt, secrets: Iterable[str]) -> str:
    text = attempt.answer.text
    if attempt.answer.shape == "html":
        text = re.sub(r"<[^>]{0,500}>|\s+", " ", text[:_SHOWN_PAGE_CHARS])
    return show(attempt.answer.title or text, secrets, 200) or "(no text)"


def _wait_hint(attempt: Attempt) -> str:
    if is_too_large(attempt):
        return "no wait helps: ask for fewer images at once (--n), or a smaller size"
    wait = server_wait_s(attempt)
    if not wait:
        return "wait a minute, or send fewer requests at a time"
    more = " or longer (more is never waited for)" if wait >= MAX_SERVER_WAIT_S else ""
    return f"the server asks to wait {wait:.0f} s{more}"
