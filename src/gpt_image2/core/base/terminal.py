"""How wide a terminal is, and text that keeps within it."""

from __future__ import annotations

import os


def columns_of(descriptor: int = 1) -> int:
    """The width of the terminal at a descriptor, or what `COLUMNS` says of it; 0 where there is none."""
    try:
        return int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size(descriptor).columns
    except (OSError, ValueError):
        return 0


def narrowed(text: str) -> str:
    """A text whose lines fit the terminal, where there is one; what stands in a second column stays there."""
    width = columns_of() - 2
    if width <= 0:
        return text
    return "\n".join(line if len(line) <= width else _folded(line, width) for line in text.split("\n"))


def _folded(line: str, width: int) -> str:
    """A line as several, each below where its second column, or else its text, begins."""
    start = len(line) - len(line.lstrip())
    gap = line.find("  ", start)
    column = len(line) - len(line[gap:].lstrip()) if gap > 0 else start
    below = column if column < width // 2 else start
    done, now = "", line[:column]
    for word in line[column:].split():
        if len(now) + len(word) > width and now.strip():
            done, now = f"{done}{now.rstrip()}\n", " " * below
        now += f"{word} "
    return done + now.rstrip()
