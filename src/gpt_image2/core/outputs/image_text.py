"""Takes images out of a text that holds them while it is still arriving: base64, data URIs, SVG as it is."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Callable, Optional

from ..api.images import SNIFF_BYTES, needs_more, sniff_format
from ..base.errors import OutputError
from ..wire.base64_stream import BadBase64, Base64Decoder, PercentDecoder
from .collect import ImageCollector
from .store import ImageWriter

#: So many characters of base64 tell at most what they are.
_HEAD_CHARS = -(-SNIFF_BYTES // 3) * 4
_MAX_URI_HEADER_BYTES = 256
#: Of a text without an image so much is looked at.
_MAX_TEXT_BYTES = 1 << 16
_DATA_URI = rb"(?i:data:(?:image/[\w.+-]{1,100}|application/octet-stream)?(?:;[\w.+=-]{1,100}){0,3};base64,)"
#: The base64 of an image, of which so many characters are looked at, and which nothing of its kind precedes.
_BARE_CHARS = 31
_BARE = rb"(?<![\w+/=-])(?=(?:iVBORw0KGgo|/9j/|UklGR|R0lGOD)[\w+/-]{20})"
_IMAGE_IN_TEXT = re.compile(_DATA_URI + rb"|" + _BARE)
_MAYBE_BARE = rb"[\w+/=-]*\Z"
_BASE64_URI_AT_START = rb"(?i)data:[^,]{0,250};base64,"
#: An SVG as text, which only the end of the string ends.
_SVG_URI_AT_START = rb"(?i)data:image/svg\+xml[^,]{0,200},(?=\s{0,9}(?:<|%3C))"
#: What may end an image inside a text, and the longest line of one that is broken into lines, as MIME does.
_END_IN_TEXT = re.compile(rb"[)\"'<>\]}`|\s]")
_MAX_LINE_CHARS = 80
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
        self._line_chars = 0  # of its line that is under way
        self._decoder: Optional[Base64Decoder] = None
        self._escapes: Optional[PercentDecoder] = None  # of a data URI
        self._is_faulty = self._is_lost = self._is_beyond = False
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
            self._look(at_end=False)
        else:
            self._pending += piece
            self._look(at_end=False)

    def _look(self, at_end: bool) -> None:
        """Looks for the beginning of an image in what is pending; what cannot be one any more is text."""
        while self._pending and not self._is_image:
            head, is_whole = self._pending, at_end or len(self._pending) > _MAX_URI_HEADER_BYTES
            if self._is_at_start:
                uri = re.match(_BASE64_URI_AT_START, head)
                svg = None if uri else re.match(_SVG_URI_AT_START, head)
                if svg is not None:
                    self._is_at_start = False
                    self._begin(head, svg.end(), None, PercentDecoder())
                    continue
                if uri is None and head[:5].lower() == b"data:" and not is_whole:
                    return
                is_text = not self._is_base64 or head.lower().startswith(_ADDRESS_STARTS)
                decoded = _base64_head(head)
                if uri is None and not at_end and any(map(needs_more, (head, decoded or head))):
                    return
                self._is_at_start = False
                if uri is not None:
                    self._begin(head, uri.end(), Base64Decoder(), PercentDecoder())
                elif not is_text or (decoded and sniff_format(decoded)):
                    self._begin(head, 0, Base64Decoder())
                elif sniff_format(head) is not None:
                    self._begin(head, 0, None)
                continue
            start = _IMAGE_IN_TEXT.search(head)
            if start is not None:
                self._add_text(head[: start.start()])
                self._begin(head[start.start() :], len(start.group()), Base64Decoder(), PercentDecoder())
                continue
            hold = 0 if at_end else _held_back(head)
            self._add_text(head[: len(head) - hold])
            self._pending = head[len(head) - hold :]
            return

    def _begin(
        self, text: bytes, at: int, decoder: Optional[Base64Decoder], escapes: Optional[PercentDecoder] = None
    ) -> None:
        """An image begins at a place in a text, behind what says so; beyond the bound it stays text."""
        self._pending, self._is_image = b"", True
        self._is_faulty = self._is_lost = False
        self._is_beyond = self._collector.is_full
        if self._is_beyond:
            self._collector.left_out += 1
            self._keep_text(text[:at], True)
        self._decoder, self._writer, self._line_chars, self._escapes = decoder, None, 0, escapes
        self._take(text[at:])

    def _take(self, data: bytes) -> None:
        """More of the image, up to where the text goes on, which is pending then."""
        end = self._end_of_image(data)
        if self._is_beyond:
            self._keep_text(data[:end], True)
        else:
            self._write(self._escapes.feed(data[:end]) if self._escapes else data[:end])
        if end < len(data):
            self._image_ended()
            self._pending = data[end:]

    def _end_of_image(self, data: bytes) -> int:
        """Where the text goes on: at what ends base64, but for line breaks within it."""
        if self._is_base64 or self._is_faulty or self._decoder is None:
            return len(data)
        line_at = -self._line_chars
        for end in _END_IN_TEXT.finditer(data):
            at = end.start()
            if end.group() not in b"\r\n" or not 0 < at - line_at <= _MAX_LINE_CHARS:
                return at
            line_at = at + 1 if end.group() == b"\n" else line_at
        self._line_chars = len(data) - line_at
        return len(data)

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
        if self._escapes is not None and not self._is_beyond:
            self._write(self._escapes.finish())
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
    """How many of the last bytes may be the beginning of an image."""
    last = text[-_MAX_URI_HEADER_BYTES:]
    at = last.lower().rfind(b"data:")
    if at >= 0:
        return len(last) - at
    maybe = re.search(_MAYBE_BARE, last[-_BARE_CHARS - 1 :])
    size = len(maybe.group()) if maybe else 0
    return size if size <= _BARE_CHARS else len(b"data")
