"""Reads what an image file is from its bytes, without decoding: type, dimensions, wholeness, hash."""

from __future__ import annotations

import hashlib
import re
from typing import IO, Optional, Tuple

from ..base.errors import UsageError
from ..base.outcome import SavedImage
from ..base.record import Record

#: So many first bytes are enough for `sniff_format`, and so few where they are not text.
SNIFF_BYTES, _PIXELS_SNIFF_BYTES = 1 << 14, 16

_HASHED_BYTES = 1 << 20
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
_JPEG_END = b"\xff\xd9"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_GIF_END = b";"
#: What may stand before the first element of an XML document, one after the other.
_XML_PROLOGUE = r"\s+|<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^\[>]*(?:\[[^\]]*\]\s*)?>"
#: A part of that, or the name of an element, that is not whole yet.
_XML_UNFINISHED = r"(?s)|<[\w.:-]{0,60}|<!.*|<\?.*"
_SVG_ELEMENT = r"<([\w.-]+:)?svg[\s/>]"
_SVG_TAIL_BYTES = 4096
_PNG_PALETTE, _CMYK_CHANNELS = 3, 4
_JPEG_EXIF = 0xE1
_JPEG_BARE = frozenset(range(0xD0, 0xD9)) | {0x01}


class ImageInfo(Record):
    """Format (`png`, `jpeg`, `webp`, `gif`, `svg`), dimensions in pixels where the header tells them, and
    alpha. `is_odd` is set for a palette, more than 8 bits a channel, or CMYK; `has_exif` where there may be
    EXIF data, by which it may be turned."""

    format: str
    width: Optional[int]
    height: Optional[int]
    has_alpha: bool
    is_odd: bool = False
    has_exif: bool = False


def sniff_format(head: bytes) -> Optional[str]:
    """`png`, `jpeg`, `webp`, `gif` or `svg` by the first bytes, or None for anything else."""
    if head.startswith(_PNG_SIGNATURE):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    return "svg" if re.match(_SVG_ELEMENT, _first_element(head)) else None


def needs_more(head: bytes) -> bool:
    """Whether these first bytes are too few for `sniff_format`: an SVG may begin with comments."""
    if len(head) < _PIXELS_SNIFF_BYTES:
        return True
    return len(head) < SNIFF_BYTES and re.fullmatch(_XML_UNFINISHED, _first_element(head)) is not None


def read_image_info(file: IO[bytes]) -> Optional[ImageInfo]:
    """What the header of an open image says, or None when the bytes are no image. Moves the position."""
    file.seek(0)
    head = file.read(SNIFF_BYTES)
    image_format = sniff_format(head)
    if image_format == "png":
        return _read_png(file, head)
    if image_format == "jpeg":
        return _read_jpeg(file)
    if image_format == "webp":
        return _read_webp(head)
    if image_format == "gif":
        sides = (int.from_bytes(head[at : at + 2], "little") or None for at in (6, 8))
        return ImageInfo("gif", *sides, has_alpha=True)
    return _read_svg(head) if image_format == "svg" else None


def is_whole_image(file: IO[bytes]) -> bool:
    """Whether an open file begins as an image and ends where that image ends. Moves the position."""
    file.seek(0)
    head = file.read(SNIFF_BYTES)
    image_format = sniff_format(head)
    size = file.seek(0, 2)
    if image_format == "webp":
        return size >= 8 + int.from_bytes(head[4:8], "little")
    if image_format == "svg":
        file.seek(max(0, size - _SVG_TAIL_BYTES) // 2 * 2)
        return _ends_svg(file.read().decode(_xml_encoding(head), "replace"))
    file.seek(max(0, size - len(_PNG_END)))
    tail = file.read()
    ends = {"png": _PNG_END, "jpeg": _JPEG_END, "gif": _GIF_END}
    return image_format in ends and tail.endswith(ends[image_format])


def is_whole_file(path: str) -> bool:
    """Whether there is such an image at a path; False where that cannot be seen."""
    try:
        with open(path, "rb") as file:
            return is_whole_image(file)
    except OSError:
        return False


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
    has_alpha = head[25] in (4, 6) or _has_png_transparency(file)
    return ImageInfo("png", width, height, has_alpha, head[24] > 8 or head[25] == _PNG_PALETTE)


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
    has_exif = False
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
        has_exif = has_exif or marker[1] == _JPEG_EXIF
        segment = file.read(8)
        length = int.from_bytes(segment[:2], "big")
        if len(segment) < 8 or length < 2 or marker[1] == 0xDA:
            return ImageInfo("jpeg", None, None, False)
        if marker[1] in _JPEG_FRAMES:
            height, width = int.from_bytes(segment[3:5], "big"), int.from_bytes(segment[5:7], "big")
            return ImageInfo("jpeg", width, height, False, segment[7] == _CMYK_CHANNELS, has_exif)
        file.seek(length - 8, 1)


def _xml_encoding(head: bytes) -> str:
    """The encoding of an XML document, by its mark."""
    marks = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
    return marks.get(head[:2], "utf-8")


def _first_element(head: bytes) -> str:
    """A text from behind all that may stand before the first element of an XML document."""
    text = head.decode(_xml_encoding(head), "replace").lstrip("\ufeff")
    at, prologue = 0, re.compile(_XML_PROLOGUE, re.DOTALL)
    while True:
        part = prologue.match(text, at)
        if part is None:
            return text[at:]
        at = part.end()


def _read_svg(head: bytes) -> ImageInfo:
    try:
        from .gif_svg import sides_of_svg

        return ImageInfo("svg", *sides_of_svg(_first_element(head)), has_alpha=True)
    except UsageError:  # the script lies alone
        return ImageInfo("svg", None, None, True)


def _ends_svg(tail: str) -> bool:
    """Whether a text ends as an SVG does; comments may follow its last element."""
    closings = list(re.finditer(r"</(?:[\w.-]+:)?svg\s*>", tail))
    return bool(closings) and not re.sub(_XML_PROLOGUE, "", tail[closings[-1].end() :], flags=re.DOTALL)


def _read_webp(head: bytes) -> ImageInfo:
    kind = head[12:16]
    if kind == b"VP8X" and len(head) >= 30:
        return ImageInfo(
            "webp",
            int.from_bytes(head[24:27], "little") + 1,
            int.from_bytes(head[27:30], "little") + 1,
            bool(head[20] & 0x10),
            has_exif=bool(head[20] & 0x08),
        )
    if kind == b"VP8L" and len(head) >= 25:
        bits = int.from_bytes(head[21:25], "little")
        return ImageInfo("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1))
    if kind == b"VP8 " and len(head) >= 30:
        width = int.from_bytes(head[26:28], "little") & 0x3FFF
        return ImageInfo("webp", width, int.from_bytes(head[28:30], "little") & 0x3FFF, False)
    return ImageInfo("webp", None, None, False)
