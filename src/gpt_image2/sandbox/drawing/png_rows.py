"""Writes a PNG whose upper rows were compressed beforehand. Pure: rows in, bytes out.

A PNG is one stream of deflate over its rows. Where that stream was flushed it can be cut, and continued with
other rows: so a picture that shares its upper part with others costs only its lower part.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from PIL import Image, ImageChops

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ZLIB_HEADER = b"\x78\x01"
_RAW_DEFLATE = -15
_LEVEL = 1
#: The filter of every row: each byte less the one above it.
_UP = b"\x02"


@dataclass(frozen=True)
class Mark:
    """A place to continue from: the first row that is not in, the bytes until there, their checksum."""

    row: int
    offset: int
    adler32: int


@dataclass(frozen=True)
class Head:
    """The upper rows of an RGB image of a size in pixels, compressed; `marks` are ordered by row."""

    size: tuple[int, int]
    data: bytes = field(repr=False)
    marks: tuple[Mark, ...]

    def mark_above(self, row: int) -> Mark:
        """The last mark at or above a row."""
        return max((mark for mark in self.marks if mark.row <= row), key=lambda mark: mark.row)


def head_of(image: Image.Image, first_mark: int, step: int) -> Head:
    """Compress an RGB image, with marks at a row and at every `step` rows after it."""
    raw, width = _filtered(image), 1 + 3 * image.width
    press = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW_DEFLATE)
    data, marks, adler32, done = bytearray(), list[Mark](), 1, 0
    for row in range(first_mark, image.height, step):
        part = raw[done * width : row * width]
        data += press.compress(part) + press.flush(zlib.Z_FULL_FLUSH)
        adler32, done = zlib.adler32(part, adler32), row
        marks.append(Mark(row, len(data), adler32))
    return Head(image.size, bytes(data), tuple(marks))


def png_of(head: Head, mark: Mark, foot: Image.Image, description: str) -> bytes:
    """A PNG of a head down to a mark and of a foot, which begins one row above the mark."""
    raw = memoryview(_filtered(foot))[1 + 3 * foot.width :]
    press = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW_DEFLATE)
    end = struct.pack(">I", zlib.adler32(raw, mark.adler32))
    image_data = b"".join(
        (_ZLIB_HEADER, memoryview(head.data)[: mark.offset], press.compress(raw), press.flush(), end)
    )
    header = struct.pack(">IIBBBBB", *head.size, 8, 2, 0, 0, 0)
    text = b"Description\0" + description.encode("latin-1")
    chunks = ((b"IHDR", header), (b"tEXt", text), (b"IDAT", image_data), (b"IEND", b""))
    return b"".join((_SIGNATURE, *(part for kind, data in chunks for part in _chunk(kind, data))))


def _filtered(image: Image.Image) -> bytes:
    """The rows of an RGB image as PNG wants them: the filter's number, then what the filter left."""
    above = Image.new("RGB", image.size)
    above.paste(image, (0, 1))
    data = ImageChops.subtract_modulo(image, above).tobytes()
    width = 3 * image.width
    return _UP + _UP.join(data[start : start + width] for start in range(0, len(data), width))


def _chunk(kind: bytes, data: bytes) -> tuple[bytes, ...]:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)), kind, data, struct.pack(">I", checksum)
