"""The picture for a prompt: a landscape on paper, and the prompt below it. The same prompt, index, size and
quality give the same picture.
"""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageDraw

from .caption import PAPER, Caption, caption_strip, lay_out
from .encoding import CompressedRows, EncodedImage, compressed_rows, png_of
from .landscape import Look, landscape, look_for


def poster(
    prompt: str, index: int, size: tuple[int, int], quality: str = "medium", transparent: bool = False
) -> Image.Image:
    """The picture: RGB, or RGBA with clear corners when `transparent`."""
    look, caption = look_for(prompt, index), lay_out(size, prompt)
    image = Image.new("RGB", size)
    image.paste(_framed(look, size, caption.height, caption.margin, quality))
    image.paste(_strip(caption, look, size, quality, index), (0, size[1] - caption.height))
    if transparent:
        image.putalpha(_rounded(size))
    return image


def low_quality_png(prompt: str, index: int, size: tuple[int, int]) -> EncodedImage:
    """The opaque picture of low quality as a PNG, which is what batches of hundreds are rehearsed with.

    Prompts share their landscapes, so all but the caption is kept, compressed: a picture takes a third of the
    time that way.
    """
    look, caption = look_for(prompt, index), lay_out(size, prompt)
    return png_of(
        _compressed(look, size, caption.height, caption.margin), _strip(caption, look, size, "low", index)
    )


@lru_cache(maxsize=128)
def _compressed(look: Look, size: tuple[int, int], foot: int, margin: int) -> CompressedRows:
    return compressed_rows(_framed(look, size, foot, margin, "low"))


def _framed(look: Look, size: tuple[int, int], foot: int, margin: int, quality: str) -> Image.Image:
    """All of a picture but its foot: the landscape with a margin of paper on three sides."""
    image = Image.new("RGB", (size[0], size[1] - foot), PAPER)
    inner = (image.width - 2 * margin, image.height - margin)
    image.paste(landscape(look, inner, quality), (margin, margin))
    return image


def _strip(caption: Caption, look: Look, size: tuple[int, int], quality: str, index: int) -> Image.Image:
    note = f"{size[0]}x{size[1]}  ·  {quality}  ·  #{index + 1}"
    return caption_strip(caption, size[0], look.palette, note)


def _rounded(size: tuple[int, int]) -> Image.Image:
    """A mask with round corners, smooth because it is drawn at twice its size."""
    mask = Image.new("L", (size[0] * 2, size[1] * 2))
    box = (0, 0, size[0] * 2 - 1, size[1] * 2 - 1)
    ImageDraw.Draw(mask).rounded_rectangle(box, min(size) * 0.16, fill=255)
    return mask.reduce(2)
