"""`--events`: what happens, one JSON object a line on standard error."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from typing import Dict, Generator, Iterable, List, Mapping, Optional

from ..base.events import (
    Event,
    HeadersReceived,
    ImageSaved,
    ModelImageSaved,
    PartialImage,
    RequestStarted,
    RetryWaiting,
    TaskUnderWay,
    Warned,
)
from .as_json import image_json
from .output import Output
from .streams import print_text, ticking

HEARTBEAT_S = 15.0
_EVENT_NAMES: Mapping[type, str] = {
    RequestStarted: "request_started",
    HeadersReceived: "headers_received",
    RetryWaiting: "retry_waiting",
    PartialImage: "partial_image",
    TaskUnderWay: "task",
    ImageSaved: "image_saved",
    ModelImageSaved: "model_image_saved",
    Warned: "warning",
}


class EventsOutput(Output):
    """For programs: one JSON object a line on standard error, and a heartbeat while nothing happens."""

    def __init__(self, flags: List[str], heartbeat_s: float = HEARTBEAT_S) -> None:
        super().__init__(flags)
        self.is_live = False
        self._heartbeat_s = heartbeat_s

    def warn(self, text: str) -> None:
        self.event({"event": "warning", "message": text})

    def event(self, line: Mapping[str, object]) -> None:
        self._write({**line, "elapsed_s": round(time.monotonic() - self._started_s, 3)})

    def finish(
        self, outcome: Mapping[str, object], rows: Optional[Iterable[Mapping[str, object]]] = None
    ) -> None:
        self.event({"event": "finished", **outcome})
        super().finish(outcome, rows)

    @contextmanager
    def heartbeat(self) -> Generator[None, None, None]:
        with ticking(lambda: self.event({"event": "heartbeat"}), self._heartbeat_s):
            yield

    _clock = heartbeat

    def _hear(self, event: Event) -> None:
        line = _event_json(event)
        if line is not None:
            self._write(line)

    def _print(self, text: str, label: str = "", colour: str = "") -> None:
        """Nothing: lines in words are for people."""

    def _write(self, line: Mapping[str, object]) -> None:
        """One object on one line."""
        with self._lock:
            print_text(json.dumps(line) + "\n", sys.stderr)


def _event_json(event: Event) -> Optional[Dict[str, object]]:
    """An event of a call; None for the end of the call, which the command itself reports."""
    name = _EVENT_NAMES.get(type(event))
    if name is None:
        return None
    values: Dict[str, object] = dict(vars(event))
    if isinstance(event, (ImageSaved, ModelImageSaved)):
        values["image"] = image_json(event.image)
    if isinstance(event, PartialImage):
        del values["number"], values["part"]
    if isinstance(event, HeadersReceived):
        del values["limits"]
        if event.limits:
            values["limits"] = [dict(vars(limit)) for limit in event.limits]
    return {"event": name, **values, "elapsed_s": round(event.elapsed_s, 3)}
