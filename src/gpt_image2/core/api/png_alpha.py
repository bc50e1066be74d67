"""What is transparent in a PNG: nothing, something or all of it. Reads its pixels, without working them out.

Each filter makes known bytes of a row whose alpha is full, if that of the row above is; and of one whose
alpha is 0 throughout every filter makes zeros.
"""

from __future__ import annotations

import struct
import zlib
from enum import Enum
from itertools import accumulate, islice
from typing import IO, Iterator, List, Optional, Set

from .request import InputImage

_INFLATED_BYTES = 1 << 16
_SIGNATURE_BYTES = 8
#: By PNG filter, the first byte of a row and those that follow where alpha is full everywhere: in the first
#: row, and below a row that is full as well.
_FULL_FIRST = {0: (255, 255), 1: (255, 0), 2: (255, 255), 3: (255, 128), 4: (255, 0)}
_FULL_BELOW = {0: (255, 255), 1: (255, 0), 2: (0, 0), 3: (128, 0), 4: (0, 0)}
#: How many samples a pixel has, by the PNG types of colour that have an alpha channel.
_CHANNELS = {4: 2, 6: 4}
_PALETTE = 3


class Alpha(Enum):
    """Which of the pixels of a picture are not opaque. `UNKNOWN`: it has alpha, and is not worked out."""

    OPAQUE = "none"
    SOME = "some"
    CLEAR = "all"
    UNKNOWN = "unknown"


def alpha_of(image: InputImage) -> Alpha:
    """What is transparent in a PNG file that has alpha. One that is interlaced, or whose transparency is one
    colour, is not worked out.

    Raises:
        OSError: it cannot be read.
        zlib.error: its pixels are broken.
    """
    with open(image.path, "rb") as file:
        depth, colours, _, _, is_interlaced = file.read(29)[24:]
        width, height = image.width or 0, image.height or 0
        if is_interlaced:
            return Alpha.UNKNOWN
        if colours == _PALETTE:
            return _alpha_of_palette(file, depth, width, height)
        if colours not in _CHANNELS:
            return Alpha.UNKNOWN
        sample = depth // 8
        step = _CHANNELS[colours] * sample
        full, is_opaque, is_clear = _FULL_FIRST, True, True
        for row in islice(_rows(file, 1 + step * width), height):
            first, rest = full.get(row[0], (0, 0))
            opaque = bytes([first]) + bytes([rest]) * (width - 1)
            planes = [row[1 + plane :: step] for plane in range(step - sample, step)]
            is_opaque = is_opaque and all(plane == opaque for plane in planes)
            is_clear = is_clear and not any(map(any, planes))
            if not (is_opaque or is_clear):
                return Alpha.SOME
            full = _FULL_BELOW
    return Alpha.OPAQUE if is_opaque else Alpha.CLEAR


def clear_share_of(mask: InputImage) -> Optional[float]:
    """Which share of a mask is transparent, from 0 to 1, a pixel that is half so as half; None where that
    cannot be read, or would take long."""
    alphas, rows = 0, 0
    try:
        with open(mask.path, "rb") as file:
            depth, colours, _, _, is_interlaced = file.read(29)[24:]
            width, height = mask.width or 0, mask.height or 0
            if is_interlaced or depth != 8 or colours not in _CHANNELS or not width * height:
                return None
            step = _CHANNELS[colours]
            above = bytes(width)
            for row in islice(_rows(file, 1 + step * width), height):
                plane = _unfiltered(row[:1] + row[step::step], above)
                if plane is None:
                    return None
                alphas, rows, above = alphas + sum(plane), rows + 1, plane
    except (OSError, ValueError, zlib.error):
        return None
    return 1 - alphas / (width * height * 255) if rows == height else None


def _alpha_of_palette(file: IO[bytes], depth: int, width: int, height: int) -> Alpha:
    """By which entries of the palette are in use; those without an alpha of their own are opaque."""
    alphas = _transparency(file)
    row_bytes = (width * depth + 7) // 8
    per_byte, mask = 8 // depth, (1 << depth) - 1
    used: Set[int] = set()
    above = bytes(row_bytes)
    for row in islice(_rows(file, 1 + row_bytes), height):
        pixels = _unfiltered(row, above)
        if pixels is None:
            return Alpha.UNKNOWN
        above = pixels
        end = width - (row_bytes - 1) * per_byte
        for value in set(pixels[:-1]):
            used.update(value >> (8 - depth * (at + 1)) & mask for at in range(per_byte))
        used.update(pixels[-1] >> (8 - depth * (at + 1)) & mask for at in range(end))
    found: List[int] = [alphas[index] if index < len(alphas) else 255 for index in used]
    if min(found, default=255) == 255:
        return Alpha.OPAQUE
    return Alpha.SOME if max(found) else Alpha.CLEAR


def _unfiltered(row: bytes, above: bytes) -> Optional[bytes]:
    """A row of one plane, a byte a pixel or less; None for a filter that would take long."""
    if row[0] == 0:
        return row[1:]
    if row[0] == 1:
        return bytes(value & 255 for value in accumulate(row[1:]))
    if row[0] == 2:
        return bytes((value + upper) & 255 for value, upper in zip(row[1:], above))
    return None


def _transparency(file: IO[bytes]) -> bytes:
    """The alpha of the palette's first entries; empty where none is told."""
    file.seek(_SIGNATURE_BYTES)
    while True:
        length, kind = struct.unpack(">I4s", file.read(8).ljust(8, b"\0"))
        if kind == b"tRNS":
            return file.read(length)
        if kind in (b"\0\0\0\0", b"IDAT", b"IEND"):
            return b""
        file.seek(length + 4, 1)


def _rows(file: IO[bytes], row_bytes: int) -> Iterator[bytes]:
    """The rows of a PNG, not compressed any more, each behind the number of its filter."""
    inflate, held = zlib.decompressobj(), bytearray()
    file.seek(_SIGNATURE_BYTES)
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
