"""Keeps a picture outside a mask: an edit is laid over its source, and only what the mask allows is taken.

The edit is scaled to the source, registered to it outside the mask, and its tone is matched along the seam.
The seam lies inside the mask, so that outside every value is the source's own. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from .files import Picture, in_colours_of
from .filters import filled_in, grow, scaled, soften
from .registration import Shift, find_shift, moved

#: An edit that is shifted further is another picture.
MAX_SHIFT_PX = 8
#: Textures outside the mask that agree less do not show the same.
MIN_AGREEMENT = 0.35
#: How much the shape of an edit may differ: legal sizes are multiples of 16.
RATIO_TOLERANCE = 0.03
#: The seam: so wide, as a share of the shorter edge, and at least and at most so many pixels.
_SEAM_SHARE, _SEAM_PX = 0.01, (2, 24)
#: Tones are compared in a ring around the mask, in cells, both as shares of the shorter edge.
_RING_SHARE, _CELL_SHARE = 0.03, 0.012
#: A pixel of the ring that is off by more than this from the others was painted anew (levels of 255).
_REPAINTED_LEVELS = 28.0
_MAX_TONE_LEVELS = 40.0
#: With fewer pixels outside the mask nothing can be registered.
_MIN_PIXELS_OUTSIDE = 400


@dataclass(frozen=True)
class Composition:
    """An edit laid over its source. `image` is None, with a `reason`, where that cannot be done.

    `shift` is what was put right (None: nobody got so far), `tone_levels` by how much the tone was changed
    inside the mask (mean, levels of 255).
    """

    image: Image.Image | None
    reason: str = ""
    shift: Shift | None = None
    tone_levels: float = 0.0
    notes: tuple[str, ...] = ()


def compose(source: Picture, edit: Picture, area: np.ndarray, seam_px: float | None = None) -> Composition:
    """The edit inside the mask, the source outside it.

    `area` is the mask in the size of the source (uint8, above 0: may change). `seam_px` is how wide the blend
    inside the mask's edge is; by default 1 % of the shorter edge.
    """
    width, height = source.size
    ratio = edit.size[0] * height / (edit.size[1] * width)
    if abs(ratio - 1) > RATIO_TOLERANCE:
        wrong = f"it is {edit.size[0]}x{edit.size[1]}, another shape than {width}x{height}"
        return Composition(None, wrong)
    image = in_colours_of(edit, source.icc_profile)
    notes: list[str] = []
    if image.size != source.size:
        notes.append(f"scaled from {edit.size[0]}x{edit.size[1]} to {width}x{height}")
        image = image.resize(source.size, Image.Resampling.LANCZOS)
    inside = area > 0
    shift, reason = _registered(source.image, image, inside)
    if reason:
        return Composition(None, reason, shift)
    right, down = shift.pixels
    if (right, down) != (0, 0):
        notes.append(f"it lay {right} px to the right and {down} px down, and was moved back")
    mode = "RGBA" if source.has_alpha else "RGB"
    kept = np.asarray(source.image.convert(mode))
    new = moved(np.asarray(image.convert("RGBA")), -right, -down)
    box = _box(inside, round(min(source.size) * _RING_SHARE) + 1)
    weight = _blend(inside, seam_px, min(source.size))[box]
    tones = _tones(kept[box], new[box], inside[box], min(source.size))
    result = kept.copy()
    result[box] = _pasted(kept[box], new[box], weight, tones)
    levels = float(np.mean([np.abs(tone).mean() for tone in tones]))
    return Composition(Image.fromarray(result), "", shift, levels, tuple(notes))


def changed_outside(source: Image.Image, result: Image.Image, area: np.ndarray) -> int:
    """How many pixels outside the mask differ from the source, in any channel that both have."""
    mode = "RGBA" if source.mode == result.mode == "RGBA" else "RGB"
    one, two = (np.asarray(image.convert(mode)) for image in (source, result))
    return int(((one != two).any(axis=-1) & (area == 0)).sum())


def _registered(source: Image.Image, edit: Image.Image, inside: np.ndarray) -> tuple[Shift, str]:
    """How far the edit is shifted, and why it cannot be used (or nothing)."""
    outside = ~grow(inside, max(2, min(source.size) // 100))
    if outside.sum() < _MIN_PIXELS_OUTSIDE:
        return Shift(0.0, 0.0, 1.0), ""
    where = soften(outside.astype(np.uint8) * np.uint8(255), max(4, min(source.size) // 50))
    shift = find_shift(source, edit, where, MAX_SHIFT_PX)
    if shift.agreement < MIN_AGREEMENT:
        return shift, f"it does not show the same outside the mask (agreement {shift.agreement:.2f} of 1)"
    if max(map(abs, shift.pixels)) > MAX_SHIFT_PX:
        right, down = shift.pixels
        return shift, f"it is shifted by {right} and {down} pixels, more than {MAX_SHIFT_PX}"
    return shift, ""


def _blend(inside: np.ndarray, seam_px: float | None, shorter: int) -> np.ndarray:
    """How much of the edit shows, from 0 to 1 (float32): 0 outside the mask, and rising within it."""
    low, high = _SEAM_PX
    seam = min(max(shorter * _SEAM_SHARE, low), high) if seam_px is None else seam_px
    whole = inside.astype(np.uint8) * np.uint8(255)
    while seam >= low:
        core = grow(inside, -(seam / 2 + 1))
        if core.sum() * 2 >= inside.sum():  # else a mask so narrow would hardly show
            ramp = soften(core.astype(np.uint8) * np.uint8(255), seam)
            return np.where(inside, ramp, 0).astype(np.float32) / 255
        seam /= 2
    return whole.astype(np.float32) / 255


def _box(inside: np.ndarray, margin: int) -> tuple[slice, slice]:
    """The part of the picture that holds the mask and a margin around it."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + margin + 1),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + margin + 1),
    )


def _tones(kept: np.ndarray, new: np.ndarray, inside: np.ndarray, shorter: int) -> list[np.ndarray]:
    """What to add to each channel of the edit for the source's tone at the seam, in coarse cells (float32).

    Differences are averaged where both show the same, in a ring outside the mask, and continued into it.
    """
    ring = grow(inside, shorter * _RING_SHARE) & ~inside
    off = [kept[..., channel].astype(np.int16) - new[..., channel] for channel in range(3)]
    for levels in off:
        middle = np.median(levels[ring]) if ring.any() else 0
        ring &= np.abs(levels - middle) <= _REPAINTED_LEVELS
    height, width = inside.shape
    cell = max(2, round(shorter * _CELL_SHARE))
    cells = (max(1, width // cell), max(1, height // cell))
    weights = _means(ring.astype(np.float32), cells)
    tones: list[np.ndarray] = []
    for levels in off:
        means = _means(np.where(ring, levels, 0).astype(np.float32), cells) / np.maximum(weights, 1e-6)
        filled = filled_in(means, np.minimum(weights * 4, 1))
        tones.append(np.clip(filled, -_MAX_TONE_LEVELS, _MAX_TONE_LEVELS))
    return tones


def _means(values: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(values).resize(cells, Image.Resampling.BOX))


def _pasted(kept: np.ndarray, new: np.ndarray, weight: np.ndarray, tones: list[np.ndarray]) -> np.ndarray:
    """The edit laid over the source. A source without transparency shows through that of the edit."""
    result = kept.copy()
    size = (kept.shape[1], kept.shape[0])
    share = weight if kept.shape[2] == 4 else weight * (new[..., 3].astype(np.float32) / 255)
    for channel in range(kept.shape[2]):
        wished = new[..., channel].astype(np.float32)
        if channel < 3:
            wished = np.clip(wished + scaled(tones[channel], size), 0, 255)
        wished -= kept[..., channel]
        result[..., channel] = np.rint(kept[..., channel] + wished * share)
    return result
