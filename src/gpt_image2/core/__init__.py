"""Everything that the script holds, as small modules; imports nothing above it.

The public names below are those of the package and of the generated script. `__all__` is explicit: what is
not in it may change.
"""

from __future__ import annotations

from .about import VERSION
from .cli import main
from .client import Client, edit, generate
from .errors import (
    ApiError,
    AuthenticationError,
    ConfigError,
    GptImage2Error,
    InterruptedCall,
    ModerationError,
    NetworkError,
    OutputError,
    PartialError,
    QuotaError,
    RateLimitError,
    UsageError,
)
from .models import Usage
from .outcome import Billed, ExitCode, Result, SavedImage

__all__ = [
    "VERSION",
    "ApiError",
    "AuthenticationError",
    "Billed",
    "Client",
    "ConfigError",
    "ExitCode",
    "GptImage2Error",
    "InterruptedCall",
    "ModerationError",
    "NetworkError",
    "OutputError",
    "PartialError",
    "QuotaError",
    "RateLimitError",
    "Result",
    "SavedImage",
    "Usage",
    "UsageError",
    "edit",
    "generate",
    "main",
]
