"""The same outcome for a person and as JSON. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Dict, Optional, Type

from ..api.models import CostEstimate
from ..base.errors import GptImage2Error
from ..base.events import Event, Finished, ImageSaved, PartialImage, RequestStarted, RetryWaiting, Warned
from ..base.outcome import Result, SavedImage
from ..base.redact import show
from .terminal import Terminal

_TICK_S = 1.0


def saved_line(path: str, size_bytes: int) -> str:
    """The line that callers look for; the size is in whole units of 1024 bytes, at least 1."""
    return f"Saved: {path} ({max(1, round(size_bytes / 1024))} KB)"


def image_json(image: SavedImage) -> Dict[str, object]:
    """One saved image as `--json` and the events show it."""
    fields = dict(vars(image))
    fields["bytes"] = fields.pop("size_bytes")
    return {name: fields[name] for name in ("path", "bytes", "format", "width", "height", "sha256")}


def estimate_json(estimate: Optional[CostEstimate]) -> Optional[Dict[str, float]]:
    """What a request would cost in USD, as JSON; None where that is not known."""
    if estimate is None:
        return None
    return {"low": round(estimate.low_usd, 6), "high": round(estimate.high_usd, 6)}


def cost_in_words(estimate: Optional[CostEstimate]) -> str:
    """What a request would cost, for people."""
    if estimate is None:
        return "unknown for this model or quality"
    text = f"${estimate.low_usd:.4f}"
    if estimate.high_usd > estimate.low_usd:
        text += f" to ${estimate.high_usd:.4f}"
    return f"{text} ({estimate.note})" if estimate.note else text


def result_json(result: Result) -> Dict[str, object]:
    """A success as the object that `--json` prints."""
    usage = None
    if result.usage:
        usage = {
            "input_tokens": result.usage.input_tokens,
            "output_tokens": result.usage.output_tokens,
            "total_tokens": result.usage.total_tokens,
        }
    return {
        "ok": True,
        "command": result.command,
        "model": result.model,
        "images": [image_json(image) for image in result.images],
        "usage": usage,
        "cost_usd": None if result.cost_usd is None else round(result.cost_usd, 6),
        "billed": result.billed.value,
        "http_status": result.http_status,
        "request_id": result.request_id,
        "attempts": result.attempts,
        "elapsed_s": round(result.elapsed_s, 3),
        "warnings": list(result.warnings),
    }


def error_json(error: GptImage2Error, command: str) -> Dict[str, object]:
    """A failure as the object that `--json` prints, with the images that were saved all the same."""
    outcome: Dict[str, object] = {"command": command, "images": [], "attempts": 0}
    if error.result:
        outcome = result_json(error.result)
    outcome.update(ok=False, billed=error.billed.value, error=failure_json(error))
    return {"ok": False, **outcome}


def failure_json(error: Optional[GptImage2Error]) -> Optional[Dict[str, object]]:
    """What went wrong as an object of `--json`; None where nothing did."""
    if error is None:
        return None
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "http_status": error.http_status,
        "request_id": error.request_id,
    }


class Reporter:
    """Shows the events of a call to a person. A context manager: the clock runs while it is entered."""

    def __init__(
        self, terminal: Terminal, *, quiet: bool = False, results: bool = True, warnings: bool = True
    ) -> None:
        self._terminal = terminal
        self._quiet = quiet
        self._results = results
        self._warnings = warnings
        self._typical_s: Optional[float] = None
        self._note = ""
        self._started = time.monotonic()
        self._done = threading.Event()
        self._thread: Optional[threading.Thread] = None

    def __enter__(self) -> Reporter:
        if self._terminal.is_live and not self._quiet:
            self._thread = threading.Thread(target=self._tick, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._stop_clock()

    def __call__(self, event: Event) -> None:
        """The observer of a call."""
        if isinstance(event, RequestStarted):
            self._typical_s, self._note = event.typical_s, ""
        elif isinstance(event, PartialImage):
            self._note = f", preview {event.partial_image_index} has come"
            if event.path:
                self._tell(f"preview {event.partial_image_index}: {show(event.path, limit=None)}")
        elif isinstance(event, ImageSaved) and self._results:
            self._terminal.result(saved_line(event.image.path, event.image.size_bytes))
        elif isinstance(event, RetryWaiting) and self._warnings:
            self._terminal.say(f"sending again in {event.wait_s:.1f} s ({event.reason})")
        elif isinstance(event, Warned) and self._warnings:
            self._terminal.say(show(event.message, limit=None), "warning", "yellow")
        elif isinstance(event, Finished):
            self._stop_clock()
            self._tell(_summary(event.result))

    def _tell(self, text: str) -> None:
        if not self._quiet:
            self._terminal.say(text)

    def _tick(self) -> None:
        while not self._done.wait(_TICK_S):
            elapsed = time.monotonic() - self._started
            about = f" of about {self._typical_s:.0f} s" if self._typical_s else ""
            self._terminal.live(f"{elapsed:.0f} s{about}{self._note}")

    def _stop_clock(self) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None


def _summary(result: Result) -> str:
    status = f"HTTP {result.http_status}" if result.http_status else "no answer"
    cost = f", ${result.cost_usd:.4f}" if result.cost_usd is not None else ""
    tokens = f" ({result.usage.total_tokens:,} tokens)" if result.usage else ""
    return f"{status} in {result.elapsed_s:.1f} s{cost}{tokens}"
