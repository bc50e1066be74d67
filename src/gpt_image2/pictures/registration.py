"""Finds how far one picture lies from another of the same size. Pure.

By correlation of their fine texture in the frequency domain (Kuglin and Hines' phase correlation, its weights
damped by half so that noise counts less), which light and tone do not disturb.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

#: A larger picture is halved, or divided further, before it is compared.
_MAX_PIXELS = 8_500_000
_TEXTURE_RADIUS_PX = 6
#: Below this there is no texture that could tell of a shift (levels of 255, root mean square).
_FLAT = 1.5
#: A peak nearby is preferred to a farther one that is hardly higher.
_NEARBY = 0.9
#: Flat pictures are the same where they differ by no more than so many levels.
_SAME_LEVELS = 12.0


@dataclass(frozen=True)
class Shift:
    """How far a picture lies to the right of and below another, in pixels, to a fifth of one; and how well
    their textures agree once it is put right, from -1 to 1."""

    right: float
    down: float
    agreement: float

    @property
    def pixels(self) -> tuple[int, int]:
        """The shift in whole pixels: to the right, down."""
        return round(self.right), round(self.down)

    def as_json(self) -> dict[str, object]:
        """As the JSON has it."""
        return {
            "shift_px": [round(self.right, 2), round(self.down, 2)],
            "agreement": round(self.agreement, 4),
        }


def find_shift(
    first: Image.Image,
    second: Image.Image,
    where: np.ndarray,
    nearby_px: int = 8,
    max_pixels: int = _MAX_PIXELS,
) -> Shift:
    """How far the second picture lies from the first.

    `where` (height x width, uint8) says what counts: 255 fully, 0 not at all. Shifts up to `nearby_px` are
    preferred; which ones are allowed the caller decides. Larger pictures than `max_pixels` are made smaller
    for that, which is faster and less exact.
    """
    step = math.ceil(math.sqrt(first.width * first.height / max_pixels))
    weights = np.asarray(Image.fromarray(where).reduce(step), np.float32) / 255
    one, two = (_texture(image.convert("L").reduce(step)) for image in (first, second))
    if min(_strength(one, weights), _strength(two, weights)) < _FLAT:
        return Shift(0.0, 0.0, _sameness(first.reduce(step), second.reduce(step), weights))
    surface = _correlated(one * weights, two * weights)
    down, right = _peak(surface, math.ceil(nearby_px / step))
    agreement = _agreement(one, two, weights, round(right), round(down))
    return Shift(right * step, down * step, agreement)


def moved(pixels: np.ndarray, right: int, down: int) -> np.ndarray:
    """The picture moved by whole pixels; what comes in at an edge is that edge."""
    rows, columns = (
        np.clip(np.arange(size) - by, 0, size - 1)
        for size, by in ((len(pixels), down), (len(pixels[0]), right))
    )
    return pixels[rows][:, columns]


def _texture(grey: Image.Image) -> np.ndarray:
    soft = grey.filter(ImageFilter.BoxBlur(_TEXTURE_RADIUS_PX))
    return np.asarray(grey, np.float32) - np.asarray(soft, np.float32)


def _strength(texture: np.ndarray, weights: np.ndarray) -> float:
    total = float(weights.sum())
    return math.sqrt(float((texture**2 * weights).sum()) / total) if total else 0.0


def _sameness(first: Image.Image, second: Image.Image, weights: np.ndarray) -> float:
    """1 where pictures without texture have the same tones, 0 where they do not."""
    total = float(weights.sum())
    if not total:
        return 1.0
    difference = np.abs(
        np.asarray(first.convert("L"), np.float32) - np.asarray(second.convert("L"), np.float32)
    )
    return 1.0 if float((difference * weights).sum()) / total <= _SAME_LEVELS else 0.0


def _correlated(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """How well the pictures fit at each shift of the second (row: down, column: right, both wrapped)."""
    spectrum = np.conj(np.fft.rfft2(one)) * np.fft.rfft2(two)
    spectrum /= np.sqrt(np.abs(spectrum)) + 1e-6
    return np.fft.irfft2(spectrum, s=one.shape)


def _peak(surface: np.ndarray, nearby: int) -> tuple[float, float]:
    """The place of the highest point (down, right), between pixels by a parabola through its neighbours."""
    height, width = surface.shape
    top, side = min(nearby, (height - 1) // 2), min(nearby, (width - 1) // 2)
    near = surface[np.ix_(np.arange(-top, top + 1), np.arange(-side, side + 1))]
    row, column = divmod(int(near.argmax()), near.shape[1])
    row, column = row - top, column - side
    far_row, far_column = divmod(int(surface.argmax()), width)
    if surface[row, column] < _NEARBY * surface[far_row, far_column]:
        row = far_row - height if far_row > height // 2 else far_row
        column = far_column - width if far_column > width // 2 else far_column
    down = row + _vertex(*(float(surface[(row + at) % height, column % width]) for at in (-1, 0, 1)))
    right = column + _vertex(*(float(surface[row % height, (column + at) % width]) for at in (-1, 0, 1)))
    return down, right


def _vertex(before: float, at: float, after: float) -> float:
    bend = before - 2 * at + after
    return 0.0 if bend >= 0 else float(np.clip((before - after) / (2 * bend), -0.5, 0.5))


def _agreement(one: np.ndarray, two: np.ndarray, weights: np.ndarray, right: int, down: int) -> float:
    two = moved(two, -right, -down)
    energy = math.sqrt(float((weights * one**2).sum()) * float((weights * two**2).sum()))
    return float((weights * one * two).sum()) / energy if energy else 0.0
