"""One line a cause and one line a cure: from a failed attempt to the error that a person can act on. Pure."""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, NamedTuple, Tuple, Type
from urllib.parse import urlsplit

from ..api.request import ImageRequest
from ..api.sizes import nearest_legal_size
from ..base.about import PROGRAM
from ..base.errors import (
    ApiError,
    AuthenticationError,
    ConfigError,
    GptImage2Error,
    NetworkError,
    QuotaError,
)
from ..base.outcome import Billed
from ..base.redact import mask_secrets, show
from .refusals import (
    BAD_FIELD,
    MODERATION,
    PROXY,
    RATE_LIMIT,
    refusal_by_code,
    refusal_by_status,
)
from .retry import MAX_SERVER_WAIT_S, Again, Attempt, Rule, is_too_large, judge, request_id, server_wait_s
from .task import Task

_STREAM_HINT = (
    "a gateway gives up on silent connections; add --stream: partial images keep the connection alive"
)
_MAYBE_HINT = "it may have been billed; check your usage before you send it again"
_OPT_IN_HINT = " (or use --retry-ambiguous)"
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


class _Cause(NamedTuple):
    kind: Type[GptImage2Error]
    code: str
    message: str
    hint: str


_PROXY_HINT = "check HTTPS_PROXY and HTTP_PROXY"
TASK_PENDING = "task_pending"
_CURL_REFUSED = 7
_CODE_CHARS = 100

#: What curl's exit codes mean for a user; {host} is the server's name.
_CURL_CAUSES: Dict[int, Tuple[str, str, str]] = {
    5: ("proxy", "the proxy's name cannot be resolved", _PROXY_HINT),
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
    97: ("proxy", "the proxy refused the connection", "check HTTPS_PROXY and its credentials"),
}


def explain(
    attempt: Attempt, rule: Rule, request: ImageRequest, base_url: str, secrets: Iterable[str]
) -> GptImage2Error:
    """The error for an attempt that brought no image; `rule` is the row of the policy that it fell under."""
    secrets = tuple(secrets)
    host = show(urlsplit(base_url).netloc, secrets)
    hostname = urlsplit(base_url).hostname or ""
    if attempt.was_cut and attempt.error is None and not attempt.status >= 300:
        cause = _network_cause(attempt, host, hostname, secrets)
    elif attempt.error is not None or attempt.status >= 300:
        cause = _server_cause(attempt, request, secrets)
    else:
        cause = _unusable_cause(attempt, secrets)
    hint = cause.hint
    if rule.billed is Billed.MAYBE:
        maybe = _MAYBE_HINT + (_OPT_IN_HINT if rule.again is Again.OPT_IN else "")
        hint = f"{hint}; {maybe}" if hint else maybe
    if attempt.error is not None and re.match(_THROUGH_LITELLM, attempt.error.message):
        hint = _hint_on_litellm(cause, attempt, request, hint)
    return cause.kind(
        mask_secrets(cause.message, secrets),
        hint=mask_secrets(hint, secrets),
        code=show(cause.code, secrets, _CODE_CHARS),
        billed=rule.billed,
        http_status=attempt.status or None,
        request_id=request_id(attempt.head, secrets),
        retry_safe=rule.again is Again.SAFE,
        retry_after_s=server_wait_s(attempt),
    )


def pending_error(task: Task, in_flight: str) -> NetworkError:
    """The error for a task that has not ended in time; `in_flight` is what `resume` calls it."""
    how = f"which has not ended ({show(task.in_words)})"
    hint = f"{PROGRAM} resume {in_flight}".rstrip() + " goes on with it; do not send the request again"
    if not task.is_found:
        how = "and does not tell how far it is at any known address"
        hint = f'name the address in the config, "poll": {{"path": "/…/{{id}}"}}; then {hint}'
    return NetworkError(
        f"the host accepted the request as task {show(task.id)}, {how}",
        hint=hint,
        code=TASK_PENDING,
        billed=Billed.MAYBE,
    )


def failed_task(attempt: Attempt, base_url: str, secrets: Iterable[str]) -> GptImage2Error:
    """The error for a task that has ended without an image, when its request is not known any more."""
    return explain(attempt, judge(attempt), ImageRequest(prompt=""), base_url, secrets)


def refuses_stream(attempt: Attempt) -> bool:
    """Whether the server refused the request before work because of `stream` or `partial_images`."""
    if attempt.status != 400 or attempt.error is None:
        return False
    if attempt.error.param:
        return attempt.error.param in ("stream", "partial_images")
    return re.search(r"\b(stream|streaming|partial_images)\b", attempt.error.message, re.I) is not None


def _hint_on_litellm(cause: _Cause, attempt: Attempt, request: ImageRequest, hint: str) -> str:
    """The hint, where the provider spoke to LiteLLM: of its key, and perhaps more than once.

    Source of the figures: LiteLLM 1.108.7, whose router and client each send a request up to three times.
    """
    if issubclass(cause.kind, (AuthenticationError, QuotaError)):
        return "the provider says so of the key that LiteLLM has, not of yours; tell who runs the proxy"
    if attempt.said_status < 500:
        return hint
    if request.stream:
        hint = f"leave out --stream, which LiteLLM cannot pass on; {hint}"
    return f"{hint}; LiteLLM itself sends what fails up to 9 times (3 with num_retries: 0 in its config)"


def _network_cause(attempt: Attempt, host: str, hostname: str, secrets: Iterable[str]) -> _Cause:
    code = attempt.end.exit_code
    said = show(attempt.end.message, secrets)
    if not attempt.end.sent:
        if code == _CURL_REFUSED and _is_about_proxy(said, hostname):
            return _Cause(NetworkError, "proxy", f"the proxy cannot be reached ({said})", _PROXY_HINT)
        if code in _CURL_CAUSES:
            name, message, hint = _CURL_CAUSES[code]
            if code == 60 and re.search(r"no alternative certificate subject name|does not match", said):
                hint = "the certificate is for another host name; correct base_url"
            return _Cause(NetworkError, name, f"{message.format(host=host)} ({said})", hint)
        if code == 28:
            return _Cause(
                NetworkError, "connect_timeout", f"no connection to {host} in time ({said})", "try again"
            )
        if re.search(r"proxy|CONNECT", said):
            return _Cause(
                NetworkError, "proxy", f"the proxy refused ({said})", "check HTTPS_PROXY and its credentials"
            )
        if code in (1, 2, 3):
            return _Cause(ConfigError, "curl", f"curl cannot take the request: {said}", "check base_url")
        return _Cause(NetworkError, "network", f"no connection to {host} ({said})", "check the network")
    if code == 28:
        return _Cause(
            NetworkError,
            "timeout",
            f"no whole answer within {attempt.elapsed_s:.0f} s",
            "raise --timeout, or add --stream",
        )
    if attempt.body_bytes == 0 and any(low <= attempt.elapsed_s <= high for low, high in _GATEWAY_WINDOWS_S):
        return _Cause(
            NetworkError,
            "gateway_cut",
            f"the connection was closed after {attempt.elapsed_s:.0f} s without a byte ({said})",
            _STREAM_HINT,
        )
    if attempt.end.is_too_long:
        return _Cause(NetworkError, "too_long", f"the answer is {said}", "see --max-download")
    if attempt.body_bytes:
        return _Cause(
            NetworkError, "truncated", f"the answer was cut after {attempt.body_bytes:,} bytes ({said})", ""
        )
    return _Cause(NetworkError, "connection_lost", f"the connection was lost after sending ({said})", "")


def _is_about_proxy(said: str, hostname: str) -> bool:
    """Whether curl could not connect to another host than the server: it names the one it tried."""
    tried = re.search(r"connect to (\S+) port \d+( via )?", said)
    return tried is not None and hostname.isascii() and (bool(tried.group(2)) or tried.group(1) != hostname)


def _server_cause(attempt: Attempt, request: ImageRequest, secrets: Iterable[str]) -> _Cause:
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
    if refusal is PROXY:
        return _Cause(PROXY.raises, PROXY.code, f"the proxy refused the request: {text}", PROXY.cure)
    if refusal is not None and refusal is not BAD_FIELD:
        cure = _wait_hint(attempt) if refusal is RATE_LIMIT else refusal.cure
        by_type = error.type if error and refusal_by_code(error.type) is refusal else ""
        return _Cause(refusal.raises, name or by_type or refusal.code, text, cure)
    if 300 <= status < 400:
        where = show(attempt.header("location"), secrets, 200)
        return _Cause(
            ApiError,
            "redirect",
            f"{text} (to {where})",
            "redirects are not followed with a key; correct base_url",
        )
    if said_status in (504, 524) or (said_status == 502 and attempt.elapsed_s >= _GATEWAY_WINDOWS_S[0][0]):
        return _Cause(ApiError, name or "gateway_cut", text, _STREAM_HINT)
    return _Cause(ApiError, name or ("server_error" if said_status >= 500 else "api_error"), text, "")


def _moderation(attempt: Attempt, text: str) -> _Cause:
    error = attempt.error
    details: List[str] = []
    if error is not None and error.moderation_stage:
        details.append(f"stage: {show(error.moderation_stage)}")
    if error is not None and error.moderation_categories:
        details.append("categories: " + show(", ".join(error.moderation_categories)))
    suffix = f" ({'; '.join(details)})" if details else ""
    return _Cause(MODERATION.raises, MODERATION.code, text + suffix, MODERATION.cure)


def _bad_request(attempt: Attempt, text: str, request: ImageRequest) -> _Cause:
    error = attempt.error
    assert error is not None
    size = re.search(_SIZE, error.message) or re.search(_SIZE, request.effective_size)
    if "size" in (error.param or error.message[:60].lower()) and size:
        nearest = "{}x{}".format(*nearest_legal_size(int(size.group(1)), int(size.group(2))))
        return _Cause(ApiError, error.code or "invalid_size", text, f"the nearest legal size is {nearest}")
    named = re.search(r"[Uu]nknown parameter:? '([^']+)'", error.message)
    param = error.param or (named.group(1) if named else "")
    if not param:
        return _Cause(ApiError, error.code or "bad_request", text, "")
    flag = _FLAGS.get(param, f"--{param.replace('_', '-')}")
    if param in dict(request.extra):
        flag = f"--param {param}=…"
    verb = "it comes from" if named or error.code == "unknown_parameter" else "correct"
    return _Cause(ApiError, error.code or "bad_request", text, f"{verb} {show(flag)}")


def _unusable_cause(attempt: Attempt, secrets: Iterable[str]) -> _Cause:
    if attempt.kept_aside:
        places = ", ".join(attempt.kept_aside)
        return _Cause(
            ApiError, "not_an_image", "what the server sent as an image is none", f"it was kept: {places}"
        )
    shape = attempt.answer.shape
    if shape == "html":
        return _Cause(
            ApiError,
            "html_page",
            f"the server answered a web page: {_describe_page(attempt, secrets)}",
            "check base_url; a login page or a gateway stands before the API",
        )
    if shape == "sse" and not attempt.answer.complete:
        return _Cause(NetworkError, "stream_ended_early", "the stream ended without a final image", "")
    if shape == "empty":
        return _Cause(ApiError, "empty_answer", "the server answered nothing", "")
    said = show(attempt.answer.text, secrets, 200)
    if attempt.accepted is not None:
        task = show(attempt.accepted.id, secrets)
        return _Cause(ApiError, "no_image", f"the task {task} is done, and holds no image: {said}", "")
    return _Cause(ApiError, "no_image", f"the answer holds no image: {said}", "")


def _describe_page(attempt: Attempt, secrets: Iterable[str]) -> str:
    return show(attempt.answer.title or attempt.answer.text, secrets, 200) or "(no text)"


def _wait_hint(attempt: Attempt) -> str:
    if is_too_large(attempt):
        return "no wait helps: ask for fewer images at once (--n), or a smaller size"
    wait = server_wait_s(attempt)
    if not wait:
        return "wait a minute, or send fewer requests at a time"
    more = " or longer (more is never waited for)" if wait >= MAX_SERVER_WAIT_S else ""
    return f"the server asks to wait {wait:.0f} s{more}"
