"""What is behind a picture: nothing, the flat colour that its prompt asks for, or a checkerboard. Pure."""

from __future__ import annotations

import re
from typing import cast

from PIL import Image, ImageChops, ImageColor, ImageDraw

from ..image_request import ImageRequest
from .caption import margin_of
from .landscape import Colour

#: The background of a request whose transparency is painted (see the fault).
CHECKERBOARD = "checkerboard"
#: The backgrounds of a picture that has none.
CLEAR = ("transparent", CHECKERBOARD)
_ASKED = re.compile(r"\bsolid\b[^.#]{0,40}(#[0-9a-f]{6})\b[^.]{0,20}\bbackground", re.IGNORECASE)
_LIGHT, _DARK = (255, 255, 255), (204, 204, 204)
#: So far off a border is still flat: a jpeg is not exact.
_FLAT_LEVELS = 12


def asked_ground(request: ImageRequest) -> Colour | None:
    """The flat colour that the prompt wants behind its subject: `on a solid green (#00ff00) background`."""
    found = _ASKED.search(request.prompt)
    return None if found is None else ImageColor.getrgb(found[1])[:3]


def cut_to_shape(image: Image.Image) -> Image.Image:
    """The picture as a card with round corners on nothing, with a half-clear disc in it."""
    image = image.convert("RGBA")
    image.putalpha(_shape(image.size))
    return image


def laid_on_ground(image: Image.Image, request: ImageRequest) -> Image.Image:
    """The picture on the ground that its request has; the picture itself where that has none."""
    if request.background == CHECKERBOARD:
        return _on(_board(image.size), image)
    ground = asked_ground(request)
    if ground is None or request.background == "transparent":
        return image
    return _on(Image.new("RGB", image.size, ground), image if image.mode == "RGBA" else cut_to_shape(image))


def on_other_ground(image: Image.Image, ground: Colour) -> Image.Image | None:
    """A picture that lies on a flat ground, on another one; None where its border is not flat."""
    image = image.convert("RGB")
    old = cast("Colour", image.getpixel((0, 0)))
    away = ImageChops.difference(image, Image.new("RGB", image.size, old))
    is_far = ([0] * _FLAT_LEVELS + [255] * (256 - _FLAT_LEVELS)) * len(old)
    for edge in ((0, 0, image.width, 1), (0, 0, 1, image.height)):
        if away.crop(edge).point(is_far).getbbox():
            return None
    clear = ImageChops.invert(_shape(image.size))
    through = Image.merge("RGB", (clear, clear, clear))
    before, after = (
        ImageChops.multiply(Image.new("RGB", image.size, colour), through) for colour in (old, ground)
    )
    return ImageChops.add(ImageChops.subtract(image, before), after)


def _on(ground: Image.Image, image: Image.Image) -> Image.Image:
    whole = image.convert("RGBA")
    ground.paste(whole, mask=whole.getchannel("A"))
    return ground


def _shape(size: tuple[int, int]) -> Image.Image:
    """The alpha of a card: smooth, because it is drawn at twice its size."""
    (width, height), inset = (size[0] * 2, size[1] * 2), max(2, margin_of(size))
    shape = Image.new("L", (width, height))
    pen = ImageDraw.Draw(shape)
    box = (inset, inset, width - 1 - inset, height - 1 - inset)
    pen.rounded_rectangle(box, min(size) * 0.16, fill=255)
    x, y, radius = width * 0.72, height * 0.3, min(size) * 0.2
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=128)
    return shape.reduce(2)


def _board(size: tuple[int, int]) -> Image.Image:
    cell = max(2, min(size) // 48)
    small = Image.new("RGB", (-(-size[0] // cell), -(-size[1] // cell)), _LIGHT)
    for x in range(small.width):
        for y in range(x % 2, small.height, 2):
            small.putpixel((x, y), _DARK)
    board = small.resize((small.width * cell, small.height * cell), Image.Resampling.NEAREST)
    return board.crop((0, 0, *size))
