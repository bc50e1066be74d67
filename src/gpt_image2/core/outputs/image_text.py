"""Takes images out of a text that holds them while it is still arriving: base64, data URIs, SVG as it is."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Callable, Optional

from ..api.images import SNIFF_BYTES, needs_more, sniff_format
from ..base.errors import OutputError
from ..wire.base64_stream import BadBase64, Base64Decoder
from .collect import ImageCollector
from .store import ImageWriter

#: So many characters of base64 tell at most what they are.
_HEAD_CHARS = -(-SNIFF_BYTES // 3) * 4
_MAX_URI_HEADER_BYTES = 256
#: Of a text without an image so much is looked at.
_MAX_TEXT_BYTES = 1 << 16
_DATA_URI = rb"(?i)data:(?:image/[\w.+-]{1,100}|application/octet-stream)?(?:;[\w.+=-]{1,100}){0,3};base64,"
_BASE64_URI_AT_START = rb"(?i)data:[^,]{0,250};base64,"
#: What ends a data URI inside a text.
_AFTER_URI = rb"[)\"'<>\]}`|]"
_ADDRESS_STARTS = (b"http://", b"https://")


class ImageText:
    """The sink for one string that may hold images: it is base64, or data URIs stand in it, alone or in the
    midst of a text; `is_base64` says that it can be nothing else, but for a data URI or an address.

    `on_image(writer)` is called for each image that is whole. `keep(text, is_far)` gets the rest as it comes,
    the far end of a long text marked as such; `on_text` gets all of that at the end but for a far end. Bytes
    go to disk as they come; a fault in the base64 keeps the text aside as it was.
    """

    def __init__(
        self,
        collector: ImageCollector,
        keep: Callable[[bytes, bool], None],
        on_image: Callable[[ImageWriter], None],
        on_text: Callable[[bytes], None],
        is_base64: bool = False,
    ) -> None:
        self._collector = collector
        self._keep_text = keep
        self._on_image = on_image
        self._on_text = on_text
        self._is_base64 = is_base64
        self._is_at_start = True
        self._pending = b""  # what is not known to be text or image yet
        self._text = bytearray()
        self._is_image = False  # whether an image is under way
        self._ends_in_text = False  # whether more text may follow it
        self._decoder: Optional[Base64Decoder] = None
        self._is_faulty = self._is_lost = False
        self._writer: Optional[ImageWriter] = None

    def __call__(self, piece: Optional[bytes]) -> None:
        """Takes the next piece, or None at the end."""
        if piece is None:
            if not self._is_image:
                self._look(at_end=True)
            if self._is_image:
                self._image_ended()
            self._on_text(bytes(self._text))
        elif self._is_image:
            self._take(piece)
        else:
            self._pending += piece
            self._look(at_end=False)

    def _look(self, at_end: bool) -> None:
        """Looks for the beginning of an image in what is pending; what cannot be one any more is text."""
        while self._pending and not self._is_image:
            head, is_whole = self._pending, at_end or len(self._pending) > _MAX_URI_HEADER_BYTES
            if self._is_at_start:
                uri = re.match(_BASE64_URI_AT_START, head)
                if uri is None and head[:5].lower() == b"data:" and not is_whole:
                    return
                is_text = not self._is_base64 or head.lower().startswith(_ADDRESS_STARTS)
                decoded = _base64_head(head)
                if uri is None and not at_end and any(map(needs_more, (head, decoded or head))):
                    return
                self._is_at_start = False
                if uri is not None:
                    self._begin(head[uri.end() :], Base64Decoder())
                elif not is_text or (decoded and sniff_format(decoded)):
                    self._begin(head, Base64Decoder())
                elif sniff_format(head) is not None:
                    self._begin(head, None)
                continue
            uri = re.search(_DATA_URI, head)
            if uri is not None:
                self._add_text(head[: uri.start()])
                self._ends_in_text = True
                self._begin(head[uri.end() :], Base64Decoder())
                continue
            hold = 0 if at_end else _held_back(head)
            self._add_text(head[: len(head) - hold])
            self._pending = head[len(head) - hold :]
            return

    def _begin(self, first: bytes, decoder: Optional[Base64Decoder]) -> None:
        self._pending, self._is_image = b"", True
        self._is_faulty = self._is_lost = False
        self._decoder, self._writer = decoder, None
        self._take(first)

    def _take(self, data: bytes) -> None:
        """More of the image, up to where the text goes on."""
        end = re.search(_AFTER_URI, data) if self._ends_in_text and not self._is_faulty else None
        self._write(data[: end.start()] if end else data)
        if end is not None:
            self._image_ended()
            self._pending = data[end.start() :]
            self._look(at_end=False)

    def _write(self, data: bytes) -> None:
        if self._is_lost or not data:
            return
        try:
            if self._writer is None:
                self._writer = self._collector.begin()
            decoder = None if self._is_faulty else self._decoder
            self._writer.write(decoder.feed(data) if decoder else data)
        except BadBase64 as error:
            self._give_up_decoding(error.rest)
        except OutputError as error:
            self._lose(error)

    def _give_up_decoding(self, rest: bytes) -> None:
        assert self._writer is not None
        self._is_faulty = True
        try:
            self._writer.undo_base64()
            self._writer.write(rest)
        except OutputError as error:
            self._lose(error)

    def _image_ended(self) -> None:
        if self._decoder is not None and self._writer is not None and not (self._is_faulty or self._is_lost):
            try:
                self._writer.write(self._decoder.finish())
            except BadBase64 as error:
                self._give_up_decoding(error.rest)
            except OutputError as error:
                self._lose(error)
        writer, self._writer, self._is_image = self._writer, None, False
        if writer is None or self._is_lost:
            return
        if self._is_faulty:
            self._collector.keep_aside(writer, "bad-base64.txt")
        else:
            self._on_image(writer)

    def _lose(self, error: OutputError) -> None:
        """No folder takes it: the rest of it is read and dropped."""
        self._collector.lose(error.message)
        self._is_lost = True

    def _add_text(self, text: bytes) -> None:
        room = _MAX_TEXT_BYTES - len(self._text)
        near, far = text[:room], text[room:]
        self._text += near
        for part, is_far in ((near, False), (far, True)):
            if part:
                self._keep_text(part, is_far)


def _base64_head(text: bytes) -> Optional[bytes]:
    """What a text begins with where it is base64."""
    with suppress(BadBase64):
        return Base64Decoder().feed(text[:_HEAD_CHARS])
    return None


def _held_back(text: bytes) -> int:
    """How many of the last bytes may be the beginning of a data URI."""
    last = text[-_MAX_URI_HEADER_BYTES:].lower()
    at = last.rfind(b"data:")
    if at >= 0:
        return len(last) - at
    return next((size for size in (4, 3, 2, 1) if last.endswith(b"data:"[:size])), 0)
