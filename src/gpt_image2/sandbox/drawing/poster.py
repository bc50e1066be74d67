"""The picture for a prompt: a landscape on paper, and the prompt below it. The same prompt, index, size and
quality give the same picture.
"""

from __future__ import annotations

from functools import lru_cache

from PIL import Image

from .caption import PAPER, caption_strip, margin_of
from .encoding import CompressedRows, EncodedImage, compressed_rows, png_of
from .landscape import Look, landscape, look_for


def poster(prompt: str, index: int, size: tuple[int, int], quality: str = "medium") -> Image.Image:
    """The picture, in RGB."""
    look = look_for(prompt, index)
    strip = _strip(prompt, index, size, quality, look)
    image = Image.new("RGB", size)
    image.paste(_framed(look, size, strip.height, quality))
    image.paste(strip, (0, size[1] - strip.height))
    return image


def low_quality_png(prompt: str, index: int, size: tuple[int, int]) -> EncodedImage:
    """The opaque picture of low quality as a PNG, which is what batches of hundreds are rehearsed with.

    Prompts share their landscapes: all but the caption is kept, compressed, so a picture takes a quarter of
    the time.
    """
    look = look_for(prompt, index)
    strip = _strip(prompt, index, size, "low", look)
    return png_of(_compressed(look, size, strip.height), strip)


@lru_cache(maxsize=128)
def _compressed(look: Look, size: tuple[int, int], foot: int) -> CompressedRows:
    return compressed_rows(_framed(look, size, foot, "low"))


def _framed(look: Look, size: tuple[int, int], foot: int, quality: str) -> Image.Image:
    """All of a picture but its foot: the landscape with a margin of paper on three sides."""
    margin = margin_of(size)
    image = Image.new("RGB", (size[0], size[1] - foot), PAPER)
    image.paste(landscape(look, (image.width - 2 * margin, image.height - margin), quality), (margin, margin))
    return image


def _strip(prompt: str, index: int, size: tuple[int, int], quality: str, look: Look) -> Image.Image:
    return caption_strip(prompt, size, look.palette, f"{size[0]}x{size[1]}  ·  {quality}  ·  #{index + 1}")
