"""Whether a markup can guide an edit: a PNG with transparent pixels, as large as the first image is shown.

Reads both files; of their pixels only the transparency.
"""

from __future__ import annotations

import struct
import zlib
from itertools import islice
from typing import IO, Iterator, Optional, Tuple

from ..base.errors import UsageError
from ..base.redact import show
from .request import InputImage

_INFLATED_BYTES = 1 << 16
#: By format: where the parts of a file begin, what stands before each, and the kind of that with EXIF data.
_FILE_PARTS = {
    "png": (8, ">I4s", b"eXIf"),
    "jpeg": (2, ">2sH", b"\xff\xe1"),
    "webp": (12, "<4sI", b"EXIF"),
}
_EXIF_MARK = b"Exif\0\0"
_ORIENTATION = 0x0112
#: The orientations by which an image lies on its side.
_ON_ITS_SIDE = range(5, 9)
#: By PNG filter, the first byte of a row and those that follow where alpha is full everywhere: in the first
#: row, and below a row that is full as well.
_FULL_FIRST = {0: (255, 255), 1: (255, 0), 2: (255, 255), 3: (255, 128), 4: (255, 0)}
_FULL_BELOW = {0: (255, 255), 1: (255, 0), 2: (0, 0), 3: (128, 0), 4: (0, 0)}
#: How many samples a pixel has, by the PNG types of colour that have an alpha channel.
_CHANNELS = {4: 2, 6: 4}


def check_markup(source: str, markup: InputImage, first: InputImage) -> None:
    """Raises a `UsageError` for a markup that the API refuses over this first image."""
    name = f"markup {show(source)}"
    if markup.format != "png":
        raise UsageError(f"{name} is {markup.format}, not png", hint="save it as PNG with transparency")
    try:
        width, height = _size_shown(first)
        is_see_through = markup.has_alpha and _has_transparent_pixel(markup)
    except (OSError, zlib.error) as error:
        raise UsageError(f"cannot read {name}: {error}", hint="save it once more as PNG") from None
    if (markup.width, markup.height) != (width, height):
        raise UsageError(
            f"{name} is {markup.width}x{markup.height}, the first image {width}x{height} as it is shown",
            hint="draw it over the first image, in its size",
        )
    if not is_see_through:
        raise UsageError(
            f"{name} has no transparent pixel, so nothing would be left of the image",
            hint="leave transparent what is not drawn on, and save it as RGBA PNG",
        )


def _size_shown(image: InputImage) -> Tuple[Optional[int], Optional[int]]:
    """Width and height once its EXIF orientation is heeded."""
    turned = _orientation(_exif_of(image)) in _ON_ITS_SIDE
    return (image.height, image.width) if turned else (image.width, image.height)


def _exif_of(image: InputImage) -> bytes:
    """The EXIF data of an image file; empty where it has none."""
    start, layout, wanted = _FILE_PARTS[image.format]
    with open(image.path, "rb") as file:
        file.seek(start)
        while True:
            head = file.read(struct.calcsize(layout))
            if len(head) < struct.calcsize(layout):
                return b""
            one, other = struct.unpack(layout, head)
            kind, length = (other, one) if image.format == "png" else (one, other)
            length -= 2 if image.format == "jpeg" else 0
            if length < 0 or kind == b"\xff\xda":
                return b""
            if kind == wanted:
                data = file.read(length)
                if image.format != "jpeg" or data.startswith(_EXIF_MARK):
                    return data[len(_EXIF_MARK) :] if data.startswith(_EXIF_MARK) else data
            else:
                file.seek(length + (length % 2 if image.format == "webp" else 0), 1)
            if image.format == "png":
                file.seek(4, 1)  # the checksum


def _orientation(exif: bytes) -> int:
    """The orientation that EXIF data tells, from 1 to 8; 0 where it tells none."""
    order = "<" if exif[:2] == b"II" else ">"
    try:
        at = struct.unpack_from(f"{order}I", exif, 4)[0]
        for number in range(struct.unpack_from(f"{order}H", exif, at)[0]):
            tag, _kind, _count, value = struct.unpack_from(f"{order}HHIH", exif, at + 2 + 12 * number)
            if tag == _ORIENTATION:
                return value
    except struct.error:
        pass
    return 0


def _has_transparent_pixel(image: InputImage) -> bool:
    """Whether a PNG has a pixel that is not opaque. One whose transparency is no channel, or that is
    interlaced, counts as having some.

    Each filter makes known bytes of a row whose alpha is full, if that of the row above is: no pixel needs to
    be worked out.
    """
    with open(image.path, "rb") as file:
        depth, colours, _, _, is_interlaced = file.read(29)[24:]
        if colours not in _CHANNELS or is_interlaced:
            return True
        sample = depth // 8
        step = _CHANNELS[colours] * sample
        width, full = image.width or 0, _FULL_FIRST
        for row in islice(_rows(file, 1 + step * width), image.height):
            first, rest = full.get(row[0], (0, 0))
            opaque = bytes([first]) + bytes([rest]) * (width - 1)
            if any(row[1 + plane :: step] != opaque for plane in range(step - sample, step)):
                return True
            full = _FULL_BELOW
    return False


def _rows(file: IO[bytes], row_bytes: int) -> Iterator[bytes]:
    """The rows of a PNG, not compressed any more, each behind the number of its filter."""
    inflate, held = zlib.decompressobj(), bytearray()
    file.seek(_FILE_PARTS["png"][0])
    while True:
        length, kind = struct.unpack(">I4s", file.read(8).ljust(8, b"\0"))
        if kind in (b"\0\0\0\0", b"IEND"):
            return
        data = file.read(length) if kind == b"IDAT" else b""
        file.seek(4 if data else length + 4, 1)
        while data:
            held += inflate.decompress(data, _INFLATED_BYTES)
            data = inflate.unconsumed_tail
            while len(held) >= row_bytes:
                yield bytes(held[:row_bytes])
                del held[:row_bytes]
