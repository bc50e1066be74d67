"""Landscapes in flat colours: the words of a prompt choose the light and the land, dice the rest. Pure."""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageColor, ImageDraw

Colour = tuple[int, int, int]

#: Above this many pixels a picture is drawn without smooth edges: it would take hundreds of megabytes.
_MOST_SMOOTHED_PIXELS = 4_000_000
_VARIANTS = 4
_WATER = "lake sea ocean water river boat ship sail beach island harbour harbor coast fish whale"


@dataclass(frozen=True)
class Palette:
    """One light of the day; prompts call it by its `words`; `sky` goes from top to horizon."""

    words: str
    sky: tuple[Colour, Colour, Colour]
    sun: Colour
    far: Colour
    near: Colour
    stars: bool = False


def _palette(words: str, colours: str, stars: bool = False) -> Palette:
    top, middle, horizon, sun, far, near = (ImageColor.getrgb(f"#{each}")[:3] for each in colours.split())
    return Palette(words, (top, middle, horizon), sun, far, near, stars)


_PALETTES = (
    _palette("dawn morning sunrise", "34589a e79aa0 ffe2ba fff4dc c98fa8 35264f"),
    _palette("dusk evening sunset", "2a2a68 cf4f78 ffb169 ffeab0 b05a86 21183c"),
    _palette("night moon star midnight dark space", "060a20 132758 41629f f6f2df 30507f 080e22", stars=True),
    _palette("forest green spring tree garden", "7fbdd4 c5e4dc fbf6df fffcec 8fbcab 17443e"),
    _palette("desert sand dune summer", "2f7fb2 f3cf9f ffe9cc fff8e2 e0a377 7a3126"),
    _palette("snow snowy winter ice arctic cold", "1a3a60 6ba6ca e8f5f5 ffffff b4d4e1 214966"),
    _palette("aurora northern", "04101d 0c3644 2c7a6c e9fff4 1f5a5c 03131a", stars=True),
    _palette("purple lavender violet pink", "544685 c096c8 fde3dc fff3ea a583b7 2d2048"),
    _palette("autumn fall leaves orange", "5d97b3 f5d3a0 fff0d2 fffbe9 dba05f 5f2616"),
    _palette("tropical teal lagoon sea ocean", "0f4c66 4fada7 f4ebc9 fffbe6 68b3a7 0b333c"),
)


@dataclass(frozen=True)
class Look:
    """All that decides about a landscape but its size and quality; there are few of them."""

    palette: Palette
    has_water: bool
    variant: int


def look_for(prompt: str, index: int) -> Look:
    """The light and the land that a prompt speaks of, else any; four indexes have four lands."""
    dice = random.Random(prompt.encode(errors="replace"))  # noqa: S311 - a picture is no secret
    palette = dice.choice([each for each in _PALETTES if _speaks_of(prompt, each.words)] or _PALETTES)
    variant = (dice.randrange(_VARIANTS) + index) % _VARIANTS
    return Look(palette, _speaks_of(prompt, _WATER) or variant == 0, variant)


def landscape(look: Look, size: tuple[int, int], quality: str) -> Image.Image:
    """A landscape in RGB of a size in pixels.

    Quality can be seen, as on the API: edges are smooth from `medium` on; `high` has more land and a grain,
    which makes its files about as large as those of a model.
    """
    dice = random.Random(repr(look))  # noqa: S311
    scale = 2 if quality != "low" and size[0] * size[1] <= _MOST_SMOOTHED_PIXELS else 1
    scene = _Scene(Image.new("RGB", (size[0] * scale, size[1] * scale)), look.palette, dice)
    scene.draw(ridges=7 if quality == "high" else 5, has_water=look.has_water)
    image = scene.image.reduce(scale)
    return _grained(image, dice) if quality == "high" else image


def _mixed(one: Colour, other: Colour, part: float) -> Colour:
    """`one` for a part of 0, `other` for a part of 1."""
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(one, other))
    return red, green, blue


def _grained(image: Image.Image, dice: random.Random) -> Image.Image:
    noise = Image.frombytes("L", image.size, dice.randbytes(image.width * image.height))
    grain = noise.point([0] * 128 + [6] * 128)
    return ImageChops.add(image, Image.merge("RGB", (grain, grain, grain)), offset=-3)


def _speaks_of(prompt: str, words: str) -> bool:
    said = set(re.findall("[a-z]+", prompt[:2000].lower()))
    return any(word in said or f"{word}s" in said for word in words.split())


class _Scene:
    """One landscape on its way; `unit` is the measure of things, whatever the proportions."""

    def __init__(self, image: Image.Image, palette: Palette, dice: random.Random) -> None:
        self.image = image
        self._palette = palette
        self._dice = dice
        self._width, self._height = image.size
        self._unit = max(min(image.size), max(image.size) * 0.55)
        self._pen = ImageDraw.Draw(image)
        self._glaze = ImageDraw.Draw(image, "RGBA")  # for translucent colours; it is slower

    def draw(self, ridges: int, has_water: bool) -> None:
        self._sky()
        sun_x = self._sun()
        shore = self._height * self._dice.uniform(0.66, 0.7)
        for number in range(ridges):
            depth = number / (ridges - 1)
            if has_water and number == ridges - 2:
                self._water(shore, sun_x)
            top = 0.46 + 0.42 * depth
            self._ridge(top, rough=0.62 - 0.3 * depth, tall=0.3 - 0.22 * depth, depth=depth)

    def _sky(self) -> None:
        colours = Image.new("RGB", (1, 3))
        colours.putdata(self._palette.sky)
        horizon = math.ceil(self._height * 0.7)
        column = colours.resize((1, horizon), Image.Resampling.BICUBIC)
        self.image.paste(column.resize((self._width, horizon), Image.Resampling.NEAREST))
        self.image.paste(self._palette.sky[2], (0, horizon, self._width, self._height))
        for _ in range(90 if self._palette.stars else 0):
            place = self._dice.random() * self._width, self._dice.random() ** 1.5 * horizon
            self._glaze.circle(
                place,
                self._unit * self._dice.uniform(0.0008, 0.002),
                (255, 255, 255, self._dice.randrange(90, 255)),
            )

    def _sun(self) -> float:
        """Draws the sun, or the moon, in rings of light; returns where it stands."""
        x = self._width * self._dice.uniform(0.2, 0.8)
        y = self._height * self._dice.uniform(0.2, 0.36)
        radius = self._unit * self._dice.uniform(0.055, 0.085)
        for ring, opacity in ((3.2, 22), (2.4, 30), (1.65, 44), (1.0, 255)):
            self._glaze.circle((x, y), radius * ring, (*self._palette.sun, opacity))
        return x

    def _ridge(self, top: float, rough: float, tall: float, depth: float) -> None:
        """Land from an outline down to the foot of the picture; the nearest land bears trees."""
        heights = self._outline(rough)
        step = self._width / (len(heights) - 1)
        line = [
            (number * step, self._height * top - height * tall * self._unit)
            for number, height in enumerate(heights)
        ]
        tone = _mixed(self._palette.far, self._palette.near, depth)
        self._pen.polygon([*line, (self._width, self._height), (0, self._height)], fill=tone)
        if depth > 0.4:
            tall_px = self._unit * (0.02 + 0.14 * (depth - 0.4) ** 1.5)
            for _ in range(round(self._width / tall_px * 1.1)):
                x, y = self._dice.choice(line)
                self._tree(
                    x + self._dice.uniform(-step, step), y, tall_px * self._dice.uniform(0.6, 1.3), tone
                )

    def _outline(self, rough: float) -> list[float]:
        """Heights from about -0.5 to 0.5, by halving each stretch and moving its middle."""
        heights = [self._dice.uniform(-0.5, 0.5) for _ in range(4)]
        spread = 0.5
        for _ in range(6):
            spread *= rough
            middles = [
                (a + b) / 2 + self._dice.uniform(-spread, spread) for a, b in zip(heights, heights[1:])
            ]
            heights = [*(each for pair in zip(heights, middles) for each in pair), heights[-1]]
        return heights

    def _tree(self, x: float, foot: float, tall: float, tone: Colour) -> None:
        foot += tall * 0.15
        outline = [(x, foot - tall)]
        for level, wide in ((0.62, 0.13), (0.62, 0.07), (0.32, 0.2), (0.32, 0.1), (0.0, 0.26)):
            outline.append((x + wide * tall, foot - level * tall))
        outline += [(2 * x - right, y) for right, y in reversed(outline[1:])]
        self._pen.polygon(outline, fill=tone)

    def _water(self, shore: float, sun_x: float) -> None:
        tone = _mixed(self._palette.sky[1], self._palette.far, 0.35)
        self._pen.rectangle((0, shore, self._width, self._height), fill=tone)
        thick = max(1.0, self._unit * 0.004)
        y = shore + thick
        while y < self._height:
            down = (y - shore) / self._unit
            for _ in range(2):
                x = sun_x + self._dice.gauss(0, 0.02 + down * 0.12) * self._unit
                half = self._unit * self._dice.uniform(0.01, 0.03 + down * 0.1)
                self._glaze.rectangle((x - half, y, x + half, y + thick), fill=(*self._palette.sun, 130))
            y += thick * (2.2 + down * 9)
