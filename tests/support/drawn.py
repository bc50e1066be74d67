"""Inputs that decode, drawn by Pillow: for the tests of what Python 3.8 does not run."""

from __future__ import annotations

from PIL import Image, ImageDraw


def photo(size: tuple[int, int] = (320, 240), mode: str = "RGB") -> Image.Image:
    """An input that no scene looks like: a checked pattern."""
    image = Image.new(mode, size, (200, 40, 40, 255)[: len(mode)])
    pen = ImageDraw.Draw(image)
    for x in range(0, size[0], 20):
        for y in range(x // 20 % 2 * 20, size[1], 40):
            pen.rectangle((x, y, x + 19, y + 19), fill=(20, 160, 90, 255)[: len(mode)])
    return image


def mask(
    size: tuple[int, int] = (320, 240), hole: tuple[int, int, int, int] = (80, 60, 239, 179)
) -> Image.Image:
    """A mask with a hole."""
    image = Image.new("RGBA", size, (0, 0, 0, 255))
    ImageDraw.Draw(image).rectangle(hole, fill=(0, 0, 0, 0))
    return image
