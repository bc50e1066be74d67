"""Reads what an image file is from its bytes, without decoding: type, dimensions, wholeness, hash."""

from __future__ import annotations

import hashlib
from typing import IO, Optional, Tuple

from ..base.outcome import SavedImage
from ..base.record import Record

#: So many first bytes are enough for `sniff_format`.
SNIFF_BYTES = 16

_HASHED_BYTES = 1 << 20
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
_JPEG_END = b"\xff\xd9"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset(range(0xD0, 0xD9)) | {0x01}


class ImageInfo(Record):
    """Format (`png`, `jpeg`, `webp`), dimensions in pixels where the header tells them, and alpha."""

    format: str
    width: Optional[int]
    height: Optional[int]
    has_alpha: bool


def sniff_format(head: bytes) -> Optional[str]:
    """`png`, `jpeg` or `webp` by the first bytes, or None for anything else."""
    if head.startswith(_PNG_SIGNATURE):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return None


def read_image_info(file: IO[bytes]) -> Optional[ImageInfo]:
    """What the header of an open image says, or None when the bytes are no image. Moves the position."""
    file.seek(0)
    head = file.read(32)
    image_format = sniff_format(head)
    if image_format == "png":
        return _read_png(file, head)
    if image_format == "jpeg":
        return _read_jpeg(file)
    if image_format == "webp":
        return _read_webp(head)
    return None


def is_whole_image(file: IO[bytes]) -> bool:
    """Whether an open file begins as an image and ends where that image ends. Moves the position."""
    file.seek(0)
    head = file.read(SNIFF_BYTES)
    image_format = sniff_format(head)
    size = file.seek(0, 2)
    if image_format == "webp":
        return size >= 8 + int.from_bytes(head[4:8], "little")
    file.seek(max(0, size - len(_PNG_END)))
    tail = file.read()
    return (image_format == "png" and tail == _PNG_END) or (
        image_format == "jpeg" and tail.endswith(_JPEG_END)
    )


def saved_image_at(path: str) -> Optional[SavedImage]:
    try:
        with open(path, "rb") as file:
            info = read_image_info(file)
            sha256, size_bytes = _digest(file)
    except (OSError, ValueError):
        return None
    if info is None:
        return None
    return SavedImage(path, size_bytes, info.format, info.width, info.height, sha256)


def sha256_of(path: str) -> str:
    """The SHA-256 of a file's bytes in hexadecimal, empty where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return _digest(file)[0]
    except OSError:
        return ""


def _digest(file: IO[bytes]) -> Tuple[str, int]:
    digest = hashlib.sha256()
    file.seek(0)
    for block in iter(lambda: file.read(_HASHED_BYTES), b""):
        digest.update(block)
    return digest.hexdigest(), file.tell()


def _read_png(file: IO[bytes], head: bytes) -> ImageInfo:
    if len(head) < 26 or head[12:16] != b"IHDR":
        return ImageInfo("png", None, None, False)
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    return ImageInfo("png", width, height, head[25] in (4, 6) or _has_png_transparency(file))


def _has_png_transparency(file: IO[bytes]) -> bool:
    """Whether a tRNS chunk gives a palette or a colour transparency; it stands before the pixels."""
    file.seek(len(_PNG_SIGNATURE))
    while True:
        header = file.read(8)
        if len(header) < 8 or header[4:] in (b"IDAT", b"IEND"):
            return False
        if header[4:] == b"tRNS":
            return True
        file.seek(int.from_bytes(header[:4], "big") + 4, 1)


def _read_jpeg(file: IO[bytes]) -> ImageInfo:
    """Walks the segments to the frame header; metadata before it can be long."""
    file.seek(2)
    while True:
        marker = file.read(2)
        if len(marker) < 2 or marker[0] != 0xFF:
            return ImageInfo("jpeg", None, None, False)
        if marker[1] == 0xFF:
            file.seek(-1, 1)
            continue
        if marker[1] in _JPEG_BARE:
            continue
        segment = file.read(7)
        length = int.from_bytes(segment[:2], "big")
        if len(segment) < 7 or length < 2 or marker[1] == 0xDA:
            return ImageInfo("jpeg", None, None, False)
        if marker[1] in _JPEG_FRAMES:
            height, width = int.from_bytes(segment[3:5], "big"), int.from_bytes(segment[5:7], "big")
            return ImageInfo("jpeg", width, height, False)
        file.seek(length - 7, 1)


def _read_webp(head: bytes) -> ImageInfo:
    kind = head[12:16]
    if kind == b"VP8X" and len(head) >= 30:
        return ImageInfo(
            "webp",
            int.from_bytes(head[24:27], "little") + 1,
            int.from_bytes(head[27:30], "little") + 1,
            bool(head[20] & 0x10),
        )
    if kind == b"VP8L" and len(head) >= 25:
        bits = int.from_bytes(head[21:25], "little")
        return ImageInfo("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1))
    if kind == b"VP8 " and len(head) >= 30:
        width = int.from_bytes(head[26:28], "little") & 0x3FFF
        return ImageInfo("webp", width, int.from_bytes(head[28:30], "little") & 0x3FFF, False)
    return ImageInfo("webp", None, None, False)
