"""How opaque the soft pixels on a key are, by what else nearby is a mixture of the same colour. Pure.

A pixel is the key and a colour of its own mixed, so that all mixtures of one colour lie on one line from the key.
The farthest of those nearby bounds how opaque the others are. Whether it is opaque itself shows in how they are
spread: something opaque shows its own colour over a stretch and ends steeply, a glow fades all the way. What
the mixtures do not show is weighed: the colour may be as near to the key as the colour difference says, or as
far as colours go.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

#: Nearby: in the same or the next of so many parts of the longer side. The same line: in the same or the next of
#: so many steps of each channel's share of it.
_PARTS, _STEPS = 6, 24
#: Mixtures are counted in a sample of about so many pixels, in bands of so many rows.
_SAMPLE, _BAND_ROWS = 1_000_000, 128
#: The direction of a pixel as near to the key as this (of 1, where colours end) is noise.
_NEAR = 0.08
#: A pixel that can be so opaque has nothing of the key, by its colour.
_WHOLE = 0.95
#: Of the mixtures of something opaque at most so many have some of the key, of a glow at least.
_STAYS, _FADES = 0.6, 0.85
#: The opacity differs so much between neighbours in a glow at most, and along an edge at least.
_FLAT, _STEEP = 0.15, 0.4
#: How likely the farthest is opaque, or a pixel of something opaque has no key in it: by these powers of the
#: most that it can be.
_FARTHEST_OPAQUE, _PIXEL_OPAQUE = 4, 8


@dataclass(frozen=True)
class _Lines:
    """Per part of the picture and direction from the key (a grid of float32), from 0 to 1: how far the farthest
    mixture is, how far those without any key are in the mean, and how many have some of it."""

    farthest: np.ndarray
    whole: np.ndarray
    soft_share: np.ndarray
    part_px: float


def opacity(rgb: np.ndarray, key: np.ndarray, most: np.ndarray) -> np.ndarray:
    """How opaque each pixel of a picture (height x width x 3, uint8) on a key is, from 0 to 1 (float32), where it
    is `most` (height x width, float32) or less by the colour difference; above 1 where nothing of the key is left.
    """
    shares = _shares(key)
    lines = _lines_of(rgb, shares, most)
    far = np.zeros(most.shape, np.uint8)
    for channel, share in enumerate(shares):
        np.maximum(far, np.rint(np.abs(share) * 255).astype(np.uint8)[rgb[..., channel]], out=far)
    image = Image.fromarray(far)
    rise = np.asarray(image.filter(ImageFilter.MaxFilter(3))) - np.asarray(image.filter(ImageFilter.MinFilter(3)))
    alpha = np.zeros(most.shape, np.float32)
    for top in range(0, len(rgb), _BAND_ROWS):
        band = slice(top, top + _BAND_ROWS)
        there = most[band] > 0
        if there.any():
            alpha[band][there] = _of_band(rgb[band], shares, most[band], rise[band], lines, top, there)
    return alpha


def _of_band(
    rgb: np.ndarray,
    shares: np.ndarray,
    most: np.ndarray,
    rise: np.ndarray,
    lines: _Lines,
    top: int,
    there: np.ndarray,
) -> np.ndarray:
    rows, columns = np.nonzero(there)
    reach, at = _placed(rgb[there], shares, rows + top, columns, lines.part_px, lines.whole.shape)
    most = most[there]
    fades = np.clip((lines.soft_share.ravel()[at] - _STAYS) / (_FADES - _STAYS), 0, 1)
    whole = lines.whole.ravel()[at]
    farthest = whole + (np.maximum(lines.farthest.ravel()[at], whole) - whole) * fades
    farthest = np.maximum(farthest, 1e-3)
    steep = (rise[there] / (255 * farthest) - _FLAT) / (_STEEP - _FLAT)
    solid = np.maximum(np.clip(steep, 0, 1), 1 - fades)
    of_farthest = np.clip(most * farthest / np.maximum(reach, 1e-3), 0, 1)
    most = np.minimum(most, 1)
    bound = np.minimum(most, reach / np.maximum(farthest, reach))
    ratio = np.clip(reach / np.maximum(bound, 1e-3), 1e-3, 0.999)
    mean = ratio * np.log(1 / ratio) / (1 - ratio)
    alpha = bound * (mean + (1 - mean) * solid * of_farthest**_FARTHEST_OPAQUE)
    return alpha + (1 - alpha) * solid * most**_PIXEL_OPAQUE


def _shares(key: np.ndarray) -> np.ndarray:
    """How far each level of each channel is from the key on the way to the end of the channel (3 x 256, float32,
    from -1 to 1). Beyond a key that is nearly at an end all is noise."""
    levels = np.arange(256, dtype=np.float32)
    rows: list[np.ndarray] = []
    for level in key.tolist():
        below, above = max(1.0, level), max(1.0, 255 - level)
        rows.append(
            np.clip(
                (levels - level) / np.where(levels < level, below, above),
                -1.0 if below > _END else 0.0,
                1.0 if above > _END else 0.0,
            )
        )
    return np.array(rows, np.float32)


_END = 30


def _placed(
    pixels: np.ndarray,
    shares: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    part_px: float,
    shape: tuple[int, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """How far pixels (n x 3) are from the key, from 0 to 1 (n, float32), and where in the grid their lines are."""
    ways = [shares[channel][pixels[:, channel]] for channel in range(3)]
    reach = np.max(np.abs(ways), axis=0)
    at = (rows / part_px).astype(np.int64) * shape[1] + (columns / part_px).astype(np.int64)
    for way in ways:
        step = (way / np.maximum(reach, 1e-3) + 1) * (_STEPS / 2)
        at = at * _STEPS + np.minimum(step.astype(np.int64), _STEPS - 1)
    return reach, at


def _lines_of(rgb: np.ndarray, shares: np.ndarray, most: np.ndarray) -> _Lines:
    height, width = most.shape
    part_px = max(height, width) / _PARTS
    shape = (-int(-height // part_px), -int(-width // part_px), _STEPS, _STEPS, _STEPS)
    every = max(1, round((height * width / _SAMPLE) ** 0.5))
    there = most[::every, ::every] > 0
    rows, columns = np.nonzero(there)
    reach, at = _placed(rgb[::every, ::every][there], shares, rows * every, columns * every, part_px, shape)
    clear = reach > _NEAR
    reach, at = reach[clear], at[clear]
    farthest = np.zeros(shape, np.float32)
    farthest.ravel()[:] = _third_highest(reach, at, farthest.size)
    farthest = _with_next(farthest, np.maximum)
    is_whole = most[::every, ::every][there][clear] >= _WHOLE
    counts, wholes, sums = (
        _with_next(np.bincount(at, weights, farthest.size).reshape(shape), np.add)
        for weights in (None, is_whole, reach * is_whole)
    )
    whole = np.where(wholes > 0, sums / np.maximum(wholes, 1), farthest).astype(np.float32)
    soft_share = 1 - (wholes / np.maximum(counts, 1)).astype(np.float32)
    return _Lines(farthest, whole, soft_share, part_px)


def _third_highest(values: np.ndarray, at: np.ndarray, count: int) -> np.ndarray:
    """Of the values at each place the third highest, so that no stray pixel counts; the least of fewer."""
    result = np.zeros(count, np.float32)
    order = np.lexsort((-values, at))
    values, at = values[order], at[order]
    first = np.flatnonzero(np.diff(at, prepend=-1))
    last = np.append(first[1:], len(at)) - 1
    result[at[first]] = values[np.minimum(first + 2, last)]
    return result


def _with_next(grid: np.ndarray, joined: np.ufunc) -> np.ndarray:
    """A grid whose every place is joined with the next ones along each axis."""
    for axis in range(grid.ndim):
        before = np.moveaxis(grid, axis, 0)
        grid = grid.copy()
        after = np.moveaxis(grid, axis, 0)
        joined(after[1:], before[:-1], out=after[1:])
        joined(after[:-1], before[1:], out=after[:-1])
    return grid
