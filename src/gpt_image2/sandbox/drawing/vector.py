"""The picture for a prompt as an SVG: shapes and text, nothing that runs or is fetched. Pure."""

from __future__ import annotations

import random
from xml.sax.saxutils import escape

from .encoding import EncodedImage
from .landscape import Colour, look_for

_RIDGES = 4
_STEPS = 24
#: What XML cannot hold, as a table for `str.translate`.
_NO_XML = dict.fromkeys([*range(9), 11, 12, *range(14, 32), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF])
_MOST_CHARS = 60


def svg_of(prompt: str, index: int, size: tuple[int, int]) -> EncodedImage:
    """A landscape in layers with the prompt below it; the same prompt and index give the same picture."""
    look = look_for(prompt, index)
    palette, dice = look.palette, random.Random(repr(look))  # noqa: S311 - a picture is no secret
    width, height = size
    unit = min(size)
    stops = "".join(
        f'<stop offset="{at}" stop-color="{_hex(colour)}"/>' for at, colour in zip((0, 0.6, 1), palette.sky)
    )
    sun = f'<circle cx="{width * dice.uniform(0.2, 0.8):.0f}" cy="{height * 0.3:.0f}" r="{unit * 0.08:.0f}"'
    parts = [
        f'<linearGradient id="sky" x2="0" y2="1">{stops}</linearGradient>',
        f'<rect width="{width}" height="{height}" fill="url(#sky)"/>',
        f'{sun} fill="{_hex(palette.sun)}"/>',
    ]
    for number in range(_RIDGES):
        top, part = height * (0.5 + 0.12 * number), number / (_RIDGES - 1)
        colour = tuple(round(far + (near - far) * part) for far, near in zip(palette.far, palette.near))
        heights = [top - dice.random() * unit * 0.1 for _ in range(_STEPS + 1)]
        line = " ".join(f"{width * step / _STEPS:.0f},{y:.0f}" for step, y in enumerate(heights))
        parts.append(f'<polygon points="0,{height} {line} {width},{height}" fill="{_hex(colour)}"/>')
    shown = escape(" ".join(prompt.translate(_NO_XML).split())[:_MOST_CHARS])
    text = f'x="{unit * 0.05:.0f}" y="{height * 0.95:.0f}" font-size="{unit * 0.04:.0f}"'
    parts.append(f'<text {text} font-family="sans-serif" fill="#fff">SANDBOX · {shown}</text>')
    box = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    root = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>'
    document = "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', root, *parts, "</svg>", ""])
    return EncodedImage(document.encode("utf-8"), "image/svg+xml")


def _hex(colour: Colour | tuple[int, ...]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
