"""Masks that were painted in the page: shapes of `pictures` and strokes, in the order they were made in.

    {"items": [{"stroke": [[x, y], …], "radius": r}, {"rect": [x, y, w, h], "op": "subtract"},
               {"input": "in-…"}], "invert": false, "grow": "0px", "feather": "12px"}

A stroke is a round brush's, in pixels of the picture as it is seen; `input` is a mask of another program that
was added. What is taken away from nothing stays nothing. The rest is as in `pictures.shapes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import dropwhile
from pathlib import Path
from typing import Any, cast

from PIL import Image, ImageDraw

from gpt_image2.core.base.errors import UsageError
from gpt_image2.pictures.files import Picture, encode
from gpt_image2.pictures.masks import Mask, make_mask
from gpt_image2.pictures.shapes import plan_of

from ..writing import write_bytes

_SHAPES = ("rect", "ellipse", "polygon", "color")
_MOST_ITEMS, _MOST_POINTS = 2_000, 200_000
_HINT = "paint the mask anew"
_FIELDS = {"items", "invert", "grow", "feather"}

Item = Mapping[str, Any]


def painted_mask(
    picture: Picture, painting: Mapping[str, Any], folder: Path, input_path: Callable[[str], Path]
) -> Mask:
    """The mask of a painting for a picture. Strokes go through files in `folder`, which the caller cleans up;
    `input_path` finds the file of an input.

    Raises:
        UsageError: the painting is not understood, or edits nothing or everything.
    """
    items = _items(painting)
    shapes: list[Mapping[str, object]] = []
    strokes: list[Item] = []

    def flush() -> None:
        if strokes:
            path = folder / f"strokes-{len(shapes)}.png"
            write_bytes(path, encode(_drawn(strokes, picture.size), "png"))
            shapes.append({"file": str(path), "read_as": "white", "op": strokes[0].get("op", "add")})
            strokes.clear()

    for item in items:
        if "stroke" in item and (not strokes or strokes[0].get("op", "add") == item.get("op", "add")):
            strokes.append(item)
            continue
        flush()
        if "stroke" in item:
            strokes.append(item)
        elif "input" in item:
            shapes.append({"file": str(input_path(str(item["input"]))), "op": item.get("op", "add")})
        else:
            shapes.append({name: item[name] for name in (*_SHAPES, "op", "tolerance") if name in item})
    flush()
    rest = {name: painting[name] for name in ("invert", "grow", "feather") if name in painting}
    return make_mask(picture, plan_of({"shapes": shapes, **rest}))


def _items(painting: Mapping[str, Any]) -> list[Item]:
    """The items from the first that adds something on."""
    unknown = sorted(set(painting) - _FIELDS)
    found = painting.get("items")
    if unknown or not isinstance(found, list):
        raise UsageError("the painting is not understood", hint=_HINT)
    items = cast("list[object]", found)
    points = 0
    for item in items:
        fields = cast("dict[str, Any]", item) if isinstance(item, dict) else {}
        kinds = fields.keys() & {"stroke", "input", *_SHAPES}
        if len(kinds) != 1 or fields.get("op", "add") not in ("add", "subtract"):
            raise UsageError("the painting is not understood", hint=_HINT)
        if "stroke" in fields:
            points += _checked_stroke(fields)
    if len(items) > _MOST_ITEMS or points > _MOST_POINTS:
        raise UsageError("the painting has too many strokes", hint=_HINT)
    painted = list(dropwhile(lambda item: item.get("op") == "subtract", cast("list[Item]", items)))
    if not painted:
        raise UsageError("nothing is painted yet", hint="paint what is to be edited", code="empty_mask")
    return painted


def _checked_stroke(fields: Mapping[str, Any]) -> int:
    """How many points a stroke has."""
    radius, points = fields.get("radius"), fields["stroke"]
    if not _is_number(radius) or not 0 < cast("float", radius) <= 4096 or not isinstance(points, list):
        raise UsageError("a stroke is not understood", hint=_HINT)
    for point in cast("list[object]", points):
        if not isinstance(point, list) or len(cast("list[object]", point)) != 2:
            raise UsageError("a stroke is not understood", hint=_HINT)
        if not all(map(_is_number, cast("list[object]", point))):
            raise UsageError("a stroke is not understood", hint=_HINT)
    return len(cast("list[object]", points))


def _is_number(value: object) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
        and abs(value) < 1e6
    )


def _drawn(strokes: Sequence[Item], size: tuple[int, int]) -> Image.Image:
    """Strokes in white on black. A line of Pillow has no round ends: each point gets its disc."""
    image = Image.new("L", size, 0)
    draw = ImageDraw.Draw(image)
    for stroke in strokes:
        radius = float(stroke["radius"])
        points = [(float(x), float(y)) for x, y in stroke["stroke"]]
        for x, y in points:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        if len(points) > 1:
            draw.line(points, fill=255, width=max(1, round(2 * radius)), joint="curve")
    return image.convert("RGB")
