"""The legal size nearest to a wished one, and what a ratio stands for. Pure."""

from __future__ import annotations

import math
from typing import List, Mapping, Optional, Tuple

from .sizes import EDGE_STEP, MAX_EDGE, MAX_PIXELS, MAX_RATIO, MIN_PIXELS, is_digits, size_problem

_DEFAULT_RATIO_PIXELS = 1024 * 1024
_LONG_EDGES: Mapping[str, int] = {"2k": 2048, "4k": MAX_EDGE}


def nearest_legal_size(width: float, height: float) -> Tuple[int, int]:
    """The legal size nearest to a wished one: first its ratio is kept, then its scale, then the grid."""
    width, height = max(width, 1.0), max(height, 1.0)
    if width > MAX_RATIO * height:
        width, height = math.sqrt(width * height * MAX_RATIO), math.sqrt(width * height / MAX_RATIO)
    elif height > MAX_RATIO * width:
        width, height = math.sqrt(width * height / MAX_RATIO), math.sqrt(width * height * MAX_RATIO)
    grow = math.sqrt(MIN_PIXELS / (width * height))
    shrink = min(math.sqrt(MAX_PIXELS / (width * height)), MAX_EDGE / max(width, height))
    scale = min(max(1.0, grow), shrink)
    width, height = width * scale, height * scale

    def candidates(edge: float) -> List[int]:
        base = int(edge // EDGE_STEP)
        return [step * EDGE_STEP for step in range(max(1, base - 2), base + 4)]

    legal = [(w, h) for w in candidates(width) for h in candidates(height) if size_problem(w, h) is None]
    return min(legal, key=lambda wh: (math.log(wh[0] / width) ** 2 + math.log(wh[1] / height) ** 2, wh))


def size_of_ratio(text: str) -> Optional[str]:
    """The size that a ratio such as `16:9@2k` stands for, None for anything else."""
    ratio, _, tier = text.partition("@")
    across, sep, down = ratio.partition(":")
    if not sep or not (is_digits(across) and is_digits(down)) or int(across) < 1 or int(down) < 1:
        return None
    proportion = int(across) / int(down)
    if not tier or tier == "1k":
        height = math.sqrt(_DEFAULT_RATIO_PIXELS / proportion)
        width = height * proportion
    elif tier in _LONG_EDGES:
        longest = _LONG_EDGES[tier]
        width, height = (
            (longest, longest / proportion) if proportion >= 1 else (longest * proportion, longest)
        )
    else:
        return None
    return "{}x{}".format(*nearest_legal_size(width, height))
