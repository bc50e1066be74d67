"""The exception tree. Every error says what happened, what to do next, and whether money may be gone.

GptImage2Error
├── UsageError             bad arguments or inputs; nothing was sent               exit 2
├── ConfigError            configuration or key missing or wrong                   exit 3
│   └── LedgerError            the ledger cannot be read or written                exit 3
├── ApiError               the server refused, or answered without a usable image  exit 6
│   ├── AuthenticationError    401, 403                                            exit 3
│   ├── RateLimitError         429: too fast                                       exit 4
│   ├── QuotaError             out of money or over a spend limit                  exit 4
│   └── ModerationError        the prompt or the image was blocked                 exit 5
├── NetworkError           no connection, cut, timeout, TLS, proxy                 exit 7
├── OutputError            an image could not be written where it was asked for    exit 8
├── PartialError           some images were saved, some were not                   exit 9
└── InterruptedCall        Ctrl-C (130) or SIGTERM (143)
"""

from __future__ import annotations

from typing import Optional

from .outcome import Billed, ExitCode, Result


class GptImage2Error(Exception):
    """The root of all errors of this program.

    Attributes: `code` (stable, snake_case; the server's own where it gave one), `message`, `hint` (what to
    do next, may be empty), `exit_code`, `billed`, `http_status`, `request_id`, `retry_safe` (the same request
    may be sent again without paying twice), `retry_after_s` (the wait that the server asks for, None where it
    names none), and `result`: the images that were saved all the same, or None when nothing was sent.
    """

    exit_code: ExitCode = ExitCode.INTERNAL
    default_code = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: Optional[str] = None,
        billed: Billed = Billed.NO,
        http_status: Optional[int] = None,
        request_id: Optional[str] = None,
        retry_safe: bool = False,
        retry_after_s: Optional[float] = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code: str = code or self.default_code
        self.billed = billed
        self.http_status = http_status
        self.request_id = request_id
        self.retry_safe = retry_safe
        self.retry_after_s = retry_after_s
        self.result: Optional[Result] = None


class UsageError(GptImage2Error):
    """Bad arguments or inputs. Nothing was sent."""

    exit_code = ExitCode.USAGE
    default_code = "usage"


class ConfigError(GptImage2Error):
    """A configuration file, the base URL or the key is missing or wrong. Nothing was sent."""

    exit_code = ExitCode.CONFIG
    default_code = "config"


class LedgerError(ConfigError):
    """The ledger's file cannot be read or written. Calls go on without it; only its own commands end so."""

    default_code = "ledger_unusable"


class ApiError(GptImage2Error):
    """The server refused the request, or answered without a usable image."""

    exit_code = ExitCode.API
    default_code = "api_error"


class AuthenticationError(ApiError):
    """The server does not accept the key, or the key may not use the model (401, 403)."""

    exit_code = ExitCode.CONFIG
    default_code = "authentication"


class RateLimitError(ApiError):
    """Too many requests or tokens a minute (429)."""

    exit_code = ExitCode.RATE_LIMIT
    default_code = "rate_limit_exceeded"


class QuotaError(ApiError):
    """No credit left, or a spend limit is reached."""

    exit_code = ExitCode.RATE_LIMIT
    default_code = "insufficient_quota"


class ModerationError(ApiError):
    """The prompt or the image was blocked by moderation."""

    exit_code = ExitCode.MODERATION
    default_code = "moderation_blocked"


class NetworkError(GptImage2Error):
    """No connection, or it was lost, or time ran out."""

    exit_code = ExitCode.NETWORK
    default_code = "network"


class OutputError(GptImage2Error):
    """An image could not be written where it was asked for; `result` says where it is instead."""

    exit_code = ExitCode.OUTPUT
    default_code = "output"


class PartialError(GptImage2Error):
    """Some images were saved (see `result`), some were not."""

    exit_code = ExitCode.PARTIAL
    default_code = "partial"


class InterruptedCall(GptImage2Error):
    """The call was stopped by a signal; images that were whole by then are saved."""

    exit_code: ExitCode = ExitCode.INTERRUPTED
    default_code = "interrupted"

    def __init__(self, message: str, *, signum: int = 2, billed: Billed = Billed.NO, hint: str = "") -> None:
        super().__init__(message, hint=hint, billed=billed)
        self.signum = signum
        if signum != 2:
            self.exit_code = ExitCode.TERMINATED
