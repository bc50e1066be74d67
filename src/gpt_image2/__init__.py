"""Generate and edit images with gpt-image-2: nothing paid for is lost, no key leaks.

import gpt_image2
result = gpt_image2.generate("A cute cat on a windowsill", output="cat.png", quality="low")
print(result.image.path, result.cost_usd)
"""

from __future__ import annotations

from .core.base.about import VERSION

__version__ = VERSION

TYPE_CHECKING = False  # checkers take it for true; importing it from typing takes 4 ms
if TYPE_CHECKING:
    from .core.api.cost import CostEstimate
    from .core.base.outcome import Billed, Derivation, ExitCode, MadeFrom, SvgUsage, Usage
    from .core.cli import main
    from .core.settings.config import Settings
    from .library.async_client import AsyncClient, cancelled_call
    from .library.batch import JobLike, JobOutcome
    from .library.client import Client, edit, generate, stream
    from .library.errors import (
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
    from .library.events import (
        Event,
        Finished,
        HeadersReceived,
        ImageSaved,
        Observer,
        PartialImage,
        RateLimit,
        RequestStarted,
        RetryWaiting,
        TaskUnderWay,
        Warned,
    )
    from .library.options import (
        Areas,
        Background,
        BatchOptions,
        CallOptions,
        ClientOptions,
        Complexity,
        EditOptions,
        GenerateOptions,
        ImageInput,
        ImageInputs,
        Job,
        Model,
        Moderation,
        Output,
        OutputFormat,
        PaceOptions,
        PictureOptions,
        PillowImage,
        Quality,
        RequestOptions,
        Size,
        SourceOptions,
        StreamOptions,
        SvgEffort,
    )
    from .library.outcome import Result, SavedImage
    from .library.pictures import check, cutout, mask
    from .library.records import Moment, PastCall, ResumedCall, Spend, SpendingGroup
    from .library.testing import Sandbox, SandboxRequest
else:
    #: Where each public name lies; it is loaded when it is first asked for.
    _HOMES = {
        "core.api.cost": "CostEstimate",
        "core.base.outcome": "Billed Derivation ExitCode MadeFrom SvgUsage Usage",
        "core.cli": "main",
        "core.settings.config": "Settings",
        "library.async_client": "AsyncClient cancelled_call",
        "library.batch": "JobLike JobOutcome",
        "library.client": "Client edit generate stream",
        "library.errors": "ApiError AuthenticationError ConfigError GptImage2Error InterruptedCall"
        " LedgerError ModerationError NetworkError OutputError PartialError QuotaError RateLimitError"
        " UsageError",
        "library.events": "Event Finished HeadersReceived ImageSaved Observer PartialImage RateLimit"
        " RequestStarted RetryWaiting TaskUnderWay Warned",
        "library.options": "Areas Background BatchOptions CallOptions ClientOptions Complexity EditOptions"
        " GenerateOptions ImageInput ImageInputs Job Model Moderation Output OutputFormat PaceOptions"
        " PictureOptions PillowImage Quality RequestOptions Size SourceOptions StreamOptions SvgEffort",
        "library.outcome": "Result SavedImage",
        "library.pictures": "check cutout mask",
        "library.records": "Moment PastCall ResumedCall Spend SpendingGroup",
        "library.testing": "Sandbox SandboxRequest",
    }

    def __getattr__(name: str) -> object:
        from importlib import import_module

        for home, names in _HOMES.items():
            if name in names.split():
                return getattr(import_module(f"{__name__}.{home}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return [*globals(), *__all__]


__all__ = [
    "VERSION",
    "ApiError",
    "Areas",
    "AsyncClient",
    "AuthenticationError",
    "Background",
    "BatchOptions",
    "Billed",
    "CallOptions",
    "Client",
    "ClientOptions",
    "Complexity",
    "ConfigError",
    "CostEstimate",
    "Derivation",
    "EditOptions",
    "Event",
    "ExitCode",
    "Finished",
    "GenerateOptions",
    "GptImage2Error",
    "HeadersReceived",
    "ImageInput",
    "ImageInputs",
    "ImageSaved",
    "InterruptedCall",
    "Job",
    "JobLike",
    "JobOutcome",
    "LedgerError",
    "MadeFrom",
    "Model",
    "Moderation",
    "ModerationError",
    "Moment",
    "NetworkError",
    "Observer",
    "Output",
    "OutputError",
    "OutputFormat",
    "PaceOptions",
    "PartialError",
    "PartialImage",
    "PastCall",
    "PictureOptions",
    "PillowImage",
    "Quality",
    "QuotaError",
    "RateLimit",
    "RateLimitError",
    "RequestOptions",
    "RequestStarted",
    "Result",
    "ResumedCall",
    "RetryWaiting",
    "Sandbox",
    "SandboxRequest",
    "SavedImage",
    "Settings",
    "Size",
    "SourceOptions",
    "Spend",
    "SpendingGroup",
    "StreamOptions",
    "SvgEffort",
    "SvgUsage",
    "TaskUnderWay",
    "Usage",
    "UsageError",
    "Warned",
    "cancelled_call",
    "check",
    "cutout",
    "edit",
    "generate",
    "main",
    "mask",
    "stream",
]
