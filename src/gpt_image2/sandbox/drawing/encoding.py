"""Images as PNG, JPEG and WebP files, and PNGs from rows that were compressed before. Pure."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass, field

from PIL import Image, PngImagePlugin

_NOTE = "Drawn by the gpt-image2 sandbox. Not made by a model."
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ZLIB_HEADER = b"\x78\x01"


@dataclass(frozen=True)
class EncodedImage:
    """The bytes of an image file, and their media type."""

    data: bytes
    mime: str


@dataclass(frozen=True)
class CompressedRows:
    """The upper rows of an RGB image as a PNG holds them, with the checksum of what was compressed."""

    data: bytes = field(repr=False)
    height: int
    adler32: int


def encoded(image: Image.Image, output_format: str, compression: int) -> EncodedImage:
    """An image in RGB or RGBA as a file; `compression` is the API's `output_compression`."""
    out = io.BytesIO()
    if output_format == "jpeg":
        quality = min(95, max(1, compression))
        image.convert("RGB").save(out, "JPEG", quality=quality, comment=_NOTE)
    elif output_format == "webp":
        image.save(out, "WEBP", quality=compression, method=0)
    else:
        info = PngImagePlugin.PngInfo()
        info.add_text("Description", _NOTE)
        image.save(out, "PNG", compress_level=1, pnginfo=info)
    return EncodedImage(out.getvalue(), f"image/{output_format}")


def compressed_rows(image: Image.Image) -> CompressedRows:
    """An RGB image as the upper rows of PNGs that go on below it."""
    rows = _rows(image)
    compress = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    data = compress.compress(rows) + compress.flush(zlib.Z_FULL_FLUSH)
    return CompressedRows(data, image.height, zlib.adler32(rows))


def png_of(upper: CompressedRows, lower: Image.Image) -> EncodedImage:
    """A PNG of rows that were compressed before, and of an RGB image of the same width below them."""
    rows = _rows(lower)
    compress = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    checksum = struct.pack(">I", zlib.adler32(rows, upper.adler32))
    size = lower.width, upper.height + lower.height
    out = io.BytesIO(_PNG_SIGNATURE)
    out.seek(0, io.SEEK_END)
    put = PngImagePlugin.putchunk
    put(out, b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0))
    put(out, b"tEXt", b"Description\0", _NOTE.encode("latin-1"))
    put(out, b"IDAT", _ZLIB_HEADER, upper.data, compress.compress(rows), compress.flush(), checksum)
    put(out, b"IEND")
    return EncodedImage(out.getvalue(), "image/png")


def _rows(image: Image.Image) -> bytes:
    """The rows of an RGB image, each behind a zero: it was not filtered, so it needs no row above it."""
    data, width = image.tobytes(), 3 * image.width
    return b"".join(b"\0" + data[start : start + width] for start in range(0, len(data), width))
