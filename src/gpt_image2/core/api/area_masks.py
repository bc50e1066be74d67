"""Masks of plain shapes for an edit, from words: what `--area` asks for. Needs nothing but zlib.

A shape lies on the first image as it is seen, that is once its EXIF orientation is heeded; a pixel is in it
when its centre is.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import Iterator, List, Sequence, Tuple

from ..base.errors import UsageError
from ..base.record import Record
from ..base.redact import show
from .models import MAX_MASK_BYTES
from .orientation import size_shown
from .request import InputImage
from .shapes import parse_box_places

#: The pixels of a row from one up to another, that one not included.
Span = Tuple[int, int]
_AREA_KINDS = ("rect", "ellipse")
_MAX_PLACE_PX = 1e9


class Area(Record):
    """A rectangle, or the ellipse in it, in pixels from the upper left corner."""

    kind: str
    left: float
    top: float
    width: float
    height: float

    def span(self, row: int) -> Span:
        """What of a row is in it, which may reach beyond the picture; empty where both ends are the same."""
        middle, half = self.left + self.width / 2, self.width / 2
        down = row + 0.5 - self.top
        if self.kind == "ellipse":
            height = 1 - (down * 2 / self.height - 1) ** 2
            half = half * math.sqrt(height) if height >= 0 else -1.0
        elif not 0 <= down < self.height:
            half = -1.0
        if half < 0:
            return (0, 0)
        last = math.floor(middle + half + 0.5) if self.kind == "ellipse" else _first_pixel(middle + half)
        return _first_pixel(middle - half), last


def area_mask(texts: Sequence[str], first: InputImage, path: Path) -> Tuple[InputImage, bytes]:
    """The mask of these areas (`X,Y,W,H` or `ellipse:X,Y,W,H`) over an image, and its bytes, which are to be
    at `path`.

    Raises:
        UsageError: an area is not understood or lies outside, or everything would be edited.
    """
    width, height = (first.width, first.height) if first.made_from is not None else size_shown(first)
    if not width or not height:
        raise UsageError(f"the size of {show(first.source)} cannot be read", hint="save it once more as png")
    data = _drawn([_area_of(text, width, height) for text in texts], width, height)
    source = " ".join(f"--area {''.join(text.split())}" for text in texts)
    mask = InputImage(str(path), path.name, "png", width, height, len(data), True, source, made_from="")
    return mask, data


def _area_of(text: str, width: int, height: int) -> Area:
    kind, colon, places = text.strip().rpartition(":")
    kind = kind if colon else "rect"
    if kind not in _AREA_KINDS:
        raise UsageError(f"`areas` {show(text)!r} is not understood", hint="give X,Y,W,H or ellipse:X,Y,W,H")
    wholes = (width, height, width, height)
    found = [each.pixels(whole) for each, whole in zip(parse_box_places(places, kind), wholes)]
    if max(map(abs, found)) > _MAX_PLACE_PX:
        raise UsageError(f"{kind} {show(places)} is out of all bounds", hint="look at the picture's size")
    area = Area(kind, *found)
    rows = range(max(0, math.floor(area.top)), min(height, math.ceil(area.top + area.height) + 1))
    if not any(list(_within([area.span(row)], width)) for row in rows):
        raise UsageError(
            f"{kind} {show(places)} lies outside the picture, which is seen as {width}x{height}",
            hint="look at the picture's size",
            code="empty_mask",
        )
    return area


def _drawn(areas: Sequence[Area], width: int, height: int) -> bytes:
    """The areas as a mask that the API takes: a PNG with alpha, transparent where it is to be edited."""
    kept, edited = b"\0\0\0\xff", b"\0\0\0\0"
    squeeze, packed, is_full = zlib.compressobj(9), bytearray(), True
    made: List[Span] = []
    row = b"\0" + kept * width
    for number in range(height):
        spans = list(_within([area.span(number) for area in areas], width))
        if spans != made:
            made, pieces, at = spans, [b"\0"], 0
            for first, last in spans:
                pieces += [kept * (first - at), edited * (last - first)]
                at = last
            row = b"".join([*pieces, kept * (width - at)])
        is_full = is_full and spans == [(0, width)]
        packed += squeeze.compress(row)
    if is_full:
        raise UsageError(
            "the mask is full: everything would be edited",
            hint="leave `areas` out, or make it smaller",
            code="full_mask",
        )
    packed += squeeze.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", bytes(packed)), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)
    if len(data) >= MAX_MASK_BYTES:
        raise UsageError("the mask has 4 MB or more", hint="ask for fewer areas", code="mask_too_heavy")
    return data


def _within(spans: Sequence[Span], width: int) -> Iterator[Span]:
    """Spans of one row as they lie in the picture: in order, and none touches another."""
    start = end = 0
    for first, last in sorted((max(0, first), min(width, last)) for first, last in spans):
        if first >= last:
            continue
        if first > end and end > start:
            yield start, end
        if first > end or end == start:
            start = first
        end = max(end, last)
    if end > start:
        yield start, end


def _first_pixel(place: float) -> int:
    """The first pixel whose centre is not left of a place."""
    return math.ceil(place - 0.5)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
