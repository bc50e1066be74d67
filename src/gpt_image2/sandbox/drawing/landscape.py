"""Landscapes: sky, sun, hills, trees, water, towns, from a palette and dice. Draws on an image, knows no
words.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter

from .palettes import Colour, Palette, mix

Point = tuple[float, float]


@dataclass(frozen=True)
class Stage:
    """What a landscape is drawn on and with; `unit` is the measure of things, whatever the proportions."""

    image: Image.Image
    pen: ImageDraw.ImageDraw
    dice: random.Random
    palette: Palette

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.image.width

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.image.height

    @property
    def unit(self) -> float:
        """The shorter edge, but not much less than the longer one would need."""
        return max(min(self.width, self.height), max(self.width, self.height) * 0.55)


def landscape(size: tuple[int, int], dice: random.Random, palette: Palette, kind: str) -> Image.Image:
    """A picture of a `kind` of land, in RGB."""
    image = Image.new("RGB", size)
    stage = Stage(image, ImageDraw.Draw(image), dice, palette)
    _sky(stage)
    KINDS[kind](stage)
    return image


def _valley(stage: Stage) -> None:
    """Mountains, hills, a wood and a house."""
    for depth, (top, jagged) in enumerate([(0.44, True), (0.54, True), (0.62, False), (0.72, False)]):
        tone = mix(stage.palette.far, stage.palette.near, depth / 4.6)
        ridge = _ridge(stage, top, 0.13 - depth * 0.02, jagged)
        _land(stage, ridge, tone)
        if depth == 2:
            _wood(stage, ridge, mix(tone, stage.palette.near, 0.45), 0.05, 90)
        elif depth == 3:
            _wood(stage, ridge, mix(tone, stage.palette.near, 0.65), 0.085, 34)
            _house(stage, ridge, stage.palette.near)
    front = _ridge(stage, 0.86, 0.05, False)
    _land(stage, front, stage.palette.near, mist=0.06)
    _wood(stage, front, stage.palette.near, 0.2, 9)


def _lake(stage: Stage) -> None:
    """Mountains over still water, with a boat."""
    shore = round(stage.height * 0.6)
    for depth, top in enumerate((0.36, 0.46, 0.53)):
        tone = mix(stage.palette.far, stage.palette.near, depth / 3.4)
        ridge = _ridge(stage, top, 0.13 - depth * 0.035, depth < 2)
        _land(stage, ridge, tone)
        if depth == 2:
            _wood(stage, ridge, mix(tone, stage.palette.near, 0.5), 0.04, 120)
    _water(stage, shore)
    _boat(stage, shore)
    front = _ridge(stage, 0.93, 0.05, False)
    _land(stage, front, stage.palette.near, mist=0.06)
    _wood(stage, front, stage.palette.near, 0.24, 7)


def _town(stage: Stage) -> None:
    """Far hills and two rows of houses with lit windows."""
    for depth, top in enumerate((0.46, 0.56)):
        _land(
            stage, _ridge(stage, top, 0.1, depth == 0), mix(stage.palette.far, stage.palette.near, depth / 5)
        )
    for depth, (top, tone) in enumerate([(0.5, 0.38), (0.6, 0.62), (0.72, 0.9)]):
        _row_of_houses(stage, top, mix(stage.palette.far, stage.palette.near, tone), depth)


#: Every kind of landscape by name.
KINDS: dict[str, Callable[[Stage], None]] = {"valley": _valley, "lake": _lake, "town": _town}


def _sky(stage: Stage) -> None:
    top, middle, horizon = stage.palette.sky
    # The horizon is at 60 percent of the height; below it the sky is hidden by land.
    size = (stage.width, round(stage.height * 0.66))
    stage.image.paste(_gradient([top, middle, horizon], size, span=(0.35, 2.75)))
    if stage.palette.night:
        _stars(stage)
    if stage.palette.name == "aurora":
        _aurora(stage)
    _sun(stage)
    _clouds(stage)
    if not stage.palette.night:
        _birds(stage)


def _stars(stage: Stage) -> None:
    for _ in range(160):
        x, y = stage.dice.random() * stage.width, stage.dice.random() ** 1.4 * stage.height * 0.6
        radius = stage.unit * stage.dice.choice((0.0008, 0.001, 0.0013, 0.0022))
        tone = mix(stage.palette.sky[1], (255, 255, 255), stage.dice.uniform(0.35, 1.0))
        _disc(stage, x, y, radius, tone)


def _aurora(stage: Stage) -> None:
    """Curtains of light: a few soft vertical strokes along a wave."""
    small = Image.new("L", (96, 64))
    pen = ImageDraw.Draw(small)
    for band in range(3):
        phase, base = stage.dice.random() * 6, stage.dice.uniform(18, 34)
        for x in range(96):
            y = base + 7 * math.sin(x / 11 + phase) + 3 * math.sin(x / 4.7 + phase * 2)
            strength = int(95 + 60 * math.sin(x / 7 + phase * 3)) // (1 + band // 2)
            pen.line([(x, y - 20), (x, y - 8)], fill=strength // 3)
            pen.line([(x, y - 8), (x, y)], fill=strength)
    mask = small.filter(ImageFilter.GaussianBlur(1.6)).resize(
        (stage.width, round(stage.height * 0.6)), Image.Resampling.BICUBIC
    )
    stage.image.paste((120, 255, 190), (0, 0), mask)


def _sun(stage: Stage) -> None:
    x, y = stage.width * stage.dice.uniform(0.2, 0.8), stage.height * stage.dice.uniform(0.16, 0.36)
    radius = stage.unit * stage.dice.uniform(0.05, 0.085)
    reach = round(radius * (4 if stage.palette.night else 6.5))
    # Pillow's radial gradient has not faded at the middle of an edge, where it is at 181.
    glow = Image.radial_gradient("L").point([round(150 * max(0, 1 - d / 180) ** 2) for d in range(256)])
    corner = (round(x - reach), round(y - reach))
    stage.image.paste(
        stage.palette.sun, corner, glow.resize((2 * reach, 2 * reach), Image.Resampling.BILINEAR)
    )
    _disc(stage, x, y, radius, stage.palette.sun)
    if stage.palette.night:  # craters, so that it reads as a moon
        for dx, dy, size in ((-0.3, -0.25, 0.2), (0.35, 0.1, 0.14), (-0.1, 0.4, 0.11)):
            tone = mix(stage.palette.sun, stage.palette.sky[2], 0.28)
            _disc(stage, x + dx * radius, y + dy * radius, size * radius, tone)


def _clouds(stage: Stage) -> None:
    """Soft banks with a flat foot, blurred on a small mask."""
    scale = 4
    mask = Image.new("L", (stage.width // scale + 1, round(stage.height * 0.55) // scale + 1))
    pen = ImageDraw.Draw(mask)
    for _ in range(stage.dice.randint(2, 4)):
        x, y = stage.dice.random() * mask.width, mask.height * stage.dice.uniform(0.2, 0.85)
        length = stage.unit / scale * stage.dice.uniform(0.16, 0.34)
        strength = stage.dice.randint(70, 130) // (2 if stage.palette.night else 1)
        for _ in range(9):
            at = stage.dice.uniform(-1, 1)
            rise = length * 0.24 * (1.1 - abs(at)) * stage.dice.uniform(0.6, 1)
            middle = x + at * length * 0.7
            pen.pieslice(
                (middle - rise * 1.9, y - rise, middle + rise * 1.9, y + rise), 180, 360, fill=strength
            )
    blur = max(0.6, stage.unit / scale * 0.006)
    soft = mask.filter(ImageFilter.GaussianBlur(blur))
    soft = soft.resize((stage.width, round(stage.height * 0.55)), Image.Resampling.BILINEAR)
    stage.image.paste(mix(stage.palette.sun, (255, 255, 255), 0.4), (0, 0), soft)


def _birds(stage: Stage) -> None:
    x, y = stage.width * stage.dice.uniform(0.15, 0.75), stage.height * stage.dice.uniform(0.12, 0.34)
    tone = mix(stage.palette.sky[0], stage.palette.near, 0.7)
    stroke = max(1, round(stage.unit * 0.0028))
    for _ in range(stage.dice.randint(3, 6)):
        bx = x + stage.unit * stage.dice.uniform(-0.12, 0.12)
        by = y + stage.unit * stage.dice.uniform(-0.05, 0.05)
        span = stage.unit * stage.dice.uniform(0.010, 0.018)
        for side in (-1, 1):
            wing = [(bx, by), (bx + side * span * 0.5, by - span * 0.45), (bx + side * span, by - span * 0.2)]
            stage.pen.line(wing, fill=tone, width=stroke, joint="curve")


def _ridge(stage: Stage, top: float, amplitude: float, jagged: bool) -> list[Point]:
    """The outline of a range from left to right; `top` is its mean height, 0 above and 1 below."""
    heights = _jagged(stage.dice) if jagged else _smooth(stage.dice)
    step = stage.width / (len(heights) - 1)
    rise = amplitude * min(stage.height, stage.unit)
    return [(index * step, stage.height * top + rise * height) for index, height in enumerate(heights)]


def _jagged(dice: random.Random) -> list[float]:
    """Peaks between -1 and 1, by displacing the middles of ever shorter stretches."""
    heights = [
        dice.uniform(-0.3, 0.5),
        dice.uniform(-1, -0.5),
        dice.uniform(0, 0.6),
        dice.uniform(-0.9, 0.1),
        0.2,
    ]
    spread = 0.42
    while len(heights) < 130:
        middles = [(a + b) / 2 + dice.uniform(-spread, spread) for a, b in zip(heights, heights[1:])]
        heights = [each for pair in zip(heights, middles) for each in pair] + heights[-1:]
        spread *= 0.5
    return heights


def _smooth(dice: random.Random) -> list[float]:
    """Rolling hills between -1 and 1: three waves."""
    waves = [(dice.uniform(0.5, 1.2), 0.6), (dice.uniform(1.6, 2.6), 0.28), (dice.uniform(4, 6), 0.09)]
    phases = [dice.random() * math.tau for _ in waves]
    return [
        sum(size * math.sin(math.tau * turns * x / 96 + phase) for (turns, size), phase in zip(waves, phases))
        for x in range(97)
    ]


def _land(stage: Stage, ridge: Sequence[Point], tone: Colour, mist: float = 0.42) -> None:
    """Fill below a ridge: its tone at the top, some mist of the horizon at its foot."""
    top = max(0, math.floor(min(y for _, y in ridge)))
    size = (stage.width, stage.height - top)
    if size[1] < 1:
        return
    outline = [(x, y - top) for x, y in ridge]
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon([(0, size[1]), *outline, (stage.width, size[1])], fill=255)
    foot = mix(tone, stage.palette.sky[2], mist)
    fill = _gradient([tone, mix(tone, foot, 0.7), foot], size)
    stage.image.paste(fill, (0, top), mask)


def _gradient(
    colours: Sequence[Colour], size: tuple[int, int], span: tuple[float, float] | None = None
) -> Image.Image:
    """A fill that runs through colours from top to bottom; `span` is the part of the run that is used."""
    strip = Image.new("RGB", (1, len(colours)))
    strip.putdata(colours)  # pyright: ignore[reportUnknownMemberType]
    top, bottom = span or (0, len(colours))
    column = strip.resize((1, size[1]), Image.Resampling.BICUBIC, box=(0, top, 1, bottom))
    return column.resize(size, Image.Resampling.NEAREST)


def _wood(stage: Stage, ridge: Sequence[Point], tone: Colour, height: float, count: int) -> None:
    """Firs in groups along a ridge."""
    groves = [stage.dice.random() for _ in range(max(2, count // 8))]
    trees = sorted(stage.dice.gauss(stage.dice.choice(groves), 0.06) for _ in range(count))
    for place in trees:
        x = place * stage.width
        ground = _height_at(ridge, x)
        tall = stage.unit * height * stage.dice.uniform(0.55, 1.0)
        shade = mix(tone, stage.palette.near, stage.dice.uniform(0, 0.35))
        _fir(stage, x, ground + tall * 0.06, tall, shade)


def _fir(stage: Stage, x: float, ground: float, tall: float, tone: Colour) -> None:
    wide = tall * 0.19
    stage.pen.rectangle((x - wide * 0.14, ground - tall * 0.2, x + wide * 0.14, ground), fill=tone)
    for tier in range(4):
        foot = ground - tall * (0.1 + 0.2 * tier)
        half = wide * (1 - 0.2 * tier)
        stage.pen.polygon([(x - half, foot), (x, foot - tall * 0.36), (x + half, foot)], fill=tone)


def _house(stage: Stage, ridge: Sequence[Point], tone: Colour) -> None:
    x = stage.width * stage.dice.uniform(0.2, 0.8)
    size = stage.unit * 0.042
    ground = _height_at(ridge, x) + size * 0.3
    wall = mix(tone, stage.palette.sky[2], 0.55)
    stage.pen.rectangle((x - size, ground - size * 0.9, x + size, ground), fill=wall)
    stage.pen.rectangle((x + size * 0.45, ground - size * 1.9, x + size * 0.68, ground - size), fill=tone)
    eaves = ground - size * 0.85
    roof = [(x - size * 1.25, eaves), (x, ground - size * 1.75), (x + size * 1.25, eaves)]
    stage.pen.polygon(roof, fill=mix(tone, stage.palette.far, 0.12))
    for side in (-0.5, 0.5):
        middle = x + side * size
        box = (middle - size * 0.2, ground - size * 0.65, middle + size * 0.2, ground - size * 0.25)
        stage.pen.rectangle(box, fill=stage.palette.glow)


def _water(stage: Stage, shore: int) -> None:
    """What is above the shore, upside down, darker and rippled."""
    depth = stage.height - shore
    above = stage.image.crop((0, max(0, shore - depth), stage.width, shore))
    mirror = above.transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize((stage.width, depth))
    deep = mix(stage.palette.sky[0], stage.palette.near, 0.35)
    stage.image.paste(Image.blend(mirror, Image.new("RGB", mirror.size, deep), 0.38), (0, shore))
    shine = mix(stage.palette.sky[2], stage.palette.sun, 0.5)
    for _ in range(70):
        part = stage.dice.random() ** 1.7
        y = shore + depth * part
        x = stage.dice.random() * stage.width
        length = stage.unit * stage.dice.uniform(0.01, 0.05) * (0.4 + part)
        tone = mix(deep, shine, stage.dice.uniform(0.15, 0.6))
        stage.pen.line((x - length, y, x + length, y), fill=tone, width=max(1, round(stage.unit * 0.0016)))


def _boat(stage: Stage, shore: int) -> None:
    x = stage.width * stage.dice.uniform(0.25, 0.75)
    y = shore + (stage.height - shore) * 0.22
    size = stage.unit * 0.045
    hull = mix(stage.palette.near, stage.palette.far, 0.1)
    sail = mix(stage.palette.sun, (255, 255, 255), 0.3)

    def place(*points: Point) -> list[Point]:
        return [(x + across * size, y - up * size) for across, up in points]

    stage.pen.polygon(place((-1, 0.3), (1, 0.3), (0.65, 0), (-0.65, 0)), fill=hull)
    stage.pen.polygon(place((0.04, 2.3), (0.04, 0.42), (0.9, 0.42)), fill=sail)
    stage.pen.polygon(
        place((-0.06, 1.9), (-0.06, 0.42), (-0.7, 0.42)), fill=mix(sail, stage.palette.far, 0.3)
    )
    shine, stroke = mix(sail, stage.palette.near, 0.35), max(1, round(size * 0.05))
    for row in range(1, 6):
        half = (0.75 - 0.1 * row) * stage.dice.uniform(0.6, 1.1)
        stage.pen.line(place((-half, -0.16 * row), (half, -0.16 * row)), fill=shine, width=stroke)


def _row_of_houses(stage: Stage, top: float, tone: Colour, depth: int) -> None:
    x = -stage.unit * 0.02
    pane = stage.unit * (0.006 + 0.0022 * depth)
    while x < stage.width:
        wide = stage.unit * stage.dice.uniform(0.06, 0.12) * (0.8 + 0.25 * depth)
        roof = stage.height * top - stage.unit * stage.dice.uniform(-0.06, 0.16) * (1.1 - 0.25 * depth)
        shade = mix(tone, stage.palette.sky[2], stage.dice.uniform(0, 0.1))
        stage.pen.rectangle((x, roof, x + wide, stage.height), fill=shade)
        _roof(stage, x, roof, wide, shade)
        _windows(stage, (x, roof, x + wide, stage.height), pane, shade)
        x += wide + stage.unit * stage.dice.choice((0, 0, 0.004, 0.015))


def _roof(stage: Stage, x: float, y: float, wide: float, tone: Colour) -> None:
    style = stage.dice.choice(("flat", "gable", "slope", "mast"))
    if style == "gable":
        stage.pen.polygon([(x, y + 1), (x + wide / 2, y - wide * 0.42), (x + wide, y + 1)], fill=tone)
    elif style == "slope":
        stage.pen.polygon([(x, y + 1), (x, y - wide * 0.35), (x + wide, y + 1)], fill=tone)
    elif style == "mast":
        stage.pen.rectangle((x + wide * 0.48, y - wide * 0.6, x + wide * 0.52, y), fill=tone)


def _windows(stage: Stage, box: tuple[float, float, float, float], pane: float, wall: Colour) -> None:
    left, top, right, bottom = box
    columns = int((right - left - pane) // (pane * 2.4))
    if columns < 1:
        return
    gap = (right - left) / columns
    lit = 0.55 if stage.palette.night else 0.3
    dark = mix(wall, stage.palette.near, 0.35)
    y = top + pane * 2
    while y < bottom - pane * 2:
        for column in range(columns):
            middle = left + gap * (column + 0.5)
            tone = stage.palette.glow if stage.dice.random() < lit else dark
            stage.pen.rectangle((middle - pane / 2, y, middle + pane / 2, y + pane * 1.5), fill=tone)
        y += pane * 3.4


def _height_at(ridge: Sequence[Point], x: float) -> float:
    step = ridge[1][0] - ridge[0][0]
    index = min(len(ridge) - 2, max(0, int(x // step)))
    part = min(1.0, max(0.0, (x - ridge[index][0]) / step))
    return ridge[index][1] + (ridge[index + 1][1] - ridge[index][1]) * part


def _disc(stage: Stage, x: float, y: float, radius: float, tone: Colour) -> None:
    stage.pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tone)
