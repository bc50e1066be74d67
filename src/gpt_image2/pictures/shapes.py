"""Masks in words: shapes, how they are combined, and one JSON form of both. Pure.

The JSON form, which flags, tools and pages share:

    {"shapes": [{"rect": ["10%", "20%", "30%", "40%"]},
                {"ellipse": [300, 200, 120, 120], "op": "subtract"},
                {"polygon": [[0, 0], [0.5, 0], [0.5, 0.5]]},
                {"color": "#00ff00", "tolerance": 40, "op": "intersect"},
                {"file": "painted.png", "read_as": "white"},
                {"difference": "other.png", "tolerance": 12}],
     "invert": false, "grow": "8px", "feather": "2%"}

What a place is, `core/api/shapes` says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from PIL import ImageColor

from gpt_image2.core.api.shapes import NO_LENGTH, PLACES, Length, parse_box_places, parse_lengths
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.redact import show

OPERATIONS = ("add", "subtract", "intersect")
READINGS = ("auto", "white", "black", "alpha", "painted")
DEFAULT_COLOR_TOLERANCE = 32
DEFAULT_DIFFERENCE_TOLERANCE = 16


@dataclass(frozen=True)
class Shape:
    """One part of a mask. `kind` is `rect`, `ellipse` (both X, Y, W, H), `polygon` (X, Y, X, Y …), `color`,
    `file` or `difference`; `value` the colour or the file's path."""

    kind: str
    places: tuple[Length, ...] = ()
    value: str = ""
    tolerance: int = 0
    read_as: str = "auto"
    op: str = "add"

    def as_json(self) -> dict[str, object]:
        """The shape in the JSON form."""
        places = [str(place) for place in self.places]
        value: object = places if self.kind in ("rect", "ellipse") else self.value
        if self.kind == "polygon":
            value = [places[at : at + 2] for at in range(0, len(places), 2)]
        found: dict[str, object] = {self.kind: value}
        if self.kind in ("color", "difference"):
            found["tolerance"] = self.tolerance
        if self.kind == "file":
            found["read_as"] = self.read_as
        return found if self.op == "add" else {**found, "op": self.op}


@dataclass(frozen=True)
class MaskPlan:
    """What a mask is to be: shapes in order, then inverted, grown and feathered."""

    shapes: tuple[Shape, ...]
    invert: bool = False
    grow: Length = NO_LENGTH
    feather: Length = NO_LENGTH

    def as_json(self) -> dict[str, object]:
        """The plan in the JSON form."""
        return {
            "shapes": [shape.as_json() for shape in self.shapes],
            "invert": self.invert,
            "grow": str(self.grow),
            "feather": str(self.feather),
        }

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it reads besides the picture."""
        return tuple(shape.value for shape in self.shapes if shape.kind in ("file", "difference"))


def parse_length(text: str, what: str) -> Length:
    """A length such as `12`, `12px`, `-3%` or `0.05`; a `UsageError` for anything else."""
    return parse_lengths([text], what)[0]


def parse_box(text: str, kind: str) -> Shape:
    """`X,Y,W,H` as a `rect` or an `ellipse`."""
    return Shape(kind, parse_box_places(text, kind))


def parse_polygon(corners: Sequence[str]) -> Shape:
    """Corners `X,Y` as a polygon, at least three."""
    pairs = [corner.split(",") for word in corners for corner in word.split()]
    if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
        found = show(" ".join(corners))
        raise UsageError(
            f"polygon needs three corners X,Y or more, found {found!r}", hint=f"each in {PLACES}"
        )
    return Shape("polygon", parse_lengths([place for pair in pairs for place in pair], "polygon"))


def parse_color(text: str, tolerance: int = DEFAULT_COLOR_TOLERANCE) -> Shape:
    """A colour such as `#ff8800` or `red`."""
    rgb_of(text)
    return Shape("color", value=text, tolerance=_checked_tolerance(tolerance))


def parse_file(path: str, read_as: str = "auto") -> Shape:
    """A mask from a file, read as `white`, `black`, `alpha` or `painted` says, or as it looks (`auto`)."""
    if read_as not in READINGS:
        raise UsageError(f"a mask is not read as {show(read_as)!r}", hint=f"choose {', '.join(READINGS)}")
    return Shape("file", value=path, read_as=read_as)


def parse_difference(path: str, tolerance: int = DEFAULT_DIFFERENCE_TOLERANCE) -> Shape:
    """Where the picture differs from another by more than the tolerance."""
    return Shape("difference", value=path, tolerance=_checked_tolerance(tolerance))


def rgb_of(text: str) -> tuple[int, int, int]:
    """Red, green and blue (0 to 255) of `#rrggbb`, `#rgb` or a name; a `UsageError` for anything else."""
    try:
        red, green, blue, *_ = ImageColor.getrgb(text.strip())
    except (ValueError, AttributeError):
        raise UsageError(
            f"{show(str(text))!r} is no colour", hint="give #rrggbb, such as '#00ff00'"
        ) from None
    return red, green, blue


def parse_plan(text: str) -> MaskPlan:
    """A plan from its JSON form; a `UsageError` that says what is wrong with it."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong(f"it is no JSON ({error})") from None
    return plan_of(document)


def plan_of(document: object) -> MaskPlan:
    """A plan from its JSON form, read already; a list is taken as its shapes."""
    if isinstance(document, list):
        document = {"shapes": cast("list[object]", document)}
    fields = _fields(document, {"shapes", "invert", "grow", "feather"}, "it")
    shapes = fields.get("shapes")
    if not isinstance(shapes, list) or not shapes:
        raise _wrong("it has no shapes")
    invert = fields.get("invert", False)
    if not isinstance(invert, bool):
        raise _wrong("invert must be true or false")
    return MaskPlan(
        tuple(_shape_of(shape) for shape in cast("list[object]", shapes)),
        invert,
        parse_length(_word(fields.get("grow", 0)), "grow"),
        checked_feather(parse_length(_word(fields.get("feather", 0)), "feather")),
    )


def checked_feather(feather: Length) -> Length:
    """A feather that is not negative."""
    if feather.value < 0:
        raise UsageError(f"feather {feather} is negative", hint="give 0 or more")
    return feather


def _shape_of(document: object) -> Shape:
    kinds = {"rect", "ellipse", "polygon", "color", "file", "difference"}
    fields = _fields(document, {*kinds, "op", "tolerance", "read_as"}, "a shape")
    named = kinds & fields.keys()
    if len(named) != 1:
        raise _wrong(f"a shape must have one of {', '.join(sorted(kinds))}")
    (kind,) = named
    value, op = fields[kind], fields.get("op", "add")
    if op not in OPERATIONS:
        raise _wrong(f"op {show(str(op))!r} is none of {', '.join(OPERATIONS)}")
    if kind in ("rect", "ellipse"):
        shape = parse_box(_joined(value), kind)
    elif kind == "polygon":
        corners = cast("list[object]", value) if isinstance(value, list) else []
        shape = parse_polygon([_joined(corner) for corner in corners])
    elif not isinstance(value, str):
        raise _wrong(f"{kind} must be a text")
    elif kind == "file":
        shape = parse_file(value, str(fields.get("read_as", "auto")))
    elif kind == "color":
        shape = parse_color(value, _tolerance(fields, DEFAULT_COLOR_TOLERANCE))
    else:
        shape = parse_difference(value, _tolerance(fields, DEFAULT_DIFFERENCE_TOLERANCE))
    return replace(shape, op=str(op))


def _fields(document: object, known: set[str], what: str) -> Mapping[str, Any]:
    if not isinstance(document, dict):
        raise _wrong(f"{what} must be an object")
    fields = cast("dict[str, Any]", document)
    unknown = sorted(set(map(str, fields)) - known)
    if unknown:
        raise _wrong(f"{what} has a field {show(unknown[0])!r}; known are {', '.join(sorted(known))}")
    return fields


def _tolerance(fields: Mapping[str, Any], default: int) -> int:
    value = fields.get("tolerance", default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong("tolerance must be a whole number")
    return value


def _checked_tolerance(tolerance: int) -> int:
    if not 0 <= tolerance <= 255:
        raise UsageError(f"tolerance {tolerance} is not from 0 to 255", hint="it is levels of a channel")
    return tolerance


def _joined(value: object) -> str:
    if isinstance(value, list):
        return ",".join(_word(each) for each in cast("list[object]", value))
    return value if isinstance(value, str) else ""


def _word(value: object) -> str:
    """A number of JSON as a word: `0.5`, and `1.0` with its point."""
    return str(value)


def _wrong(why: str) -> UsageError:
    example = '{"shapes": [{"rect": ["10%", "10%", "50%", "50%"]}]}'
    return UsageError(f"the mask's JSON is not understood: {why}", hint=f"for example {example}")
