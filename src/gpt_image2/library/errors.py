"""The errors that calls raise: those of core. To type checkers (by `errors.pyi`) their `result` is the
library's, which it is for what the library raises."""

from __future__ import annotations

from ..core.base.errors import (
    ApiError,
    AuthenticationError,
    ConfigError,
    GptImage2Error,
    InterruptedCall,
    LedgerError,
    ModerationError,
    NetworkError,
    OutputError,
    PartialError,
    QuotaError,
    RateLimitError,
    UsageError,
)

__all__ = [
    "ApiError",
    "AuthenticationError",
    "ConfigError",
    "GptImage2Error",
    "InterruptedCall",
    "LedgerError",
    "ModerationError",
    "NetworkError",
    "OutputError",
    "PartialError",
    "QuotaError",
    "RateLimitError",
    "UsageError",
]
