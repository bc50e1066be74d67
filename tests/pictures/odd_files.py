"""Pictures as people have them, by real encoders."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
from canvases import Desk, photo
from PIL import Image

W, H = 320, 240


def png_of_16_bits(path: Path, grey: bool) -> None:
    """A PNG of 16 bits a channel, which Pillow reads but does not write in colour: its left half dark."""
    channels = 1 if grey else 3
    rows = np.zeros((H, W, channels), ">u2")
    rows[:, W // 2 :] = 60_000
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", W, H, 16, 0 if grey else 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def odd_file(desk: Desk, kind: str) -> Path:
    """A file as people have it, by a real encoder."""
    image = Image.fromarray(photo(W, H))
    path = desk.path(f"in.{kind.split(' ')[0]}")
    if kind == "heic":
        pillow_heif.from_pillow(image).save(path, quality=90)
    elif kind == "jpg cmyk":
        image.convert("CMYK").save(path, quality=95)
    elif kind == "jpg rotated":
        exif = Image.Exif()
        exif[0x0112] = 6
        image.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=95)
    elif kind.startswith("png 16"):
        png_of_16_bits(path, grey="grey" in kind)
    elif kind == "tiff 16":
        Image.fromarray(np.full((H, W), 60_000, np.uint16)).save(path)
    elif kind == "png palette":
        image.quantize(64).save(path)
    elif kind == "gif":
        image.save(path, save_all=True, append_images=[image.transpose(Image.Transpose.ROTATE_180)])
    else:
        image.save(path)
    return path
