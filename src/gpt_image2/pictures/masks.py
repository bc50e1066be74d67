"""Masks: from shapes in words to an array, and on to a PNG that the API takes. Reads files that shapes name.

A mask is an array (height x width, uint8): 255 is to be edited, 0 is kept. A pixel is in a shape when its
centre is. The API's own form has it the other way round, as alpha: transparent is edited.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from gpt_image2.core.api.models import MAX_MASK_BYTES
from gpt_image2.core.base.errors import UsageError

from .files import Picture, encode, open_picture
from .filters import grow, scaled, soften
from .mask_files import matching, read_mask
from .shapes import MaskPlan, Shape, rgb_of
from .sizes import sent_size

#: The colour that an overlay lays over what is to be edited, and how strongly.
_OVERLAY, _OVERLAY_STRENGTH = (255, 0, 80), 0.45
_HALF = 128
#: Levels in which a mask is written, finest first, and what is said of it.
_COARSER = (
    (1, ""),
    (17, "soft parts in 16 steps, to stay under 4 MB"),
    (255, "without soft parts, to stay under 4 MB"),
)


@dataclass(frozen=True)
class Mask:
    """A mask for a picture. `area` is 255 where the picture is to be edited (height x width, uint8), in the
    size at which the picture is sent; `notes` say how it came about."""

    area: np.ndarray
    plan: MaskPlan
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.area.shape[1], self.area.shape[0]

    @property
    def share(self) -> float:
        """Which share of the picture is to be edited, from 0 to 1."""
        return float(self.area.mean(dtype=np.float64)) / 255


def make_mask(picture: Picture, plan: MaskPlan) -> Mask:
    """The mask that the plan describes for a picture.

    Raises:
        UsageError: a shape lies outside the picture, a file cannot be read or belongs to another picture, or
            the mask would edit nothing or everything.
    """
    width, height = picture.size
    area = np.zeros((height, width), np.uint8)
    if plan.shapes[0].op != "add":
        area[:] = 255
    notes: list[str] = []
    for shape in plan.shapes:
        part, said = _drawn(shape, picture)
        notes += said
        if shape.op == "add":
            area = np.maximum(area, part)
        elif shape.op == "subtract":
            area = np.minimum(area, 255 - part)
        else:
            area = np.minimum(area, part)
    if plan.invert:
        area = 255 - area
    _check_use(area, "")
    shorter = min(width, height)
    radius = plan.grow.pixels(shorter)
    if radius:
        area = grow(area >= _HALF, radius).astype(np.uint8) * np.uint8(255)
        _check_use(area, f" after growing it by {plan.grow}")
    area = soften(area, plan.feather.pixels(shorter))
    if area.max() < 255:
        raise UsageError(
            f"the mask has no pixel left that is edited wholly, with a feather of {plan.feather}",
            hint="take a smaller feather, or a larger shape",
            code="mask_too_soft",
        )
    size = sent_size(width, height)
    if size != picture.size:
        notes.append("at {}x{}, the size at which the picture is sent".format(*size))
        area = scaled(area, size)
    _check_use(area, "")
    return Mask(area, plan, tuple(notes))


def mask_png(mask: Mask) -> tuple[bytes, str]:
    """The mask as the API takes it, a PNG with alpha under 4 MB, and what was done for that (or nothing).

    Raises:
        UsageError: it is too intricate for that.
    """
    for step, note in _COARSER:
        area = mask.area if step == 1 else (mask.area.astype(np.uint16) + step // 2) // step * step
        pixels = np.zeros((*mask.area.shape, 4), np.uint8)
        pixels[..., 3] = 255 - area
        data = encode(Image.fromarray(pixels), "png")
        if len(data) < MAX_MASK_BYTES:
            return data, note
    raise UsageError(
        "the mask is too intricate: as a file it must be under 4 MB",
        hint="make it simpler, for example with --grow 2 or a higher --tolerance",
    )


def overlay(picture: Picture, mask: Mask) -> Image.Image:
    """The picture with what is to be edited tinted, and its edge drawn."""
    rgb = picture.rgb
    area = scaled(mask.area, picture.size)
    weight = (area.astype(np.uint16) * int(_OVERLAY_STRENGTH * 256)) >> 8
    inside = area >= _HALF
    thickness = max(1, round(min(picture.size) / 400))
    edge = inside & ~grow(inside, -thickness)
    weight[edge] = 255
    shown = np.empty_like(rgb)
    for channel, value in enumerate(_OVERLAY):
        kept = rgb[..., channel] * (255 - weight)
        shown[..., channel] = ((kept + value * weight.astype(np.uint32)) // 255).astype(np.uint8)
    return Image.fromarray(shown)


def _drawn(shape: Shape, picture: Picture) -> tuple[np.ndarray, list[str]]:
    """One shape as a mask of the picture's size, and what is to be said of it."""
    if shape.kind == "file":
        return read_mask(shape.value, picture, shape.read_as)
    if shape.kind == "color":
        inside = _near(picture.rgb, np.array(rgb_of(shape.value), np.int16), shape.tolerance)
        return _checked(inside, f"colour {shape.value}", "is nowhere in the picture; raise the tolerance"), []
    if shape.kind == "difference":
        other, notes = matching(open_picture(shape.value), picture)
        inside = ~_near(picture.rgb, np.asarray(other), shape.tolerance)
        return _checked(inside, "difference", "is nowhere above the tolerance; lower it"), notes
    where = ",".join(map(str, shape.places))
    draw = {"rect": _rectangle, "ellipse": _ellipse, "polygon": _polygon}[shape.kind]
    width, height = picture.size
    points = [place.pixels(width if at % 2 == 0 else height) for at, place in enumerate(shape.places)]
    inside = draw(points, width, height)
    name = f"{shape.kind} {where}"
    area = _checked(inside, name, f"lies outside the picture, which is seen as {width}x{height}")
    return area, [f"{name} reaches beyond the picture"] if _is_cut(shape.kind, points, picture) else []


def _is_cut(kind: str, points: list[float], picture: Picture) -> bool:
    xs, ys = points[::2], points[1::2]
    if kind != "polygon":
        xs, ys = [xs[0], xs[0] + xs[1]], [ys[0], ys[0] + ys[1]]
    width, height = picture.size
    return min(xs) < -0.5 or min(ys) < -0.5 or max(xs) > width + 0.5 or max(ys) > height + 0.5


def _checked(inside: np.ndarray, what: str, why_empty: str) -> np.ndarray:
    if not inside.any():
        raise UsageError(
            f"{what} {why_empty}", hint="look at the picture's size and colours", code="empty_mask"
        )
    return inside.astype(np.uint8) * np.uint8(255)


def _near(rgb: np.ndarray, other: np.ndarray, tolerance: int) -> np.ndarray:
    """Where no channel differs by more than the tolerance."""
    near = np.ones(rgb.shape[:2], bool)
    for channel in range(3):
        near &= np.abs(rgb[..., channel].astype(np.int16) - other[..., channel]) <= tolerance
    return near


def _centres(count: int) -> np.ndarray:
    return np.arange(count) + 0.5


def _rectangle(points: list[float], width: int, height: int) -> np.ndarray:
    left, top, across, down = points
    xs, ys = _centres(width), _centres(height)
    return ((ys >= top) & (ys < top + down))[:, None] & ((xs >= left) & (xs < left + across))[None, :]


def _ellipse(points: list[float], width: int, height: int) -> np.ndarray:
    left, top, across, down = points
    xs = (_centres(width) - left) * (2 / across) - 1
    ys = (_centres(height) - top) * (2 / down) - 1
    return (xs**2)[None, :] + (ys**2)[:, None] <= 1


def _polygon(points: list[float], width: int, height: int) -> np.ndarray:
    """By even and odd: a row's pixel is inside when an odd number of edges lies to its left."""
    crossings = np.zeros((height, width + 1), bool)
    corners = list(zip(points[::2], points[1::2], strict=True))
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        (x1, y1), (x2, y2) = ((x1, y1), (x2, y2)) if y1 <= y2 else ((x2, y2), (x1, y1))
        first, last = (int(np.clip(np.ceil(y - 0.5), 0, height)) for y in (y1, y2))
        rows = np.arange(first, last)
        xs = x1 + (rows + 0.5 - y1) * ((x2 - x1) / (y2 - y1)) if y2 > y1 else np.zeros(0)
        columns = np.clip(np.ceil(xs - 0.5), 0, width).astype(np.intp)
        crossings[rows, columns] ^= True
    return np.logical_xor.accumulate(crossings, axis=1)[:, :-1]


def _check_use(area: np.ndarray, when: str) -> None:
    if area.max() < _HALF:
        raise UsageError(
            f"the mask is empty{when}: nothing would be edited", hint="add a shape", code="empty_mask"
        )
    if area.min() >= _HALF:
        raise UsageError(
            f"the mask is full{when}: everything would be edited",
            hint="leave the mask out, or take something away with --subtract",
            code="full_mask",
        )
