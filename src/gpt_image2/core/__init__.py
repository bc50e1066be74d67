"""Everything that the script holds, as small modules; imports nothing above it.

The public names below are those of the package and of the generated script. `__all__` is explicit: what is
not in it may change. Each is loaded when it is first asked for: a command pays for what it uses.
"""

from __future__ import annotations

TYPE_CHECKING = False  # checkers take it for true; importing it from typing takes 4 ms
if TYPE_CHECKING:
    from .base.about import VERSION
    from .base.errors import (
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
    from .base.outcome import Billed, ExitCode, Result, SavedImage, Usage
    from .calls.client import Client, edit, generate
    from .cli import main
else:

    def __getattr__(name: str) -> object:
        if name in __all__:
            from importlib import import_module

            for home in ("base.about", "cli", "base.outcome", "base.errors", "calls.client"):
                module = import_module(f"{__name__}.{home}")
                if name in module.__dict__:
                    return module.__dict__[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return [*globals(), *__all__]


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
