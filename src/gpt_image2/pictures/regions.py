"""Connected regions of yes-no masks, without scipy: runs of rows are joined where they touch. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np


@dataclass(frozen=True)
class Runs:
    """The runs of a mask's rows: each in a row, from a column up to another, and the region it is part of."""

    rows: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    regions: np.ndarray


@dataclass(frozen=True)
class Enclosed:
    """What of a mask is not connected to the picture's border (height x width, bool): its regions of which at
    least half is marked, and the others, with their numbers."""

    marked: np.ndarray
    others: np.ndarray
    marked_count: int
    others_count: int


def enclosed(inside: np.ndarray, least_px: int = 1) -> tuple[np.ndarray, int]:
    """What of a mask (height x width, bool) is not connected to the picture's border, and how many regions.

    Pixels are connected by their sides; regions smaller than `least_px` are left out.
    """
    found = enclosed_by_kind(inside, np.ones_like(inside), least_px)
    return found.marked, found.marked_count


def enclosed_by_kind(inside: np.ndarray, marked: np.ndarray, least_px: int = 1) -> Enclosed:
    """As `enclosed`, the regions parted by whether at least half of one is marked."""
    height, width = inside.shape
    runs = _runs(inside)
    if not len(runs.rows):
        return Enclosed(np.zeros_like(inside), np.zeros_like(inside), 0, 0)
    count = int(runs.regions.max()) + 1
    at_border = (runs.rows == 0) | (runs.rows == height - 1) | (runs.starts == 0) | (runs.ends == width)
    chosen = np.ones(count, bool)
    chosen[runs.regions[at_border]] = False
    pixels = np.bincount(runs.regions, weights=runs.ends - runs.starts, minlength=count)
    chosen &= pixels >= least_px
    sums = np.zeros((height, width + 1), np.int32)
    np.cumsum(marked, axis=1, out=sums[:, 1:])
    within = sums[runs.rows, runs.ends] - sums[runs.rows, runs.starts]
    is_marked = np.bincount(runs.regions, weights=within, minlength=count) * 2 >= pixels
    kinds = [(chosen & kind)[runs.regions] for kind in (is_marked, ~is_marked)]
    areas = [_painted(runs, kind, height, width) for kind in kinds]
    counts = [len(np.unique(runs.regions[kind])) for kind in kinds]
    return Enclosed(areas[0], areas[1], counts[0], counts[1])


def _runs(inside: np.ndarray) -> Runs:
    width = inside.shape[1]
    steps = np.diff(np.pad(inside, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    here = rows * (width + 1)
    below = here + width + 1
    first = cast("np.ndarray", np.searchsorted(here + ends, below + starts, side="right"))
    last = cast("np.ndarray", np.searchsorted(here + starts, below + ends, side="left"))
    touching = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(rows)), touching)
    within = np.arange(len(upper)) - np.repeat(np.cumsum(touching) - touching, touching)
    lower = np.repeat(first, touching) + within
    return Runs(rows, starts, ends, _joined(len(rows), upper, lower))


def _joined(count: int, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """The least member of the group of each of `count` things, of which these pairs belong together."""
    group = np.arange(count)
    while True:
        first, second = group[one], group[two]
        apart = first != second
        if not apart.any():
            return group
        low, high = np.minimum(first[apart], second[apart]), np.maximum(first[apart], second[apart])
        np.minimum.at(group, high, low)
        while True:
            shorter = group[group]
            if np.array_equal(shorter, group):
                break
            group = shorter


def _painted(runs: Runs, chosen: np.ndarray, height: int, width: int) -> np.ndarray:
    steps = np.zeros((height, width + 1), np.int8)
    steps[runs.rows[chosen], runs.starts[chosen]] += 1
    steps[runs.rows[chosen], runs.ends[chosen]] -= 1
    return np.cumsum(steps[:, :-1], axis=1, dtype=np.int8).astype(bool)
