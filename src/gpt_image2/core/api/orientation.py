"""How an image file is seen: turned as its EXIF data says. Reads the heads of its parts, no pixels."""

from __future__ import annotations

import struct
from typing import Optional, Tuple

from .request import InputImage

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


def size_shown(image: InputImage) -> Tuple[Optional[int], Optional[int]]:
    """Width and height once its EXIF orientation is heeded."""
    turned = orientation_of(image) in _ON_ITS_SIDE
    return (image.height, image.width) if turned else (image.width, image.height)


def orientation_of(image: InputImage) -> int:
    """The EXIF orientation of an image file, from 1 to 8; 0 where it tells none."""
    return _orientation(_exif_of(image))


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
