"""The line on a terminal that changes while a command waits: a headline, a bar, and what else has room.

It never wraps, and leaves nothing behind: it is drawn within the width that the terminal has at that moment,
and the cursor goes back to where it begins, so that what a smaller window has wrapped of it is cleared.
"""

from __future__ import annotations

import os
from typing import Optional, Sequence, TextIO, Tuple

from .streams import print_text

_CLEAR = "\r\x1b[J"
#: Around a line: a console that takes two cells where we count one cuts it off and does not wrap it.
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
_BLOCKS, _ASCII = ("\u2588", "\u2591"), ("#", "-")
_PREVIEW_CAME = "|"
_LEAST_BAR, _MOST_BAR = 6, 30
_USUAL_COLUMNS = 80


class LiveLine:
    """The one line of a terminal; whoever prints there clears it first."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._is_drawn = False

    def draw(self, parts: Sequence[str], share: Optional[float], marks: Sequence[float]) -> None:
        try:
            columns = os.get_terminal_size(self._terminal.fileno()).columns or _USUAL_COLUMNS
        except (OSError, ValueError):  # it has gone
            return
        text = live_text(parts, share, marks, columns - 1, glyphs_of(self._terminal.encoding))
        print_text(f"{_CLEAR}{_NO_WRAP}{text}{_WRAP}\r", self._terminal)
        self._is_drawn = True

    def clear(self) -> None:
        if self._is_drawn:
            self._is_drawn = False
            print_text(_CLEAR, self._terminal)


def live_text(
    parts: Sequence[str],
    share: Optional[float],
    marks: Sequence[float],
    cells: int,
    glyphs: Tuple[str, str],
) -> str:
    """The line in at most so many cells: the first part, a bar that is full for `share` of it and marked at
    the shares `marks`, and those of the other parts that fit. A bar that has no room is left out."""
    head = _cut(parts[0], cells)
    least = 0 if share is None else _LEAST_BAR + 1
    left = cells - cells_of(head)
    tail = ""
    for part in parts[1:]:
        longer = f"{tail}, {part}" if tail else f" {part}"
        if cells_of(longer) <= left - least:
            tail = longer
    if share is None or left < least:
        return head + tail
    left -= 1
    width = min(_MOST_BAR, left - cells_of(tail))
    full = round(min(1.0, max(0.0, share)) * width)
    bar = list(glyphs[0] * full + glyphs[1] * (width - full))
    for mark in marks:
        bar[min(width - 1, int(mark * width))] = _PREVIEW_CAME
    return f"{head} {''.join(bar)}{tail}"


def cells_of(text: str) -> int:
    """How many cells of a terminal a text takes: two for a wide character, none for a joined one."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def glyphs_of(encoding: Optional[str]) -> Tuple[str, str]:
    """What a full and an empty cell of the bar are drawn with."""
    try:
        "".join(_BLOCKS).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return _ASCII
    return _BLOCKS


def _cells(char: str) -> int:
    from unicodedata import category, east_asian_width

    if category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(char) in "WF" else 1


def _cut(text: str, cells: int) -> str:
    while text and cells_of(text) > cells:
        text = text[:-1]
    return text
