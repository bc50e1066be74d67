"""Splits JSON that arrives in pieces: the strings somebody wants go to them, all the rest is kept. Pure.

This is no parser: it knows where strings begin and end, and which key a string is the value of. What is kept
is the document with the contents of the taken strings left out, for `json.loads` to read at the end.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Callable, Match, Optional

_ESCAPE_BYTES = 6  # \uXXXX
_MAX_KEY_BYTES = 256
_HEX = rb"[0-9a-fA-F]"
_PAIR = rb"u[dD][89abAB]" + _HEX + rb"{2}\\u[dD][c-fC-F]" + _HEX + rb"{2}"
_ESCAPE = rb"(?s)\\(?:" + _PAIR + rb"|u" + _HEX + rb"{4}|[^u])"
#: How serializers escape base64; the quick way for megabytes of it.
_USUAL_ESCAPES = ((b"\\/", b"/"), (b"\\u002b", b"+"), (b"\\u002B", b"+"))
_FIRST_OF_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"

#: Takes the content of one string, escapes undone, piece by piece; then None at its end.
StringSink = Callable[[Optional[bytes]], None]


class JsonSplitter:
    """`feed` pieces of a document of any length.

    `wants(key)` is asked at the start of every string that is the value of a key; it answers with a sink for
    the string's content, or None to leave it in the document. `keep` gets every byte that no sink took.
    """

    def __init__(self, wants: Callable[[str], Optional[StringSink]], keep: Callable[[bytes], None]) -> None:
        self._wants = wants
        self._keep = keep
        self._inside = False
        self._sink: Optional[StringSink] = None
        self._carry = b""  # the beginning of an escape whose end has not come yet
        self._string = b""  # the last string that was kept: it may be a key
        self._gap = b""  # the first bytes since then, blanks left out

    def feed(self, data: bytes) -> None:
        data, self._carry = self._carry + data, b""
        at = 0
        while at < len(data):
            at = self._in_string(data, at) if self._inside else self._outside(data, at)

    def _outside(self, data: bytes, at: int) -> int:
        quote = data.find(b'"', at)
        end = len(data) if quote < 0 else quote
        if len(self._gap) < 2:
            self._gap += data[at:end].strip()[:2]
        self._keep(data[at : end + 1])
        if quote >= 0:
            if self._gap == b":" and len(self._string) <= _MAX_KEY_BYTES:
                self._sink = self._wants(_unescape(self._string).decode("utf-8", "replace"))
            self._inside, self._string, self._gap = True, b"", b""
        return end + 1

    def _in_string(self, data: bytes, at: int) -> int:
        """Passes the string's content on, as far as it is here; the position after it."""
        quote = data.find(b'"', at)
        while quote >= 0 and _ends_in_open_backslash(data, at, quote):
            quote = data.find(b'"', quote + 1)
        end = quote if quote >= 0 else _whole_pairs_end(data, at)
        self._pass_on(data[at:end])
        if quote < 0:
            self._carry = data[end:]
            return len(data)
        if self._sink is not None:
            self._sink(None)
        self._keep(b'"')
        self._inside, self._sink = False, None
        return quote + 1

    def _pass_on(self, piece: bytes) -> None:
        if self._sink is not None:
            if piece:
                self._sink(_unescape(piece))
            return
        self._keep(piece)
        if len(self._string) <= _MAX_KEY_BYTES:
            self._string += piece[: _MAX_KEY_BYTES + 1]


def _ends_in_open_backslash(data: bytes, start: int, end: int) -> bool:
    """Whether an odd number of backslashes stands before `end`."""
    at = end
    while at > start and data[at - 1] == 0x5C:
        at -= 1
    return (end - at) % 2 == 1


def _whole_escapes_end(data: bytes, start: int) -> int:
    """Where the last escape that is not complete begins, or the end of the data."""
    at = data.rfind(b"\\", max(start, len(data) - _ESCAPE_BYTES + 1))
    if at < 0 or not _ends_in_open_backslash(data, start, at + 1):
        return len(data)
    is_unicode = data[at + 1 : at + 2] in (b"", b"u")
    return at if len(data) - at < (_ESCAPE_BYTES if is_unicode else 2) else len(data)


def _whole_pairs_end(data: bytes, start: int) -> int:
    """As `_whole_escapes_end`, but before the first half of a surrogate pair: the other half may come."""
    end = _whole_escapes_end(data, start)
    at = end - _ESCAPE_BYTES
    is_half = at >= start and re.match(_FIRST_OF_PAIR, data[at:end]) is not None
    return at if is_half and _ends_in_open_backslash(data, start, at + 1) else end


def _unescape(text: bytes) -> bytes:
    """The content of a JSON string; text with an escape that JSON does not know is left as it is."""
    if b"\\" in text and b"\\\\" not in text:
        for escape, plain in _USUAL_ESCAPES:
            text = text.replace(escape, plain)
    return re.sub(_ESCAPE, _unescape_match, text) if b"\\" in text else text


def _unescape_match(match: Match[bytes]) -> bytes:
    return _unescape_one(match.group())


@lru_cache(maxsize=256)
def _unescape_one(escape: bytes) -> bytes:
    """What one escape stands for, or a surrogate pair of two."""
    try:
        content: str = json.loads(f'"{escape.decode("latin-1")}"', strict=False)
    except ValueError:
        return escape
    return content.encode("utf-8", "surrogatepass")
