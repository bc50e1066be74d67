"""Makes room around a picture for a model to paint on: the larger canvas, and the mask of what is added."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from gpt_image2.core.api.sizes import EDGE_STEP, parse_size, size_problem
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.redact import show

from .files import Picture
from .shapes import parse_length
from .sizes import sent_size

SIDES = ("left", "top", "right", "bottom")
#: The model may paint so far into the picture, which hides the seam.
_OVERLAP_SHARE = 0.02


@dataclass(frozen=True)
class Canvas:
    """A picture on a larger ground. `area` is 255 where it is to be painted (height x width, uint8); the
    picture lies at `place` (left, top) in `kept_size`, which is its own unless all had to be made smaller."""

    image: Image.Image
    area: np.ndarray
    place: tuple[int, int]
    kept_size: tuple[int, int]


def extended(picture: Picture, margins: dict[str, int]) -> Canvas:
    """The picture with so many pixels more at each of its `SIDES`.

    The sides that grow take up what is missing to a legal size. What is added is filled with the picture's
    edge, which guides a model better than black. What is transparent of the picture stays so.

    Raises:
        UsageError: nothing is added, or no legal size has that shape.
    """
    left, top, right, bottom = (margins.get(side, 0) for side in SIDES)
    if min(left, top, right, bottom) < 0 or not (left or top or right or bottom):
        raise UsageError("nothing is added to the picture", hint="for example left=25%,right=25%")
    width, height = picture.size
    kept = picture.image.convert("RGBA" if picture.has_alpha else "RGB")
    whole = (width + left + right, height + top + bottom)
    across, down = (-(-edge // EDGE_STEP) * EDGE_STEP for edge in whole)
    small = sent_size(across, down)
    if small != (across, down):
        scale = min((small[0] - EDGE_STEP) / whole[0], (small[1] - EDGE_STEP) / whole[1])
        smaller = (max(1, int(width * scale)), max(1, int(height * scale)))
        kept = kept.resize(smaller, Image.Resampling.LANCZOS)
        left, top, right, bottom = (int(margin * scale) for margin in (left, top, right, bottom))
    left, right = _on_grid(kept.width, left, right)
    top, bottom = _on_grid(kept.height, top, bottom)
    size = (kept.width + left + right, kept.height + top + bottom)
    problem = size_problem(*size)
    if problem:
        raise UsageError(
            f"extended, the picture has {size[0]}x{size[1]}: {problem}", hint="add more, or less"
        )
    pixels = np.pad(np.asarray(kept), ((top, bottom), (left, right), (0, 0)), mode="edge")
    overlap = max(1, round(min(kept.size) * _OVERLAP_SHARE))
    area = np.full((size[1], size[0]), 255, np.uint8)
    inner = [margin + (overlap if margin else 0) for margin in (left, top, right, bottom)]
    area[inner[1] : size[1] - inner[3], inner[0] : size[0] - inner[2]] = 0
    return Canvas(Image.fromarray(pixels), area, (left, top), kept.size)


def parse_margins(text: str, size: tuple[int, int]) -> dict[str, int]:
    """`left=25%,right=100` as pixels by side, for a picture of this size; `all=…` stands for every side."""
    margins: dict[str, int] = {}
    for word in text.split(","):
        side, sep, length = word.strip().partition("=")
        if not sep or side not in (*SIDES, "all"):
            raise UsageError(
                f"{show(word)!r} is no margin", hint=f"give {', '.join(SIDES)} or all, as left=25%"
            )
        for each in SIDES if side == "all" else (side,):
            whole = size[0] if each in ("left", "right") else size[1]
            margins[each] = round(parse_length(length, side).pixels(whole))
    return margins


def margins_to(text: str, size: tuple[int, int]) -> dict[str, int]:
    """What must be added, the same on both sides, to get to a ratio (`16:9`) or a size (`1536x1024`)."""
    width, height = size
    across, sep, down = text.partition(":")
    wished = parse_size(text)
    if wished is None and sep and across.isdigit() and down.isdigit() and int(across) and int(down):
        ratio = int(across) / int(down)
        wished = (max(width, round(height * ratio)), max(height, round(width / ratio)))
    if wished is None or wished[0] < width or wished[1] < height:
        raise UsageError(
            f"a picture of {width}x{height} cannot be extended to {show(text)}",
            hint="give a ratio, as 16:9, or a larger size, as 1536x1024",
        )
    more = (wished[0] - width, wished[1] - height)
    return {
        "left": more[0] // 2,
        "right": more[0] - more[0] // 2,
        "top": more[1] // 2,
        "bottom": more[1] - more[1] // 2,
    }


def _on_grid(kept: int, before: int, after: int) -> tuple[int, int]:
    """The margins with what is missing to a multiple of 16, at a side that grows where one does."""
    missing = -(kept + before + after) % EDGE_STEP
    if before and after:
        return before + missing // 2, after + missing - missing // 2
    return (before + missing, after) if before else (before, after + missing)
