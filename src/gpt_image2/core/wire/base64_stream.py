"""Decodes base64 and percent encoding that arrive in pieces. Pure: text bytes in, image bytes out.

The standard and the URL-safe alphabet, with or without padding, blanks and line breaks between characters:
what relays send. Anything else is an error, never silently skipped.
"""

from __future__ import annotations

import binascii
from typing import Optional
from urllib.parse import unquote_to_bytes

_BLANKS = b" \t\r\n"
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class BadBase64(ValueError):
    """The text is not base64; `rest` is the part of it that was not decoded, from the faulty piece on."""

    def __init__(self, rest: bytes) -> None:
        super().__init__("not base64")
        self.rest = rest


class Base64Decoder:
    """`feed` pieces of any length, then `finish`; each returns the bytes that became whole by then."""

    def __init__(self) -> None:
        self._pending = b""
        self._padding = 0

    def feed(self, text: bytes) -> bytes:
        """The bytes that this piece completes; `BadBase64` for what is no base64 or follows the padding."""
        whole = self._pending + text
        cut = len(whole) - len(whole) % 4
        if not self._padding and _is_plain(whole[cut:]):
            decoded = _decode_plain(memoryview(whole)[:cut])
            if decoded is not None:
                self._pending = whole[cut:]
                return decoded
        clean = text.translate(_FROM_URL_SAFE, _BLANKS)
        body = clean.rstrip(b"=")
        if (self._padding and body) or not _is_plain(body):
            raise BadBase64(whole)
        self._padding += len(clean) - len(body)
        body = self._pending + body
        cut = len(body) - len(body) % 4
        self._pending = body[cut:]
        return binascii.a2b_base64(body[:cut])

    def finish(self) -> bytes:
        """The last one or two bytes; `BadBase64` where a character is left over or the padding is wrong."""
        rest, self._pending = self._pending, b""
        wanted = -len(rest) % 4
        if wanted == 3 or (self._padding and self._padding != wanted):
            raise BadBase64(rest)
        return binascii.a2b_base64(rest + b"=" * wanted)


class PercentDecoder:
    """`feed` pieces of any length, then `finish`; what is no escape stays as it is."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, text: bytes) -> bytes:
        whole = self._pending + text
        at = whole.rfind(b"%", -2)
        cut = len(whole) if at < 0 else at
        self._pending = whole[cut:]
        return unquote_to_bytes(whole[:cut])

    def finish(self) -> bytes:
        return self._pending


def _is_plain(text: bytes) -> bool:
    return not text.translate(None, _ALPHABET)


def _decode_plain(text: memoryview) -> Optional[bytes]:
    """Decodes whole groups of nothing but plain base64; None for anything else."""
    try:
        decoded = binascii.a2b_base64(text)
    except binascii.Error:
        return None
    # The C decoder skips foreign characters; then fewer bytes come out than went in.
    return decoded if len(decoded) * 4 == len(text) * 3 else None
