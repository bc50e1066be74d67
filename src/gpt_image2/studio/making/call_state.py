"""How one call of the studio stands. Written by the call's thread, read by everybody."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum

from gpt_image2.core.base.errors import GptImage2Error, InterruptedCall
from gpt_image2.core.base.events import RequestStarted
from gpt_image2.core.base.outcome import Billed, Result, SavedImage
from gpt_image2.core.base.redact import show

from .asking import Asked


class State(str, Enum):
    """Where a call is. A `queued` one has not been sent; an `unsent` one neither, since the studio that it
    was queued in has ended, and it waits for a click."""

    UNSENT = "unsent"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass
class CallState:
    """One call. `previews` are image files as they came; `typical_s` is how long such a call takes."""

    id: str
    asked: Asked
    state: State = State.QUEUED
    model: str = ""
    begun_at_s: float = field(default_factory=time.time)
    sent_at_s: float | None = None
    elapsed_s: float | None = None
    typical_s: float | None = None
    attempt: int = 0
    previews: list[bytes] = field(default_factory=list[bytes])
    images: list[SavedImage] = field(default_factory=list[SavedImage])
    warnings: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    billed: Billed = Billed.NO
    cost_usd: float | None = None
    sandbox: bool = False
    error: dict[str, object] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state not in (State.UNSENT, State.QUEUED, State.RUNNING)

    def sent(self, event: RequestStarted) -> None:
        """A request goes out."""
        self.state = State.RUNNING
        self.attempt, self.typical_s = event.attempt, event.typical_s
        self.sent_at_s = self.sent_at_s or time.time()

    def finish(self, result: Result) -> None:
        """It has ended well."""
        self._take(result)
        self.previews.clear()  # the pictures are there; previews of a hundred calls would fill the memory
        self.billed = result.billed
        self.state = State.DONE

    def fail(self, error: GptImage2Error, secrets: tuple[str, ...] = ()) -> None:
        """It has ended otherwise."""
        if error.result is not None:
            self._take(error.result)
        self.billed = error.billed
        self.error = {
            "code": error.code,
            "message": show(error.message, secrets),
            "hint": show(error.hint, secrets),
            "retry_safe": error.retry_safe,
        }
        self.state = State.CANCELLED if isinstance(error, InterruptedCall) else State.FAILED

    def as_json(self) -> dict[str, object]:
        """The state as the page is told it. Times are seconds since 1970."""
        return {
            "id": self.id,
            **self.asked.as_json(),
            "state": self.state.value,
            "model": self.model,
            "begun_at_s": self.begun_at_s,
            "sent_at_s": self.sent_at_s,
            "elapsed_s": self.elapsed_s,
            "typical_s": self.typical_s,
            "attempt": self.attempt,
            "previews": len(self.previews),
            "images": [
                {"sha256": image.sha256, "width": image.width, "height": image.height, "format": image.format}
                for image in self.images
            ],
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "billed": self.billed.value,
            "cost_usd": self.cost_usd,
            "sandbox": self.sandbox,
            "error": self.error,
        }

    def _take(self, result: Result) -> None:
        self.elapsed_s, self.cost_usd, self.sandbox = result.elapsed_s, result.cost_usd, result.sandbox
        self.images = list(result.images)
        self.warnings = list(result.warnings)
