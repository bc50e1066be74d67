"""One line a cause and one line a cure: from a failed attempt to the error that a person can act on. Pure."""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple, Type
from urllib.parse import urlsplit

from ..api.cost import PRICES
from ..api.models import Prices
from ..api.request import REQUEST_FIELDS, ImageRequest
from ..api.sizes import nearest_legal_size
from ..base.about import called
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
from ..telling.in_words import size_in_words
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


TASK_PENDING = "task_pending"
_CURL_REFUSED, _CURL_TIMEOUT, _CURL_CERTIFICATE = 7, 28, 60
_CODE_CHARS = 100
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
    hint = cause.hint
    if rule.billed is Billed.MAYBE:
        free = f"{called()} resume saves what had come, and doctor looks for the cause, both free"
        parts = (hint, in_doubt(request, prices), free if rule.again is Again.OPT_IN else "")
        hint = "; ".join(filter(None, parts))
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
    hint = f"{called()} resume {in_flight}".rstrip() + " goes on with it; do not send the request again"
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
    return explain(attempt, judge(attempt), None, base_url, secrets)


def refuses_stream(attempt: Attempt) -> bool:
    """Whether the server refused the request before work because of `stream` or `partial_images`."""
    if attempt.status != 400 or attempt.error is None:
        return False
    if attempt.error.param:
        return attempt.error.param in ("stream", "partial_images")
    return re.search(r"\b(stream|streaming|partial_images)\b", attempt.error.message, re.I) is not None


def _hint_on_litellm(cause: _Cause, attempt: Attempt, request: Optional[ImageRequest], hint: str) -> str:
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


def _unsent_cause(attempt: Attempt, host: str, secrets: Iterable[str]) -> _Cause:
    """Why no connection was made that could have carried the request."""
    end = attempt.end
    code, said = end.exit_code, show(end.message, secrets)
    if end.proxy and code not in (35, _CURL_CERTIFICATE, 77):
        return _proxy_cause(attempt, host, said)
    if code in _CURL_CAUSES:
        name, message, hint = _CURL_CAUSES[code]
        if code == _CURL_CERTIFICATE and re.search(r"alternative certificate subject|does not match", said):
            hint = "the certificate is for another host name; correct base_url"
        return _Cause(NetworkError, name, f"{message.format(host=host)} ({said})", hint)
    if code == _CURL_TIMEOUT:
        return _Cause(
            NetworkError, "connect_timeout", f"no connection to {host} in time ({said})", "try again"
        )
    if code in (1, 2, 3):
        return _Cause(ConfigError, "curl", f"curl cannot take the request: {said}", "check base_url")
    return _Cause(NetworkError, "network", f"no connection to {host} ({said})", "check the network")


def _proxy_cause(attempt: Attempt, host: str, said: str) -> _Cause:
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
    return _Cause(NetworkError, PROXY.code, f"the proxy of {proxy} {what} ({said})", hint)


def _password_wanted(proxy: str, said: str) -> _Cause:
    return _Cause(
        NetworkError,
        PROXY.code,
        f"the proxy of {proxy} wants a name and a password, or other ones than it got ({said})",
        f"put them into {proxy.partition(' ')[0]}: http://NAME:PASSWORD@HOST:PORT",
    )


def _cut_cause(attempt: Attempt, request: Optional[ImageRequest], secrets: Iterable[str]) -> _Cause:
    """How an answer to a request that may have left was cut off."""
    code, said = attempt.end.exit_code, show(attempt.end.message, secrets)
    if code == _CURL_TIMEOUT:
        hint = "raise --timeout, or add --stream" if request else "try again"
        return _Cause(NetworkError, "timeout", f"no whole answer within {attempt.elapsed_s:.0f} s", hint)
    if attempt.body_bytes == 0 and any(low <= attempt.elapsed_s <= high for low, high in _GATEWAY_WINDOWS_S):
        return _Cause(
            NetworkError,
            "gateway_cut",
            f"the connection was closed after {attempt.elapsed_s:.0f} s without a byte ({said})",
            _stream_hint(request),
        )
    if attempt.end.is_too_long:
        hint = "see --max-download" if request else ""
        return _Cause(NetworkError, "too_long", f"the answer is {said}", hint)
    if attempt.end.is_undecodable:
        return _Cause(
            NetworkError,
            "bad_encoding",
            f"the answer came, but cannot be decompressed ({said})",
            "turn compression off in the gateway before the API",
        )
    if "HTTP/0.9" in said:
        hint = "check base_url: its port may want https://, or serve something else"
        return _Cause(NetworkError, "not_http", f"what answers there does not speak HTTP ({said})", hint)
    if attempt.body_bytes:
        return _Cause(
            NetworkError, "truncated", f"the answer was cut after {attempt.body_bytes:,} bytes ({said})", ""
        )
    return _Cause(NetworkError, "connection_lost", f"the connection was lost after sending ({said})", "")


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


def _proxy_page(attempt: Attempt, secrets: Iterable[str]) -> _Cause:
    proxy, variable = show(attempt.end.proxy), attempt.end.proxy.partition(" ")[0]
    if attempt.status in PROXY.statuses:
        return _password_wanted(proxy, "HTTP 407")
    page = _describe_page(attempt, secrets)
    return _Cause(
        NetworkError,
        PROXY.code,
        f"the proxy of {proxy} answered in place of the API: HTTP {attempt.status}: {page}",
        f"ask who runs it to let this host through, or use https:// in base_url, or correct {variable}",
    )


def _server_cause(attempt: Attempt, request: Optional[ImageRequest], secrets: Iterable[str]) -> _Cause:
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
    is_page = error is None and attempt.answer.shape == "html"
    if is_page and status in _KEPT_OUT and (refusal is None or refusal.raises is AuthenticationError):
        return _Cause(
            ApiError,
            "html_page",
            text,
            "that is a web page and not the API's answer: a gateway, a firewall or a login stands before it; "
            "check base_url",
        )
    if status == 413:
        return _Cause(ApiError, name or "too_large", text, _size_hint(request))
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
        return _Cause(ApiError, name or "gateway_cut", text, _stream_hint(request))
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


def _size_hint(request: Optional[ImageRequest]) -> str:
    """What makes a request smaller, and how large its parts are."""
    if request is None:
        return ""
    files = [*request.images, *([request.mask] if request.mask else [])]
    if not files:
        return f"the prompt has {len(request.prompt):,} characters: shorten it"
    total = sum(file.size_bytes for file in files)
    return f"the input images have {size_in_words(total)}: give fewer, or smaller ones (jpeg, webp)"


def _bad_request(attempt: Attempt, text: str, request: Optional[ImageRequest]) -> _Cause:
    error = attempt.error
    assert error is not None
    size = re.search(_SIZE, error.message) or (request and re.search(_SIZE, request.effective_size))
    if "size" in (error.param or error.message[:60].lower()) and size:
        nearest = "{}x{}".format(*nearest_legal_size(int(size.group(1)), int(size.group(2))))
        return _Cause(ApiError, error.code or "invalid_size", text, f"the nearest legal size is {nearest}")
    named = re.search(r"[Uu]nknown parameter:? '([^']+)'", error.message)
    param = error.param or (named.group(1) if named else "")
    if not param:
        return _Cause(ApiError, error.code or "bad_request", text, "")
    flag = _FLAGS.get(param) or (
        f"--{param.replace('_', '-')}" if param in REQUEST_FIELDS else f"field {param}"
    )
    if request and param in dict(request.extra):
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
