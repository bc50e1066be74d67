"""What the API says when it refuses: `Refused`, which whatever judges a request raises and the server answers
with, and the refusals that more than one module needs. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

INVALID_REQUEST = "invalid_request_error"
USER_ERROR = "image_generation_user_error"
_KEYS_PAGE = "https://platform.openai.com/account/api-keys"


@dataclass(eq=False)
class Refused(Exception):
    """The official error envelope, its HTTP status and headers."""

    status: int
    message: str
    type: str = INVALID_REQUEST
    param: str | None = None
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def envelope(self) -> dict[str, Any]:
        """`{"error": {"message", "type", "param", "code", ...}}`."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": {**error, **self.details}}


def invalid(param: str, code: str, message: str) -> Refused:
    """The 400 for a parameter whose value is not accepted."""
    return Refused(400, message, param=param, code=code)


def wrong_type(param: str, expected: str) -> Refused:
    """The 400 for a value of another type."""
    return invalid(param, "invalid_type", f"Invalid type for '{param}': expected {expected}.")


def unsupported_value(param: str, value: str, supported: Sequence[str]) -> Refused:
    """The 400 for a value that is none of the `supported` ones."""
    *first, last = (f"'{each}'" for each in supported)
    comma = "," if len(first) > 1 else ""
    named = f"{', '.join(first)}{comma} and {last}" if first else last
    return invalid(param, "invalid_value", f"Invalid value: '{value}'. Supported values are: {named}.")


def check_range(param: str, value: int, low: int, high: int) -> None:
    """Refuse an integer below or above what is accepted."""
    for wrong, where, code, bound in (
        (value < low, "below minimum", "integer_below_min_value", f">= {low}"),
        (value > high, "above maximum", "integer_above_max_value", f"<= {high}"),
    ):
        if wrong:
            message = f"integer {where} value. Expected a value {bound}, but got {value} instead."
            raise invalid(param, code, f"Invalid '{param}': {message}")


def unknown_parameter(name: str) -> Refused:
    """The 400 for a field that is in no schema."""
    return invalid(name, "unknown_parameter", f"Unknown parameter: '{name}'.")


def missing_parameter(name: str) -> Refused:
    """The 400 for a field that must be there."""
    return invalid(name, "missing_required_parameter", f"Missing required parameter: '{name}'.")


def model_not_found(model: str) -> Refused:
    """The 404 for a model that does not exist, or not for this key."""
    message = f"The model '{model}' does not exist or you do not have access to it."
    return Refused(404, message, param="model", code="model_not_found")


def no_key() -> Refused:
    """The 401 for a request without a key."""
    return Refused(
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization header using "
        f"Bearer auth (i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from {_KEYS_PAGE}.",
    )


def invalid_key(shown: str) -> Refused:
    """The 401 for a wrong key; `shown` is what the message says of it."""
    message = f"Incorrect API key provided: {shown}. You can find your API key at {_KEYS_PAGE}."
    return Refused(401, message, code="invalid_api_key")


def moderation_blocked(stage: str, category: str, request_id: str) -> Refused:
    """The 400 of the safety system; `stage` is `input` or `output`."""
    return Refused(
        400,
        "Your request was rejected by the safety system. If you believe this is an error, contact us at "
        f"help.openai.com and include the request ID {request_id}. safety_violations=[{category}].",
        type=USER_ERROR,
        code="moderation_blocked",
        details={"moderation_details": {"moderation_stage": stage, "categories": [category]}},
    )


def masked(key: str) -> str:
    """A key as it may be shown: its first and last characters."""
    kept = 8 if len(key) > 20 else 2
    tail = 4 if len(key) > 20 else 1
    return key[:kept] + "*" * max(3, len(key) - kept - tail) + key[-tail:] if key else ""
