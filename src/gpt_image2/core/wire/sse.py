"""Splits a stream of server-sent events into events and the data in them, without holding a line. Pure.

Source of the rules: the WHATWG HTML standard, "Parsing an event stream".
"""

from __future__ import annotations

from typing import Callable

_MAX_LINE_BYTES = 4096


class SseSplitter:
    """`feed` pieces of any length. `on_data` gets the data of an event piece by piece, however long its
    line; `on_event` gets the event's name at the blank line that ends it."""

    def __init__(self, on_data: Callable[[bytes], None], on_event: Callable[[], None]) -> None:
        self._on_data = on_data
        self._on_event = on_event
        self._line = b""  # the line so far, until it is known to be data
        self._in_data = False
        self._had_data = False
        self._skip_space = False
        self._after_cr = False
        #: The name that the `event` field gave to the event under way; empty without one.
        self.event = ""

    def feed(self, piece: bytes) -> None:
        at = 0
        while at < len(piece):
            if self._after_cr and piece[at] == 0x0A:
                self._after_cr = False
                at += 1
                continue
            self._after_cr = False
            at = self._data(piece, at) if self._in_data else self._field(piece, at)

    def _data(self, piece: bytes, at: int) -> int:
        if self._skip_space:
            self._skip_space = False
            if piece[at] == 0x20:
                return at + 1
        end = _line_end(piece, at)
        if end > at:
            self._on_data(piece[at:end])
        if end < len(piece):
            self._in_data = False
            self._after_cr = piece[end] == 0x0D
        return end + 1

    def _field(self, piece: bytes, at: int) -> int:
        """Reads a line up to its end, or as far as it shows that it is data."""
        end = _line_end(piece, at)
        line = self._line + piece[at:end]
        if line.startswith(b"data:"):
            if self._had_data:
                self._on_data(b"\n")
            start = at + len(b"data:") - len(self._line)
            self._line = b""
            self._in_data = self._had_data = self._skip_space = True
            return start
        self._line = line[:_MAX_LINE_BYTES]
        if end < len(piece):
            self._after_cr = piece[end] == 0x0D
            self._end_line()
        return end + 1

    def _end_line(self) -> None:
        line, self._line = self._line, b""
        if not line:
            self._on_event()
            self.event, self._had_data = "", False
        elif line.startswith(b"event:"):
            self.event = line[len(b"event:") :].strip().decode("utf-8", "replace")


def _line_end(piece: bytes, at: int) -> int:
    """Where the line ends that runs at a position: at a line feed, a carriage return, or the piece's end."""
    feed = piece.find(b"\n", at)
    end = len(piece) if feed < 0 else feed
    carriage = piece.find(b"\r", at, end)
    return end if carriage < 0 else carriage
