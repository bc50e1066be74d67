"""Takes an image out of the text that holds it while that text is still arriving: base64, or a data URI."""

from __future__ import annotations

import re
from typing import Callable, Optional

from ..base.errors import OutputError
from ..wire.base64_stream import BadBase64, Base64Decoder
from .collect import ImageCollector
from .store import ImageWriter

_HEAD_BYTES = 8
_MAX_URI_HEADER_BYTES = 256
_MAX_ADDRESS_BYTES = 16384
_ADDRESS_STARTS = (b"http://", b"https://")
#: An address without its server: a path from the root, or one with a file's extension.
_RELATIVE = rb"/[^\x00-\x1f]+|[^\x00-\x20:/?#<>{}][^\x00-\x1f:?#<>{}]*\.[A-Za-z0-9]{2,5}([?#][^\x00-\x1f]*)?"


class ImageText:
    """The sink for one string that may hold an image: base64, a data URI, or the address of an image, which
    may be relative where no base64 is expected.

    `on_image(writer)` is called when the string has ended and was an image's; `on_text(text, is_address)`
    gets a string that is none, a very long one in pieces. Bytes go to disk as they come; a fault in the
    base64 keeps the text aside as it was.
    """

    def __init__(
        self,
        collector: ImageCollector,
        is_base64: bool,
        on_image: Callable[[ImageWriter], None],
        on_text: Callable[[bytes, bool], None],
    ) -> None:
        self._collector = collector
        self._is_base64 = is_base64
        self._on_image = on_image
        self._on_text = on_text
        self._head: Optional[bytes] = b""
        self._text: Optional[bytes] = None
        self._is_long = False
        self._decoder: Optional[Base64Decoder] = Base64Decoder()
        self._writer: Optional[ImageWriter] = None
        self._lost = False

    def __call__(self, piece: Optional[bytes]) -> None:
        """Takes the next piece, or None at the end."""
        if piece is None:
            self._end()
        elif self._head is not None:
            self._head += piece
            self._decide(at_end=False)
        elif self._text is not None:
            self._text += piece
            if len(self._text) > _MAX_ADDRESS_BYTES:
                self._is_long = True
                self._on_text(self._text, False)
                self._text = b""
        else:
            self._decode(piece)

    def _decide(self, at_end: bool) -> None:
        """Tells by the first bytes what the string is."""
        head = self._head or b""
        if head[:5].lower() == b"data:":
            comma = head.find(b",")
            if comma < 0 and len(head) < _MAX_URI_HEADER_BYTES and not at_end:
                return
            if comma >= 0 and head[:comma].lower().endswith(b";base64"):
                self._head = None
                self._decode(head[comma + 1 :])
                return
        elif len(head) < _HEAD_BYTES and not at_end:
            return
        self._head = None
        if self._is_base64 and not head.lower().startswith(_ADDRESS_STARTS):
            self._decode(head)
        else:
            self._text = head

    def _decode(self, piece: bytes) -> None:
        if self._lost or not piece:
            return
        try:
            if self._writer is None:
                self._writer = self._collector.begin()
            if self._decoder is None:
                self._writer.write(piece)
                return
            self._writer.write(self._decoder.feed(piece))
        except BadBase64 as error:
            self._give_up_decoding(error.rest)
        except OutputError as error:
            self._lost = True
            self._collector.lose(error.message)

    def _give_up_decoding(self, rest: bytes) -> None:
        assert self._writer is not None
        self._decoder = None
        try:
            self._writer.undo_base64()
            self._writer.write(rest)
        except OutputError as error:
            self._lost = True
            self._collector.lose(error.message)

    def _end(self) -> None:
        if self._head is not None:
            self._decide(at_end=True)
        if self._text is not None:
            is_address = self._text.lower().startswith(_ADDRESS_STARTS) or (
                not self._is_base64 and re.fullmatch(_RELATIVE, self._text) is not None
            )
            self._on_text(self._text, is_address and not self._is_long)
        if self._writer is None or self._lost:
            return
        try:
            if self._decoder is not None:
                self._writer.write(self._decoder.finish())
        except BadBase64 as error:
            self._give_up_decoding(error.rest)
        except OutputError as error:
            self._lost = True
            self._collector.lose(error.message)
        if self._lost:
            return
        if self._decoder is None:
            self._collector.keep_aside(self._writer, "bad-base64.txt")
        else:
            self._on_image(self._writer)
