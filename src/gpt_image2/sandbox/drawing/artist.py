"""Composes a picture for a prompt: a landscape chosen by its words and a hash of them, a caption, a label.

The same prompt, index and size give the same picture.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from PIL import Image, ImageDraw

from .caption import add_caption
from .landscape import KINDS, landscape
from .palettes import PALETTES, Palette

#: Pixels that a scene is drawn with; it is then scaled to the size asked for. Quality can be seen, as on the
#: API.
_SCENE_PIXELS = {"low": 0.4e6, "medium": 2.4e6, "high": 4.2e6}
_FINEST_SCALE = {"low": 1.0, "medium": 1.5, "high": 2.0}

#: How many landscapes of low quality there are of one kind in one light.
_VARIANTS = 4

_WORDS_OF_KINDS = {
    "lake": "lake sea ocean water river boat ship sail beach island harbour harbor coast fish whale",
    "town": "city town street building skyline house office tower urban shop market cyberpunk",
    "valley": "mountain hill valley forest tree garden meadow field farm cabin",
}
_WORDS_OF_LIGHTS = {
    "night": "night moon star stars midnight dark space",
    "aurora": "aurora northern lights",
    "dawn": "dawn morning sunrise",
    "dusk": "dusk evening sunset",
    "arctic": "snow winter ice arctic cold",
    "desert": "desert sand dune dunes",
    "autumn": "autumn fall leaves orange",
    "forest": "forest green spring",
    "lavender": "purple lavender violet pink",
    "lagoon": "tropical sea ocean teal lagoon",
}


def dice_for(prompt: str, index: int) -> random.Random:
    """The dice that decide everything about one picture."""
    return random.Random(f"{index}\n{prompt}")  # noqa: S311 - a picture is no secret


def palette_for(prompt: str, dice: random.Random) -> Palette:
    """The light that a prompt speaks of, else any."""
    named = {palette.name: palette for palette in PALETTES}
    name = _spoken_of(prompt, _WORDS_OF_LIGHTS, dice)
    return named[name] if name else dice.choice(PALETTES)


@dataclass(frozen=True)
class Backdrop:
    """One of the few landscapes that pictures of low quality stand before; it decides how the land looks."""

    kind: str
    palette: Palette
    variant: int


def backdrop_for(prompt: str, index: int) -> Backdrop:
    """The backdrop of a picture: its words choose light and land, its index one of a few variants."""
    dice = dice_for(prompt, index)
    palette = palette_for(prompt, dice)
    return Backdrop(_kind_for(prompt, dice), palette, index % _VARIANTS)


def paint_backdrop(backdrop: Backdrop, size: tuple[int, int]) -> Image.Image:
    """A backdrop in RGB, without words."""
    dice = random.Random(f"{backdrop.variant}\n{backdrop.kind}\n{backdrop.palette.name}")  # noqa: S311
    return _painted(size, "low", dice, backdrop.palette, backdrop.kind)


def note_for(size: tuple[int, int], quality: str, index: int) -> str:
    """The small print of a caption."""
    return f"{size[0]}x{size[1]}  ·  {quality}  ·  #{index + 1}"


def scenery_for(prompt: str, index: int, size: tuple[int, int], quality: str) -> tuple[Image.Image, Palette]:
    """The landscape without words, in RGB, and its colours."""
    dice = dice_for(prompt, index)
    palette = palette_for(prompt, dice)
    return _painted(size, quality, dice, palette, _kind_for(prompt, dice)), palette


def _kind_for(prompt: str, dice: random.Random) -> str:
    return _spoken_of(prompt, _WORDS_OF_KINDS, dice) or dice.choice(tuple(KINDS))


def _painted(
    size: tuple[int, int], quality: str, dice: random.Random, palette: Palette, kind: str
) -> Image.Image:
    scale = min(_FINEST_SCALE[quality], (_SCENE_PIXELS[quality] / (size[0] * size[1])) ** 0.5)
    drawn = landscape((max(8, round(size[0] * scale)), max(8, round(size[1] * scale))), dice, palette, kind)
    smooth = Image.Resampling.BILINEAR if scale < 1 else Image.Resampling.BICUBIC
    return drawn.resize(size, smooth, reducing_gap=2.0)


def scene(
    prompt: str, index: int, size: tuple[int, int], quality: str = "medium", transparent: bool = False
) -> Image.Image:
    """The picture for a prompt: RGB, or RGBA with clear corners when `transparent`."""
    if quality == "low":
        backdrop = backdrop_for(prompt, index)
        image, palette = paint_backdrop(backdrop, size), backdrop.palette
    else:
        image, palette = scenery_for(prompt, index, size, quality)
    note = note_for(size, quality, index)
    if not transparent:
        add_caption(image, prompt, palette, note)
        return image
    sticker = _sticker(image)
    add_caption(sticker, prompt, palette, note, inset=0.1)
    return sticker


def _sticker(image: Image.Image) -> Image.Image:
    """The image with round corners and a white edge, on nothing."""
    edge, margin = max(1, round(min(image.size) * 0.012)), round(min(image.size) * 0.04)
    paper = Image.new("RGB", image.size, (255, 255, 255))
    result = Image.composite(image, paper, _shape(image.size, margin + edge))
    result.putalpha(_shape(image.size, margin))
    return result


def _shape(size: tuple[int, int], margin: int) -> Image.Image:
    """A mask with round corners, smooth because it is drawn at twice its size."""
    mask = Image.new("L", (size[0] * 2, size[1] * 2))
    if min(size) > 2 * margin:
        box = (margin * 2, margin * 2, (size[0] - margin) * 2 - 1, (size[1] - margin) * 2 - 1)
        ImageDraw.Draw(mask).rounded_rectangle(box, min(size) * 0.32 - margin, fill=255)
    return mask.reduce(2)


def _spoken_of(prompt: str, words_of: dict[str, str], dice: random.Random) -> str | None:
    said = set(re.findall(r"[a-z]+", prompt[:2000].lower()))
    said |= {word[:-1] for word in said if word.endswith("s")}
    names = [name for name, words in words_of.items() if said & set(words.split())]
    return dice.choice(names) if names else None
