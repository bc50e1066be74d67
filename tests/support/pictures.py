"""Tiny images, made of nothing but struct and zlib. Imports nothing of the project."""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache


def png(
    width: int = 64, height: int = 48, *, alpha: bool = False, opaque: bool = False, noise: bytes = b""
) -> bytes:
    """A whole PNG in RGB, or with `alpha` in RGBA and transparent unless it is `opaque`; `noise` makes it
    differ from others."""
    text = _chunk(b"tEXt", b"Comment\x00" + noise) if noise else b""
    header = struct.pack(">IIBBBBB", width, height, 8, 6 if alpha else 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + text
        + _chunk(b"IDAT", _pixels(width, height, (b"\xff" if opaque else b"\x00") if alpha else b""))
        + _chunk(b"IEND", b"")
    )


def jpeg(width: int = 64, height: int = 48, padding: int = 0, orientation: int = 0) -> bytes:
    """The segments of a JPEG up to its frame header, and its end: enough for all who do not decode it."""
    metadata = b"\xff\xe1" + struct.pack(">H", padding + 2) + b"\x00" * padding if padding else b""
    if orientation:
        exif = b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
        metadata += b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    frame = (
        b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + b"\x01\x22\x00\x02\x11\x01\x03\x11\x01"
    )
    return b"\xff\xd8" + metadata + frame + b"\xff\xda\x00\x02\xff\xd9"


def webp(width: int = 64, height: int = 48, *, alpha: bool = False) -> bytes:
    """The header of an extended WebP: enough for all who do not decode it."""
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    chunk = b"VP8X" + struct.pack("<I", 10) + bytes([0x10 if alpha else 0, 0, 0, 0]) + size
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def gif(width: int = 64, height: int = 48) -> bytes:
    """A GIF without a frame: enough for all who do not decode it."""
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + b";"


def svg(attributes: str = 'width="64" height="48"', before: str = "") -> bytes:
    """An SVG with a shape in it; `before` is what stands before its first element."""
    return (
        f'{before}<svg xmlns="http://www.w3.org/2000/svg" {attributes}><path d="M0 0h9v9z"/></svg>\n'.encode()
    )


@lru_cache(maxsize=64)
def _pixels(width: int, height: int, alpha: bytes) -> bytes:
    pixel = b"\x30\x90\xc0" + alpha
    return zlib.compress((b"\x00" + pixel * width) * height, 9)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
