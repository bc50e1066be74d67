"""Edits: the input stays what it is; a mask is filled with a new scene, without one the whole takes on new
colours.

Outside the mask not one pixel changes, where size and format allow it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import accumulate

from PIL import Image, ImageDraw, ImageOps

from ..image_request import Job
from .artist import dice_for, palette_for, scenery_for
from .caption import add_caption, add_label, label_size
from .palettes import Palette

_TINT = 0.5
_GRID = 72
_LABEL_SHARES = (0.7, 0.55, 0.42, 0.32, 0.24, 0.18, 0.12)

Box = tuple[int, int, int, int]


def edited(job: Job, index: int) -> Image.Image:
    """The picture number `index` of an edit: RGB, or RGBA where the background is transparent."""
    size = (job.width, job.height)
    base = _fitted(_opened(job.images[0], keep_alpha=job.background == "transparent"), size)
    if job.mask is None:
        return _tinted(base, job, index)
    return _filled(base, _fitted(_opened(job.mask, keep_alpha=True).getchannel("A"), size), job, index)


def _filled(base: Image.Image, kept: Image.Image, job: Job, index: int) -> Image.Image:
    """A scene where the mask is clear; `kept` is the mask's alpha."""
    opening = ImageOps.invert(kept)
    box = opening.getbbox()
    if box is None:
        return base
    opening = opening.crop(box)
    patch, palette = scenery_for(job.prompt, index, opening.size, job.quality)
    spot = _label_spot(opening)
    if spot is not None:
        add_label(patch, spot, palette)
    base.paste(patch.convert(base.mode), box, opening)
    return base


def _tinted(base: Image.Image, job: Job, index: int) -> Image.Image:
    palette = palette_for(job.prompt, dice_for(job.prompt, index))
    grey = base.convert("L")
    tint = ImageOps.colorize(
        grey, palette.near, (255, 255, 255), mid=palette.far, blackpoint=0, whitepoint=255, midpoint=135
    )
    result = Image.blend(base.convert("RGB"), tint, _TINT)
    _add_others(result, job, palette)
    note = f"edit of {len(job.images)}  ·  {job.size}  ·  {job.quality}  ·  #{index + 1}"
    if base.mode == "RGBA":
        result.putalpha(base.getchannel("A"))
    add_caption(result, job.prompt, palette, note)
    return result


def _add_others(image: Image.Image, job: Job, palette: Palette) -> None:
    """The further inputs as small prints along the upper edge, so that one sees that they came."""
    others = job.images[1:]
    edge = round(min(image.size) * 0.2)
    gap = max(2, edge // 12)
    per_row = max(1, (image.width - gap) // (edge + gap))
    if edge < 12:
        return
    for number, data in enumerate(others[: per_row * 2]):
        row, column = divmod(number, per_row)
        corner = (image.width - (column + 1) * (edge + gap), gap + row * (edge + gap))
        ImageDraw.Draw(image).rectangle(
            (*corner, corner[0] + edge - 1, corner[1] + edge - 1), fill=palette.sun
        )
        frame = max(1, edge // 24)
        photo = ImageOps.fit(_opened(data, keep_alpha=False), (edge - 2 * frame, edge - 2 * frame))
        image.paste(photo, (corner[0] + frame, corner[1] + frame))


def _opened(data: bytes, keep_alpha: bool) -> Image.Image:
    """An input as RGBA, or as RGB on white."""
    image = Image.open(io.BytesIO(data))
    if keep_alpha:
        return image.convert("RGBA")
    if not image.has_transparency_data:
        return image.convert("RGB")
    paper = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")


def _fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else ImageOps.fit(image, size)


def _label_spot(opening: Image.Image) -> Box | None:
    """Where the label lies wholly within an opening (255 is open), as large and as central as may be."""
    scale = max(1.0, max(opening.size) / _GRID)
    columns, rows = max(1, round(opening.width / scale)), max(1, round(opening.height / scale))
    small = opening.resize((columns, rows), Image.Resampling.BOX)
    sums = _sums([value >= 254 for value in small.tobytes()], columns)
    across, down = opening.width / columns, opening.height / rows
    proportion = label_size(100)[1] / label_size(100)[0]
    for share in _LABEL_SHARES:
        width = opening.width * share
        height = width * proportion
        wide, tall = -(-width // across), -(-height // down)
        spot = _open_cells(sums, columns, rows, int(wide), int(tall))
        if spot is not None:
            left, top = round(spot[0] * across), round(spot[1] * down)
            return left, top, round(left + wide * across), round(top + tall * down)
    return None


def _open_cells(
    sums: Sequence[Sequence[int]], columns: int, rows: int, wide: int, tall: int
) -> tuple[int, int] | None:
    """The corner of the most central block of open cells of a size."""
    found = [
        (abs(x + wide / 2 - columns / 2) + abs(y + tall / 2 - rows / 2), x, y)
        for y in range(rows - tall + 1)
        for x in range(columns - wide + 1)
        if sums[y + tall][x + wide] - sums[y][x + wide] - sums[y + tall][x] + sums[y][x] == wide * tall
    ]
    return min(found)[1:] if found else None


def _sums(cells: Sequence[bool], columns: int) -> list[list[int]]:
    """How many cells are open above and left of each corner of the grid."""
    sums = [[0] * (columns + 1)]
    for start in range(0, len(cells), columns):
        row = [0, *accumulate(cells[start : start + columns])]
        sums.append([above + here for above, here in zip(sums[-1], row)])
    return sums
