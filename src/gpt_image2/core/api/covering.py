"""The legal sizes to ask for when another one is wished, or any of a ratio. Pure."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Tuple

from .ratios import nearest_legal_size
from .sizes import EDGE_STEP, MAX_EDGE, MAX_PIXELS, MIN_PIXELS, size_problem

_STEPS = 9
#: How much more a ratio that is missed counts than an area that is.
_RATIO_WEIGHT = 200.0


def covering_size(width: int, height: int) -> Tuple[int, int]:
    """The legal size that covers a wished one, so that little is cut away.

    The next one on the grid where that is legal, so that nothing is scaled. Else the one with the fewest
    pixels for the square of the share that is kept; beyond the limits, the one that loses least.
    """
    on_grid = tuple(-(-edge // EDGE_STEP) * EDGE_STEP for edge in (width, height))
    if size_problem(*on_grid) is None:
        return on_grid[0], on_grid[1]

    def cost(size: Tuple[int, int]) -> Tuple[float, float]:
        scale = max(width / size[0], height / size[1])  # above 1: it must be scaled up
        kept = width * height / (size[0] * size[1] * scale**2)
        return max(1.0, scale) ** 2 / kept if scale > 1 else 1.0, size[0] * size[1] / kept**2

    return min(_legal_sizes(), key=cost)


def sizes_of_ratio(ratio: float) -> Tuple[Tuple[int, int], ...]:
    """Legal sizes of about this ratio of width to height, from the smallest area to the largest in even
    steps; rather those that have the ratio exactly."""

    def miss(size: Tuple[int, int], pixels: float) -> Tuple[float, Tuple[int, int]]:
        width, height = size
        by_ratio = abs(math.log(width / height / ratio))
        return _RATIO_WEIGHT * by_ratio + abs(math.log(width * height / pixels)), size

    step = (MAX_PIXELS / MIN_PIXELS) ** (1 / (_STEPS - 1))
    near = [size for size in _legal_sizes() if abs(math.log(size[0] / size[1] / ratio)) < 0.1]
    found = (min(near, key=lambda size: miss(size, MIN_PIXELS * step**each)) for each in range(_STEPS))
    return tuple(sorted(set(found), key=lambda size: size[0] * size[1]))


@lru_cache(maxsize=1)
def _legal_sizes() -> Tuple[Tuple[int, int], ...]:
    edges = range(EDGE_STEP, MAX_EDGE + 1, EDGE_STEP)
    return tuple(
        (width, height) for width in edges for height in edges if size_problem(width, height) is None
    )


def legal_instead(width: int, height: int) -> str:
    """What to ask for instead of a size that is not legal: the nearest one, and what covers all of it."""
    hint = "the nearest legal size is {}x{}".format(*nearest_legal_size(width, height))
    try:
        found = covering_size(width, height)
    except (ValueError, ZeroDivisionError):  # an edge of 0
        return hint
    if found[0] < width or found[1] < height:
        return hint
    return hint + "; {}x{} covers it, and `exact` {}x{} cuts that to size".format(*found, width, height)
