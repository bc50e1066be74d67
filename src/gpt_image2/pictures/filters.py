"""Filters on single channels: growing, softening, scaling, filling. Pure functions on arrays."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter


def grow(inside: np.ndarray, radius_px: float) -> np.ndarray:
    """A yes-no mask (height x width, bool) grown by a disc, or shrunk where the radius is negative.

    Exact: a pixel is inside when one that was lies at most the radius away. First the distance up and down to
    the nearest pixel of each column is counted, then columns are put together. What is beyond the picture is
    like its edge.
    """
    if radius_px < 0:
        return ~grow(~inside, -radius_px)
    reach = int(radius_px)
    if reach == 0 or not inside.any():
        return inside.copy()
    top, bottom, left, right = _box(inside, reach)
    grown = np.zeros_like(inside)
    grown[top:bottom, left:right] = _grown(inside[top:bottom, left:right], radius_px)
    return grown


def _box(inside: np.ndarray, reach: int) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    height, width = inside.shape
    return (
        *(max(0, int(rows[0]) - reach), min(height, int(rows[-1]) + reach + 1)),
        *(max(0, int(columns[0]) - reach), min(width, int(columns[-1]) + reach + 1)),
    )


def _grown(inside: np.ndarray, radius_px: float) -> np.ndarray:
    reach = int(radius_px)
    far = reach + 1
    kind = np.uint8 if far < 255 else np.uint16
    distance = np.where(inside, 0, far).astype(kind)
    for row in range(1, len(distance)):  # down, then up
        np.minimum(distance[row], np.minimum(distance[row - 1], far - 1) + kind(1), out=distance[row])
    for row in range(len(distance) - 2, -1, -1):
        np.minimum(distance[row], np.minimum(distance[row + 1], far - 1) + kind(1), out=distance[row])
    grown = distance <= reach
    width = inside.shape[1]
    for across in range(1, min(reach, width - 1) + 1):
        near = distance <= int((radius_px**2 - across**2) ** 0.5)
        grown[:, across:] |= near[:, :-across]
        grown[:, :-across] |= near[:, across:]
    return grown


def soften(area: np.ndarray, width_px: float) -> np.ndarray:
    """A mask (uint8) with its edges as ramps, in all at most `width_px` wide: half outside, half inside.

    Two box blurs, so that nothing further away is touched at all.
    """
    radius = (width_px - 2) / 4
    if radius <= 0:
        return area
    box = ImageFilter.BoxBlur(radius)
    return np.asarray(Image.fromarray(area).filter(box).filter(box))


def scaled(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One channel (uint8 or float32) scaled to a width and a height, smoothly."""
    if (values.shape[1], values.shape[0]) == size:
        return values
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR))


def filled_in(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Values (float32) known where weights are above 0, continued smoothly to everywhere.

    Push and pull: halved until everything is known, then each level fills what the finer one does not know.
    """
    height, width = values.shape
    if min(height, width) <= 1 or weights.min() > 0:
        total = float(weights.sum())
        mean = float((values * weights).sum() / total) if total else 0.0
        return np.where(weights > 0, values, np.float32(mean)).astype(np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    box = Image.Resampling.BOX
    weight = np.asarray(Image.fromarray(weights).resize(half, box))
    value = np.asarray(Image.fromarray(values * weights).resize(half, box)) / np.maximum(weight, 1e-6)
    known = np.minimum(weight * 4, 1)
    coarse = scaled(filled_in(value.astype(np.float32), known.astype(np.float32)), (width, height))
    share = np.minimum(weights, 1)
    return (values * share + coarse * (1 - share)).astype(np.float32)
