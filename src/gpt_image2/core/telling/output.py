"""Where all that a command says goes: results to standard output, everything else to standard error.

This one is for people (`--quiet` leaves all but errors out), `events_output` for what reads `--events`;
in both, `--json` makes the result one object.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import Any, Generator, Iterable, List, Mapping, Optional, Sequence, TextIO

from ..base.errors import GptImage2Error, UsageError
from ..base.events import (
    Event,
    Finished,
    ImageSaved,
    ModelImageSaved,
    Observer,
    PartialImage,
    RequestStarted,
    RetryWaiting,
    TaskUnderWay,
    Warned,
)
from ..base.redact import show
from .as_json import error_json
from .in_words import SANDBOX_MADE_IT, ending_in_words, saved_line
from .streams import prepare_streams, print_json, print_text, ticking

LINE_EVERY_S = 60.0
_TICK_S = 1.0
_RED, _YELLOW = "31", "33"


def output_for(arguments: List[str]) -> Output:
    """Where what a command says goes; the process ends where that is events and the script lies alone."""
    prepare_streams()
    flags = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if "--events" not in flags:
        return Output(flags)
    try:
        from .events_output import EventsOutput

        return EventsOutput(flags)
    except UsageError as alone:
        Output(flags).fail(alone, arguments[0])
        raise SystemExit(alone.exit_code) from None


def _live_line() -> Any:
    """The line that changes; None where the script lies alone, which has none."""
    try:
        from .live_line import LiveLine

        return LiveLine(sys.stderr)
    except UsageError:
        return None


class Output:
    """For people: one line a message, colours and a live line where a terminal shows them."""

    def __init__(self, flags: List[str], line_every_s: float = LINE_EVERY_S) -> None:
        self.is_json = "--json" in flags
        self.shows_tracebacks = "--debug" in flags
        self._quiet = "--quiet" in flags
        is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._has_colours = is_terminal and not os.environ.get("NO_COLOR")
        self._line = _live_line() if is_terminal and not self._quiet else None
        self.is_live = self._line is not None
        self._lock = threading.Lock()
        self._started_s = time.monotonic()
        self._typical_s: Optional[float] = None
        self._preview_s: List[float] = []
        self._done: Optional[float] = None
        self._note = ""
        self._line_every_s = line_every_s

    def result(self, text: str) -> None:
        if not self.is_json:
            self._write_line(text, sys.stdout)

    def say(self, text: str) -> None:
        if not self._quiet:
            self._print(text)

    def warn(self, text: str) -> None:
        if not self._quiet:
            self._print(text, "warning", _YELLOW)

    def complain(self, text: str) -> None:
        """A failure among many; programs get it with the rest of its row."""
        if not self.is_json:
            self._print(text, "error", _RED)

    def live(self, parts: Sequence[str], share: Optional[float], marks: Sequence[float] = ()) -> None:
        """The line that changes, where there is one: a headline, and what stands behind the bar. Without a
        share there is no bar."""
        if self._line is not None and self.is_live:
            with self._lock:
                self._line.draw(parts, share, marks)

    def event(self, line: Mapping[str, object]) -> None:
        """Something happened; only `--events` shows it."""

    def finish(
        self, outcome: Mapping[str, object], rows: Optional[Iterable[Mapping[str, object]]] = None
    ) -> None:
        """How the command ended, as one object: the last that is said. `rows` are for `--json` only."""
        if not self.is_json:
            return
        try:
            print_json(outcome, sys.stdout, rows)
        except Exception as defect:  # how the command ended stands, whatever cannot be told of it
            self.warn(f"the rows could not all be told: {defect}")

    def fail(self, error: GptImage2Error, command: str) -> None:
        """The error that the command ended with; for people what to do, and whether money may be gone."""
        self.finish(error_json(error, command))
        if self.is_json:
            return
        text, hint = show(error.message, limit=None), show(error.hint, limit=None)
        self.complain(f"{text.rstrip('.')}; {hint}" if hint else text)
        if error.result and error.result.attempts:
            request = f", request id {error.request_id}" if error.request_id else ""
            sent = error.result.requests_sent
            self._print(f"billed: {error.billed.value} (requests sent: {sent}{request})")

    @contextmanager
    def heartbeat(self) -> Generator[None, None, None]:
        """In this context a line comes from time to time under `--events`."""
        yield

    @contextmanager
    def observer(self, results: bool) -> Generator[Observer, None, None]:
        """Who hears the events of a call; with `results`, `Saved:` lines are printed as images come."""

        def hear(event: Event) -> None:
            self._hear(event)
            if results and isinstance(event, ImageSaved):
                self.result(saved_line(event.image.path, event.image.size_bytes))

        with self._clock():
            yield hear

    @contextmanager
    def _clock(self) -> Generator[None, None, None]:
        """The seconds of a call are counted in this context: every second on the live line, every minute on
        one of its own where there is no terminal."""
        self._started_s = time.monotonic()
        if self._quiet:
            yield
            return
        try:
            with ticking(self._show_clock, _TICK_S if self.is_live else self._line_every_s):
                yield
        finally:
            self._clear_line()

    def _show_clock(self) -> None:
        elapsed_s, typical_s, share = time.monotonic() - self._started_s, self._typical_s, self._done
        headline, marks = f"{elapsed_s:.0f} s", []
        if typical_s is not None:
            headline += f" of about {typical_s:.0f} s"
            whole_s = max(typical_s, elapsed_s)
            share = max(share or 0.0, elapsed_s / whole_s)
            marks = [preview_s / whole_s for preview_s in self._preview_s]
        parts = [headline, self._note] if self._note else [headline]
        if self.is_live:
            self.live(parts, share, marks)
        else:
            self.say(", ".join(parts))

    def _hear(self, event: Event) -> None:
        if isinstance(event, RequestStarted):
            # One that is sent again begins again: what has passed comes before its usual time.
            self._typical_s = event.elapsed_s + event.typical_s
            self._preview_s, self._done, self._note = [], None, ""
            if not self.is_live:
                again = " again" if event.attempt > 1 else ""
                self.say(f"sent{again}; usually {event.typical_s:.0f} s")
        elif isinstance(event, PartialImage):
            self._preview_s.append(event.elapsed_s)
            self._note = f"preview {event.partial_image_index} has come"
            if event.path:
                self.say(f"preview {event.partial_image_index}: {show(event.path, limit=None)}")
        elif isinstance(event, TaskUnderWay):
            if not self._note:
                self.say(f"the host made it task {show(event.task_id)}, and is asked after it")
            done = "" if event.percent is None else f", {event.percent:.0f} %"
            self._done = None if event.percent is None else event.percent / 100
            self._note = f"{show(event.status)}{done}"
        elif isinstance(event, RetryWaiting):
            self.say(f"sending again in {event.wait_s:.1f} s ({event.reason})")
        elif isinstance(event, ModelImageSaved):
            self.say(f"what the model sent: {show(event.image.path, limit=None)}")
        elif isinstance(event, Warned):
            self.warn(show(event.message, limit=None))
        elif isinstance(event, Finished):
            self.say(ending_in_words(event.result))
            if event.result.sandbox and event.result.images:
                self.warn(SANDBOX_MADE_IT)

    def _print(self, text: str, label: str = "", colour: str = "") -> None:
        if label:
            text = f"\x1b[{colour}m{label}\x1b[0m: {text}" if self._has_colours else f"{label}: {text}"
        self._write_line(text, sys.stderr)

    def _write_line(self, text: str, stream: TextIO) -> None:
        with self._lock:
            if self._line is not None:
                self._line.clear()
            print_text(text + "\n", stream)

    def _clear_line(self) -> None:
        if self._line is not None:
            with self._lock:
                self._line.clear()
