"""The status and headers of an answer, read from the bytes that curl passes on. Pure.

As lenient as curl: lines may end in LF alone, be folded, come twice, or hold other characters than ASCII.
"""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, Optional, Tuple

MAX_HEAD_BYTES = 1 << 20  # more than any curl that bounds it lets through
_STATUS_LINE = rb"HTTP/[0-9](?:\.[0-9])? +([0-9]{3})(?![0-9])"

#: The status, and the headers: their names in lower case, the last of equal names counts.
_Head = Tuple[int, Mapping[str, str]]


class HeadReader:
    """`feed` the pieces; `head` is that of the final answer, once it is whole. Interim answers (1xx) are
    passed over, as is all that follows: trailers come by the same way."""

    def __init__(self) -> None:
        self.head: Optional[_Head] = None
        self.size_bytes = 0
        self._rest = b""
        self._lines: List[bytes] = []

    @property
    def is_too_long(self) -> bool:
        """Whether the headers are longer than any that are real."""
        return self.size_bytes > MAX_HEAD_BYTES

    def feed(self, data: bytes) -> None:
        """Takes the next bytes."""
        self.size_bytes += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if self.head is not None:
                return
            line = line[:-1] if line.endswith(b"\r") else line
            if line:
                self._lines.append(line)
                continue
            head = parse_head(self._lines)
            self._lines = []
            if head is not None and head[0] >= 200:
                self.head = head


def parse_head(lines: List[bytes]) -> Optional[_Head]:
    """The status line and headers of one block, or None when it is no HTTP answer."""
    match = re.match(_STATUS_LINE, lines[0]) if lines else None
    if match is None:
        return None
    headers: Dict[str, str] = {}
    name = ""
    for line in lines[1:]:
        text = _header_text(line)
        if text[0] in " \t" and name:
            headers[name] = f"{headers[name]} {text.strip()}".strip()
            continue
        name, separator, value = text.partition(":")
        name = name.strip().lower() if separator else ""
        if name:
            headers[name] = value.strip()
    return int(match.group(1)), headers


def _header_text(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")
