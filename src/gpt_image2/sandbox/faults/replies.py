"""Answers and refusals that come in place of images. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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


def once(make: Callable[[Case], Refused]) -> Callable[[Case], Refused | None]:
    """Refuses the first request with a prompt."""
    return lambda case: make(case) if case.first else None


def server_error(case: Case) -> Refused:
    """500 in the official envelope."""
    message = (
        "The server had an error while processing your request. Sorry about that! You can retry your "
        "request, or contact us through our help center at help.openai.com. "
        f"(Please include the request ID {case.request_id}.)"
    )
    return Refused(500, message, type="server_error", code="server_error")


def overloaded(_: Case) -> Refused:
    """503 in the official envelope."""
    message = "The server is currently overloaded with other requests. Please retry later."
    return Refused(503, message, type="service_unavailable_error", code="server_is_overloaded")


def rate_limited(wait: str, headers: Mapping[str, str]) -> Callable[[Case], Refused]:
    """429 that names its wait."""

    def refuse(case: Case) -> Refused:
        message = (
            f"Rate limit reached for {case.request.model} in organization org-sandbox on images per min: "
            f"Limit 5, Used 5, Requested 1. Please try again in {wait}."
        )
        return Refused(429, message, type="requests", code="rate_limit_exceeded", headers=headers)

    return refuse


def no_quota(_: Case) -> Refused:
    """429, out of credit."""
    message = "You exceeded your current quota, please check your plan and billing details."
    return Refused(429, message, type="insufficient_quota", code="insufficient_quota")


def no_billing(_: Case) -> Refused:
    """400, the spend limit is reached."""
    message = "Billing hard limit has been reached."
    return Refused(400, message, type="billing_limit_user_error", code="billing_hard_limit_reached")


def unverified(case: Case) -> Refused:
    """403, the organisation is not verified."""
    message = (
        f"Your organization must be verified to use the model `{case.request.model}`. Please go to: "
        "https://platform.openai.com/settings/organization/general and click on Verify Organization. "
        "If you just verified, it can take up to 15 minutes for access to propagate."
    )
    return Refused(403, message)


def wrong_region(_: Case) -> Refused:
    """403, the country is not served."""
    message = "Country, region, or territory not supported"
    return Refused(403, message, type="request_forbidden", code="unsupported_country_region_territory")


def refuse_stream(case: Case) -> Refused | None:
    """400 for the field `stream`; other requests go on."""
    name = next((name for name in ("stream", "partial_images") if name in case.raw_fields), None)
    return unknown_parameter(name) if name else None


def page(status: int, title: str, text: str) -> Callable[[Case], Answer]:
    """An HTML page under a status."""
    body = _HTML.format(title=title, text=text).encode("ascii")
    return lambda _: plain_answer(status, "text/html; charset=UTF-8", body)


def redirect(case: Case) -> Answer:
    """302 to the same endpoint without the fault."""
    return plain_answer(302, "text/plain", b"", headers=(("location", case.host_url + case.path),))
