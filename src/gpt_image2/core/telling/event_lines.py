"""The events of a call as JSON lines on stderr, and a heartbeat while nothing happens."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Dict, Mapping, Optional, TextIO, Type

from ..base.events import (
    Event,
    HeadersReceived,
    ImageSaved,
    PartialImage,
    RequestStarted,
    RetryWaiting,
    Warned,
)
from .report import image_json

HEARTBEAT_S = 15.0

_NAMES: Mapping[type, str] = {
    RequestStarted: "request_started",
    HeadersReceived: "headers_received",
    RetryWaiting: "retry_waiting",
    PartialImage: "partial_image",
    ImageSaved: "image_saved",
    Warned: "warning",
}


def event_json(event: Event) -> Optional[Dict[str, object]]:
    """An event as the object on its line; None for the end of a call, which the command itself reports."""
    name = _NAMES.get(type(event))
    if name is None:
        return None
    values: Dict[str, object] = dict(vars(event))
    if isinstance(event, ImageSaved):
        values["image"] = image_json(event.image)
    if isinstance(event, HeadersReceived):
        del values["limits"]
        if event.limits:
            values["limits"] = [dict(vars(limit)) for limit in event.limits]
    elapsed_s = round(event.elapsed_s, 3)
    return {"event": name, **values, "elapsed_s": elapsed_s}


def warning_line(message: str, elapsed_s: float) -> Dict[str, object]:
    """A warning as the object on its line."""
    return {"event": "warning", "message": message, "elapsed_s": round(elapsed_s, 3)}


class EventLines:
    """The observer that writes events. A context manager: the heart beats while it is entered."""

    def __init__(self, stderr: TextIO, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._stderr = stderr
        self._heartbeat_s = heartbeat_s
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> EventLines:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._done.set()
        self._thread.join()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._started

    def __call__(self, event: Event) -> None:
        """The observer of a call."""
        line = event_json(event)
        if line is not None:
            self.write(line)

    def write(self, line: Mapping[str, object]) -> None:
        """One object on one line; a reader that has gone away does not stop the call."""
        with self._lock, suppress(OSError, ValueError):
            self._stderr.write(json.dumps(line) + "\n")
            self._stderr.flush()

    def finished(self, outcome: Mapping[str, object]) -> None:
        """The last line: the object that `--json` prints."""
        self.write({"event": "finished", **outcome, "elapsed_s": round(self.elapsed_s, 3)})

    def _beat(self) -> None:
        while not self._done.wait(self._heartbeat_s):
            self.write({"event": "heartbeat", "elapsed_s": round(self.elapsed_s, 3)})
