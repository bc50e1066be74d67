"""Answers and refusals that come in place of images. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..api.answers import plain_answer
from ..api.errors import Refused, unknown_parameter
from ..connection import Answer
from .fault import Case

_HTML = """<!DOCTYPE html>
<html lang="en">
<head><title>{title}</title></head>
<body><h1>{title}</h1><p>{text}</p></body>
</html>
"""


def refusing(status: int, message: str, **rest: Any) -> Callable[[Case], Refused]:
    """Refuses a request; `{model}` and `{request_id}` in the message are those of the request."""
    return lambda case: Refused(
        status, message.format(model=case.request.model, request_id=case.request_id), **rest
    )


def once(refuse: Callable[[Case], Refused]) -> Callable[[Case], Refused | None]:
    """Refuses the first request with a prompt."""
    return lambda case: refuse(case) if case.first else None


def rate_limited(wait: str, headers: Mapping[str, str]) -> Callable[[Case], Refused]:
    """429 that names its wait."""
    message = (
        "Rate limit reached for {model} in organization org-sandbox on images per min: "
        f"Limit 5, Used 5, Requested 1. Please try again in {wait}."
    )
    return refusing(429, message, type="requests", code="rate_limit_exceeded", headers=headers)


server_error = refusing(
    500,
    "The server had an error while processing your request. Sorry about that! You can retry your request, or "
    "contact us through our help center at help.openai.com. (Please include the request ID {request_id}.)",
    type="server_error",
    code="server_error",
)
overloaded = refusing(
    503,
    "The server is currently overloaded with other requests. Please retry later.",
    type="service_unavailable_error",
    code="server_is_overloaded",
)
no_quota = refusing(
    429,
    "You exceeded your current quota, please check your plan and billing details.",
    type="insufficient_quota",
    code="insufficient_quota",
)
no_billing = refusing(
    400,
    "Billing hard limit has been reached.",
    type="billing_limit_user_error",
    code="billing_hard_limit_reached",
)
unverified = refusing(
    403,
    "Your organization must be verified to use the model `{model}`. Please go to: "
    "https://platform.openai.com/settings/organization/general and click on Verify Organization. "
    "If you just verified, it can take up to 15 minutes for access to propagate.",
)
wrong_region = refusing(
    403,
    "Country, region, or territory not supported",
    type="request_forbidden",
    code="unsupported_country_region_territory",
)


def refuse_stream(case: Case) -> Refused | None:
    """400 for the field `stream`; other requests go on."""
    name = next((name for name in ("stream", "partial_images") if name in case.raw_fields), None)
    return unknown_parameter(name) if name else None


def html_page(status: int, title: str, text: str) -> Answer:
    """An HTML page under a status."""
    body = _HTML.format(title=title, text=text).encode("ascii")
    return plain_answer(status, "text/html; charset=UTF-8", body)


def page(status: int, title: str, text: str) -> Callable[[Case], Answer]:
    """An HTML page under a status, whatever was asked."""
    return lambda _: html_page(status, title, text)


def redirect(case: Case) -> Answer:
    """302 to the same endpoint without the fault."""
    return plain_answer(302, "text/plain", b"", headers=(("location", case.host_url + case.path),))
