"""The colours of the sandbox's pictures, and how colours are mixed. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Palette:
    """One light of the day: the sky from top to horizon, its sun or moon, the land from far to near."""

    name: str
    sky: tuple[Colour, Colour, Colour]
    sun: Colour
    far: Colour
    near: Colour
    glow: Colour
    night: bool = False


def _colour(text: str) -> Colour:
    return int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16)


def _palette(name: str, sky: str, sun: str, far: str, near: str, glow: str, night: bool = False) -> Palette:
    top, middle, horizon = (_colour(part) for part in sky.split())
    return Palette(
        name, (top, middle, horizon), _colour(sun), _colour(far), _colour(near), _colour(glow), night
    )


PALETTES = (
    _palette("dawn", "34589a e79aa0 ffe2ba", "fff4dc", "c98fa8", "35264f", "ffd79a"),
    _palette("dusk", "2a2a68 cf4f78 ffb169", "ffeab0", "b05a86", "21183c", "ffd98a"),
    _palette("night", "060a20 132758 41629f", "f6f2df", "30507f", "080e22", "ffd27a", night=True),
    _palette("forest", "7fbdd4 c5e4dc fbf6df", "fffcec", "8fbcab", "17443e", "ffe9a3"),
    _palette("desert", "2f7fb2 f3cf9f ffe9cc", "fff8e2", "e0a377", "7a3126", "fff0c0"),
    _palette("arctic", "1a3a60 6ba6ca e8f5f5", "ffffff", "b4d4e1", "214966", "ffdf9e"),
    _palette("aurora", "04101d 0c3644 2c7a6c", "e9fff4", "1f5a5c", "03131a", "ffe08a", night=True),
    _palette("lavender", "544685 c096c8 fde3dc", "fff3ea", "a583b7", "2d2048", "ffd9b0"),
    _palette("autumn", "5d97b3 f5d3a0 fff0d2", "fffbe9", "dba05f", "5f2616", "ffe39b"),
    _palette("lagoon", "0f4c66 4fadA7 f4ebc9", "fffbe6", "68b3a7", "0b333c", "ffe7a1"),
)


def mix(one: Colour, other: Colour, part: float) -> Colour:
    """`one` for a part of 0, `other` for a part of 1."""
    return (
        round(one[0] + (other[0] - one[0]) * part),
        round(one[1] + (other[1] - one[1]) * part),
        round(one[2] + (other[2] - one[2]) * part),
    )
