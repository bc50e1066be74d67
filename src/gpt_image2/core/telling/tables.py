"""Tables for people: in columns, or where a terminal is too narrow for that, each row in lines of its own."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Iterator, List, Sequence

from ..base.terminal import columns_of
from .live_line import cells_of

_BETWEEN, _BELOW = "  ", "  "
#: Below this nothing can be read, whatever is done.
_LEAST_CELLS = 16


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = (), has_head: bool = False) -> List[str]:
    """Rows as lines, every column as wide as its widest cell; the numbers in `right` are set to the right.
    With a head, the first row names the columns, and each cell where there is no room for them."""
    if not rows:
        return []
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    lines = [
        _BETWEEN.join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]
    cells = _cells_of_terminal()
    if not cells or max(map(cells_of, lines)) <= cells:
        return lines
    if has_head:
        head, *rest = rows
        rows = [
            [row[0], *(f"{name} {cell}".strip() for name, cell in zip(head[1:], row[1:]) if cell)]
            for row in rest
        ]
    return [line for row in rows for line in _packed(row, cells)]


def line_of(words: Sequence[str]) -> str:
    """A row, or a sentence as its one cell, as a line; as several where the terminal is narrower."""
    return "\n".join(table([words]))


def _cells_of_terminal() -> int:
    """How wide the terminal of results is; 0 where they go elsewhere."""
    with suppress(Exception):  # it may be closed
        if sys.stdout.isatty():
            width = columns_of()
            return max(_LEAST_CELLS, width) if width else 0
    return 0


def _packed(row: Sequence[str], cells: int) -> List[str]:
    """The cells of a row one after another, in lines that begin further right from the second on."""
    lines: List[str] = []
    for cell in filter(None, row):
        for number, piece in enumerate(_broken_up(cell, cells - len(_BELOW))):
            longer = f"{lines[-1]}{_BETWEEN}{piece}" if lines else piece
            if lines and not number and cells_of(longer) <= cells:
                lines[-1] = longer
            else:
                lines.append(_BELOW * bool(lines) + piece)
    return lines


def _broken_up(text: str, cells: int) -> Iterator[str]:
    """A text in pieces that have room, broken behind a space or a `/` where one is in the later half."""
    while cells_of(text) > cells:
        end = len(text)
        while cells_of(text[:end]) > cells:
            end -= 1
        good = max(text.rfind(" ", 0, end), text.rfind("/", 0, end)) + 1
        end = max(1, good if good > end // 2 else end)
        yield text[:end].rstrip()
        text = text[end:]
    yield text
