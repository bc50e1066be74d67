"""Splits JSON that arrives in pieces: the strings somebody wants go to them, all the rest is kept. Pure.

This is no parser: it knows where strings begin and end, and in which objects and lists they stand. What is
kept is the document with the contents of the taken strings left out, for `json.loads` to read at the end.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Callable, List, Match, Optional, Tuple

from ..base.record import Record

_ESCAPE_BYTES = 6  # \uXXXX
_MAX_KEY_BYTES = 256
_MAX_DEPTH = 64
#: No answer has so many: what follows them is kept unread, which is quick.
_MAX_STRINGS = 200_000
IN_A_LIST = "[]"
_HEX = rb"[0-9a-fA-F]"
_PAIR = rb"u[dD][89abAB]" + _HEX + rb"{2}\\u[dD][c-fC-F]" + _HEX + rb"{2}"
_ESCAPE = rb"(?s)\\(?:" + _PAIR + rb"|u" + _HEX + rb"{4}|[^u])"
#: How serializers escape base64; the quick way for megabytes of it.
_USUAL_ESCAPES = ((b"\\/", b"/"), (b"\\u002b", b"+"), (b"\\u002B", b"+"))
_FIRST_OF_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_OPENING, _CLOSING = b"{[", b"}]"
_NO_STRUCTURE = bytes(set(range(256)) - set(b"{}[],:"))

#: Takes the content of one string, escapes undone, piece by piece; then None at its end.
StringSink = Callable[[Optional[bytes]], None]


class Place(Record):
    """Where a value stands: the names that lead to it, `IN_A_LIST` for a place in one, and the number of the
    object or list that holds it."""

    path: Tuple[str, ...]
    container: int


class _Container:
    """An object or a list under way; `name` is where it stands in the one around it."""

    def __init__(self, name: str, is_list: bool, number: int) -> None:
        self.name = name
        self.is_list = is_list
        self.number = number
        self.key = IN_A_LIST if is_list else ""
        self.at_value = is_list  # else a string that comes is a key


class JsonSplitter:
    """`feed` pieces of a document of any length.

    `wants(place)` is asked at the start of every string that is a value; it answers with a sink for the
    string's content, or None to leave it in the document, as is done with all that nests too deep, or comes
    after more strings than any answer has. `keep` gets every byte that no sink took.
    """

    def __init__(self, wants: Callable[[Place], Optional[StringSink]], keep: Callable[[bytes], None]) -> None:
        self._wants = wants
        self._keep = keep
        self._inside = False
        self._sink: Optional[StringSink] = None
        self._carry = b""  # the beginning of an escape whose end has not come yet
        self._key: Optional[bytes] = None  # the string under way, where it is a key
        self._open: List[_Container] = []
        self._number = 0
        self._strings = 0
        self._too_deep = 0

    def feed(self, data: bytes) -> None:
        data, self._carry = self._carry + data, b""
        at = 0
        while at < len(data):
            if self._strings == _MAX_STRINGS and not self._inside:
                self._keep(data[at:])
                return
            at = self._in_string(data, at) if self._inside else self._outside(data, at)

    def _outside(self, data: bytes, at: int) -> int:
        quote = data.find(b'"', at)
        end = len(data) if quote < 0 else quote
        for byte in data[at:end].translate(None, _NO_STRUCTURE):
            self._step(byte)
        self._keep(data[at : end + 1])
        if quote >= 0:
            self._inside = True
            self._strings += 1
            inmost = self._open[-1] if self._open and not self._too_deep else None
            if not self._open:
                self._sink = self._wants(Place((), 0))
            elif inmost is not None and inmost.at_value:
                path = (*(one.name for one in self._open[1:]), inmost.key)
                self._sink = self._wants(Place(path, inmost.number))
            elif inmost is not None:
                self._key = b""
        return end + 1

    def _step(self, byte: int) -> None:
        """One of the marks between strings."""
        inmost = self._open[-1] if self._open else None
        if byte in _OPENING:
            if self._too_deep or len(self._open) == _MAX_DEPTH:
                self._too_deep += 1
                return
            self._number += 1
            self._open.append(_Container(inmost.key if inmost else "", byte == ord("["), self._number))
        elif byte in _CLOSING:
            if self._too_deep:
                self._too_deep -= 1
            elif inmost is not None:
                self._open.pop()
        elif inmost is not None and not inmost.is_list and not self._too_deep:
            inmost.at_value = byte == ord(":")

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
        if self._key is not None:
            self._open[-1].key = _unescape(self._key[:_MAX_KEY_BYTES]).decode("utf-8", "replace")
        self._keep(b'"')
        self._inside, self._sink, self._key = False, None, None
        return quote + 1

    def _pass_on(self, piece: bytes) -> None:
        if self._sink is not None:
            if piece:
                self._sink(_unescape(piece))
            return
        self._keep(piece)
        if self._key is not None and len(self._key) <= _MAX_KEY_BYTES:
            self._key += piece[: _MAX_KEY_BYTES + 1]


def json_escaped(text: bytes) -> bytes:
    """The content of a JSON string that stands for a text."""
    return re.sub(rb'[\x00-\x1f"\\]', lambda match: b"\\u%04x" % ord(match.group()), text)


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
