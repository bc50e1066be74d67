"""How opaque the soft pixels on a key are, by what else nearby is a mixture of the same colour. Pure.

A pixel is the key and a colour of its own mixed, so all mixtures of one colour lie on one line from the key,
and the farthest of them bounds how opaque the others are. Whether it is opaque itself shows in the rest:
something opaque is mostly free of the key and ends steeply, a glow is mostly soft and rises slowly. Where
that says nothing, the colours that a pixel can have are weighed, from next to the key's up to the purest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

#: Nearby is the same or the next of so many parts of the longer side; the same line is the same or the next
#: of so many steps of each channel, to either side of the key's level.
_PARTS, _STEPS = 6, 16
#: Mixtures are counted in a sample of about so many pixels, and weighed in bands of so many rows.
_SAMPLE, _BAND_ROWS = 1_000_000, 128
#: So near to the key, of the way to where colours end, a direction is noise.
_NEAR = 0.08
#: A channel has no room beyond a key that is so near to its end (levels of 255).
_NO_ROOM = 30
#: A pixel that can be so opaque has nothing of the key, by its colour.
_WHOLE = 0.95
#: Of the mixtures of something opaque at most this share has some of the key, of a glow at least.
_STAYS, _FADES = 0.45, 0.7
#: Around a pixel the opacity of a glow differs by so much at most, along an edge at least; an edge is a pixel
#: wider for so many pixels of the longer side.
_SLOW, _STEEP = 0.15, 0.4
_WIDER_PX = 2000
#: How likely the farthest is opaque, and a pixel of something opaque has no key in it: these powers of how
#: opaque each can be.
_FARTHEST_OPAQUE, _PIXEL_OPAQUE = 4, 8
_LEAST = 1e-3


@dataclass(frozen=True)
class _Grid:
    """The lines from a key: by part of the picture, and by direction. `ways` says how far each level of each
    channel is from the key's, of the way to the channel's end (3 x 256, float32, from -1 to 1)."""

    ways: np.ndarray
    part_px: float
    shape: tuple[int, int, int, int, int]

    def placed(
        self, pixels: np.ndarray, rows: np.ndarray, columns: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """How far pixels (n x 3) are from the key (n, float32: 1 is where colours end), and the numbers of
        their lines."""
        ways = [self.ways[channel][pixels[:, channel]] for channel in range(3)]
        reach = np.maximum(np.max(np.abs(ways), axis=0), _LEAST)
        down, across = ((places / self.part_px).astype(np.int32) for places in (rows, columns))
        at = down * self.shape[1] + across
        for way, least, steps in zip(ways, self.ways[:, 0], self.shape[2:]):
            step = ((way / reach - least) * _STEPS).astype(np.int32)
            at = at * steps + np.minimum(step, steps - 1)
        return reach, at


@dataclass(frozen=True)
class _Lines:
    """Of the mixtures on each line, from 0 to 1 (float32): how far the farthest is, how far those without any
    key are in the mean, and how many have some of it."""

    farthest: np.ndarray
    whole: np.ndarray
    soft_share: np.ndarray


def opacity(rgb: np.ndarray, key: np.ndarray, most: np.ndarray) -> np.ndarray:
    """How opaque each pixel of a picture (height x width x 3, uint8) on a key is, from 0 to 1 (float32).

    `most` (height x width, float32) is what it can be by the colour difference: 0 or less is the key, 1 or
    more has nothing of it.
    """
    height, width = most.shape
    part_px = max(height, width) / _PARTS
    parts = -int(-height // part_px), -int(-width // part_px)
    ways = _ways(key)
    red, green, blue = ((ways[:, -1] - ways[:, 0]) * _STEPS).astype(int).tolist()
    grid = _Grid(ways, part_px, (*parts, red, green, blue))
    lines, rise = _lines_of(rgb, most, grid), _rise(rgb, grid.ways)
    alpha = np.zeros(most.shape, np.float32)
    for top in range(0, height, _BAND_ROWS):
        band = slice(top, top + _BAND_ROWS)
        there = most[band] > 0
        rows, columns = np.nonzero(there)
        reach, at = grid.placed(rgb[band][there], rows + top, columns)
        alpha[band][there] = _weighed(reach, most[band][there], rise[band][there], at, lines)
    return alpha


def _weighed(
    reach: np.ndarray, most: np.ndarray, rise: np.ndarray, at: np.ndarray, lines: _Lines
) -> np.ndarray:
    """How opaque pixels are (n, float32) that lie so far from the key, on these lines.

    The least is `reach`, as if their colour were the purest. Over all colours up to that of the bound, each
    as likely, the mean is `r ln(1/r) / (1 - r)` of the bound, where `r` is the least as a share of it.
    """
    fades = np.clip((lines.soft_share[at] - _STAYS) / (_FADES - _STAYS), 0, 1)
    whole = lines.whole[at]
    farthest = np.maximum(whole + np.maximum(lines.farthest[at] - whole, 0) * fades, _LEAST)
    steep = np.clip((rise / (255 * farthest) - _SLOW) / (_STEEP - _SLOW), 0, 1)
    solid = np.maximum(steep, 1 - fades)
    of_farthest = np.clip(most * farthest / reach, 0, 1)
    most = np.minimum(most, 1)
    bound = np.minimum(most, reach / np.maximum(farthest, reach))
    ratio = np.clip(reach / np.maximum(bound, _LEAST), _LEAST, 0.999)
    mean = ratio * np.log(1 / ratio) / (1 - ratio)
    alpha = bound * (mean + (1 - mean) * solid * of_farthest**_FARTHEST_OPAQUE)
    return alpha + (1 - alpha) * solid * most**_PIXEL_OPAQUE


def _ways(key: np.ndarray) -> np.ndarray:
    """How far each level of each channel is from the key's, of the way to the channel's end: `_Grid.ways`."""
    levels = np.arange(256, dtype=np.float32)
    below, above = np.maximum(key, 1)[:, None], np.maximum(255 - key, 1)[:, None]
    off = levels - key[:, None]
    return np.clip(
        np.where(off < 0, off / below, off / above),
        np.where(below > _NO_ROOM, -1, 0),
        np.where(above > _NO_ROOM, 1, 0),
    ).astype(np.float32)


def _rise(rgb: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """How much the distance from the key differs around each pixel (height x width, uint8; 255 is all)."""
    away = np.zeros(rgb.shape[:2], np.uint8)
    levels = np.rint(np.abs(ways) * 255).astype(np.uint8)
    for channel in range(3):
        np.maximum(away, levels[channel][rgb[..., channel]], out=away)
    highest = lowest = Image.fromarray(away)
    for _ in range(max(1, round(max(away.shape) / _WIDER_PX))):
        highest, lowest = highest.filter(ImageFilter.MaxFilter(3)), lowest.filter(ImageFilter.MinFilter(3))
    return np.asarray(highest) - np.asarray(lowest)


def _lines_of(rgb: np.ndarray, most: np.ndarray, grid: _Grid) -> _Lines:
    every = max(1, round((most.size / _SAMPLE) ** 0.5))
    most = most[::every, ::every]
    rows, columns = np.nonzero(most > 0)
    reach, at = grid.placed(rgb[::every, ::every][rows, columns], rows * every, columns * every)
    is_whole = most[rows, columns] >= _WHOLE
    known = reach > _NEAR
    reach, at, is_whole = reach[known], at[known], is_whole[known]
    farthest = _with_next(_third_highest(reach, at, grid.shape), np.maximum)
    counts, wholes, sums = (
        _with_next(np.bincount(at, weights, farthest.size).reshape(grid.shape), np.add)
        for weights in (None, is_whole, reach * is_whole)
    )
    whole = np.where(wholes > 0, sums / np.maximum(wholes, 1), farthest)
    soft_share = 1 - wholes / np.maximum(counts, 1)
    return _Lines(farthest.ravel(), whole.ravel().astype(np.float32), soft_share.ravel().astype(np.float32))


def _third_highest(values: np.ndarray, at: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The third highest value at each place, so that no stray one counts (float32); of fewer the least, 0 of
    none."""
    result = np.zeros(shape, np.float32)
    order = np.lexsort((-values, at))
    values, at = values[order], at[order]
    first = np.flatnonzero(np.diff(at, prepend=-1))
    last = np.append(first[1:], len(at))[: len(first)] - 1
    result.ravel()[at[first]] = values[np.minimum(first + 2, last)]
    return result


def _with_next(grid: np.ndarray, joined: np.ufunc) -> np.ndarray:
    """A grid in which each place is joined with those next to it along each axis."""
    for axis in range(grid.ndim):
        before = np.moveaxis(grid, axis, 0)
        grid = grid.copy()
        after = np.moveaxis(grid, axis, 0)
        joined(after[1:], before[:-1], out=after[1:])
        joined(after[:-1], before[1:], out=after[:-1])
    return grid
