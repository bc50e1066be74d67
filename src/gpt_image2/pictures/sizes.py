"""Sizes: the one at which a picture is sent, fitting to an exact one, and packing under a weight."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

from PIL import Image

from gpt_image2.core.api.sizes import MAX_EDGE, MAX_PIXELS
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.redact import show

from .files import JPEG_QUALITY, encode

FITS = ("crop", "pad", "stretch")
#: No jpeg or webp is made worse than this to get under a weight.
_LEAST_QUALITY, _BEST_QUALITY = 20, JPEG_QUALITY
_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "kib": 1024, "mib": 1024**2}
#: Lighter than this no picture is, in bytes: its number lacks a unit.
_LEAST_WEIGHT = 400
MAX_EXACT_PX = 89_000_000


@dataclass(frozen=True)
class Packed:
    """A picture as a file of at most some weight; `quality` is None where nothing was lost."""

    data: bytes
    quality: int | None


def sent_size(width: int, height: int) -> tuple[int, int]:
    """The size at which a picture is sent: its own, or the largest of its shape within the API's limits."""
    scale = min(1.0, MAX_EDGE / max(width, height), (MAX_PIXELS / (width * height)) ** 0.5)
    if scale == 1.0:
        return width, height
    return max(1, int(width * scale)), max(1, int(height * scale))


def fitted(image: Image.Image, size: tuple[int, int], fit: str = "crop", pad: str = "") -> Image.Image:
    """The image in exactly this size: cropped about its middle, padded (clear without a colour) or stretched.

    Raises:
        UsageError: the size is too large, or has no pixels.
    """
    width, height = size
    if min(size) < 1 or width * height > MAX_EXACT_PX:
        raise UsageError(f"{width}x{height} cannot be a picture's size", hint="give WxH, as 1200x630")
    if fit == "stretch":
        return image.resize(size, Image.Resampling.LANCZOS)
    across, down = width / image.width, height / image.height
    if fit == "crop":
        scale = max(across, down)
        left, top = (image.width - width / scale) / 2, (image.height - height / scale) / 2
        box = (left, top, image.width - left, image.height - top)
        if scale == 1:  # whole pixels stay as they are
            left, top = int(left), int(top)
            return image.crop((left, top, left + width, top + height))
        return image.resize(size, Image.Resampling.LANCZOS, box=box)
    scale = min(across, down)
    inner = (min(width, max(1, round(image.width * scale))), min(height, max(1, round(image.height * scale))))
    small = image if inner == image.size else image.resize(inner, Image.Resampling.LANCZOS)
    canvas = Image.new(image.mode, size, pad) if pad else Image.new("RGBA", size, (0, 0, 0, 0))
    canvas.paste(small, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def flattened(image: Image.Image, color: str) -> Image.Image:
    """The image without transparency, laid on a colour."""
    ground = Image.new("RGBA", image.size, color)
    ground.alpha_composite(image.convert("RGBA"))
    return ground.convert("RGB")


def packed(image: Image.Image, kind: str, max_bytes: int, icc_profile: bytes | None = None) -> Packed:
    """The image as a file of at most so many bytes, in the best quality that allows it.

    Raises:
        UsageError: no quality does.
    """
    data = encode(image, kind, _BEST_QUALITY if kind == "jpeg" else None, icc_profile)
    if kind == "png" and len(data) > max_bytes:
        data = _smallest_png(image, icc_profile)
    if len(data) <= max_bytes:
        return Packed(data, _BEST_QUALITY if kind == "jpeg" else None)
    if kind == "png":
        raise _too_heavy(len(data), max_bytes, "png loses nothing: give -o a name that ends in .jpg or .webp")
    low, high, best = _LEAST_QUALITY, _BEST_QUALITY, Packed(b"", None)
    while low <= high:
        quality = (low + high + 1) // 2
        data = encode(image, kind, quality, icc_profile)
        if len(data) <= max_bytes:
            low, best = quality + 1, Packed(data, quality)
        else:
            high = quality - 1
    if not best.data:
        raise _too_heavy(len(data), max_bytes, "scale it down with --exact")
    return best


def parse_weight(text: str) -> int:
    """Bytes of `300KB`, `1.5MB`, `300KiB` or `20000`; a KB has 1000."""
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([kmi]*b|)\s*", text.lower())
    if not match or match[2] not in _UNITS:
        raise UsageError(f"weight {show(text)!r} is not understood", hint="give a number, as 300KB or 1.5MB")
    if float(match[1]) * _UNITS[match[2]] < _LEAST_WEIGHT:
        raise UsageError(
            f"weight {show(text)!r} is less than any picture has", hint="give a unit, as 300KB or 1.5MB"
        )
    return int(float(match[1]) * _UNITS[match[2]])


def _smallest_png(image: Image.Image, icc_profile: bytes | None) -> bytes:
    out = io.BytesIO()
    extra = {"icc_profile": icc_profile} if icc_profile else {}
    image.save(out, "PNG", optimize=True, **extra)
    return out.getvalue()


def _too_heavy(size: int, limit: int, hint: str) -> UsageError:
    return UsageError(
        f"it still has {size / 1000:,.0f} KB, more than {limit / 1000:,.0f}", hint=hint, code="too_heavy"
    )
