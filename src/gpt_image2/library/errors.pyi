from typing import Optional

from ..core.base.outcome import Billed, ExitCode
from .outcome import Result

class GptImage2Error(Exception):
    exit_code: ExitCode
    code: str
    message: str
    hint: str
    billed: Billed
    http_status: Optional[int]
    request_id: Optional[str]
    retry_safe: bool
    retry_after_s: Optional[float]
    result: Optional[Result]
    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: Optional[str] = None,
        billed: Billed = ...,
        http_status: Optional[int] = None,
        request_id: Optional[str] = None,
        retry_safe: bool = False,
        retry_after_s: Optional[float] = None,
    ) -> None: ...

class UsageError(GptImage2Error): ...
class ConfigError(GptImage2Error): ...
class LedgerError(ConfigError): ...
class ApiError(GptImage2Error): ...
class AuthenticationError(ApiError): ...
class RateLimitError(ApiError): ...
class QuotaError(ApiError): ...
class ModerationError(ApiError): ...
class NetworkError(GptImage2Error): ...
class OutputError(GptImage2Error): ...
class PartialError(GptImage2Error): ...

class InterruptedCall(GptImage2Error):
    signum: int
    def __init__(self, message: str, *, signum: int = 2, billed: Billed = ..., hint: str = "") -> None: ...
