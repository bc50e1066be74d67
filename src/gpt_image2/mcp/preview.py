"""Makes a small copy of an image for a model to look at. Reads one file; a copy that fails is no error."""

from __future__ import annotations

import io
import logging
import warnings
from dataclasses import dataclass

from PIL import Image

MAX_EDGE = 512
#: Of the base64 text, so that the image itself is smaller still.
MAX_CHARS = 200 * 1024
_MAX_BYTES = MAX_CHARS // 4 * 3
_EDGES = (MAX_EDGE, 384, 256, 128)
_JPEG_QUALITIES = (85, 65, 45)
_PALETTE_COLOURS = 256
#: More than any image of the API; a small file can hold far more than memory.
_MAX_PIXELS = 40_000_000
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preview:
    """A small image: its bytes and their media type."""

    data: bytes
    mime_type: str


def make_preview(path: str) -> Preview | None:
    """At most 512 pixels on the long edge and 200 KB as base64: PNG where there is transparency, else JPEG.

    None when the file cannot be decoded, as an SVG cannot, or is too large for it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as image:
                if image.width * image.height > _MAX_PIXELS:
                    return None
                image.draft("RGB", (MAX_EDGE, MAX_EDGE))
                small = image.convert("RGBA" if image.has_transparency_data else "RGB")
        for edge in _EDGES:
            small.thumbnail((edge, edge), Image.Resampling.LANCZOS)
            preview = _png(small) if small.mode == "RGBA" else _jpeg(small)
            if preview is not None:
                return preview
    except Exception as error:  # of whatever kind: the image is paid for and saved
        _log.warning("no preview: %s", type(error).__name__)
    return None


def _png(image: Image.Image) -> Preview | None:
    for candidate in (image, image.quantize(_PALETTE_COLOURS, Image.Quantize.FASTOCTREE)):
        data = _saved(candidate, "PNG", optimize=True)
        if len(data) <= _MAX_BYTES:
            return Preview(data, "image/png")
    return None


def _jpeg(image: Image.Image) -> Preview | None:
    for quality in _JPEG_QUALITIES:
        data = _saved(image, "JPEG", quality=quality)
        if len(data) <= _MAX_BYTES:
            return Preview(data, "image/jpeg")
    return None


def _saved(image: Image.Image, kind: str, **options: int) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
