"""`gpt-image2 mask`: a mask from shapes in words, for `edit --mask`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.commands.parser import Parser
from gpt_image2.core.telling.output import Output, output_for

from ..files import check_output, encode, format_for, open_picture, save
from ..masks import make_mask, mask_png, overlay
from ..shapes import (
    DEFAULT_COLOR_TOLERANCE,
    DEFAULT_DIFFERENCE_TOLERANCE,
    READINGS,
    MaskPlan,
    Shape,
    checked_feather,
    parse_box,
    parse_color,
    parse_difference,
    parse_file,
    parse_length,
    parse_plan,
    parse_polygon,
)
from .ending import add_target, finish, picture_parser

COMMAND = "mask"


def main(argv: Sequence[str], output: Output | None = None) -> int:
    """Runs the command, which tells `output` what it did; its exit code."""
    output = output or output_for(list(argv))
    options = _parser().parse_args(argv)
    plan = _plan(options)
    if format_for(options.output) != "png":
        raise UsageError("a mask must be png", hint="give -o a name that ends in .png")
    inputs = [options.image, *plan.files]
    target = check_output(options.output, inputs)
    look = None if options.overlay is None else check_output(options.overlay, [*inputs, target])
    look_format = "png" if look is None else format_for(look)
    picture = open_picture(options.image)
    mask = make_mask(picture, plan)
    data, note = mask_png(mask)
    saved = [save(target, data)]
    if look is not None:
        saved.append(save(look, encode(overlay(picture, mask), look_format)))
    width, height = mask.size
    said = f"{mask.share:.1%} of {width}x{height} is to be edited"
    figures = {
        "width": width,
        "height": height,
        "share": round(mask.share, 6),
        "mask": plan.as_json(),
    }
    notes = [*picture.notes, *mask.notes, *([note] if note else []), said]
    return finish(output, COMMAND, saved, [picture.path, *plan.files], "mask", figures, notes)


def _parser() -> Parser:
    parser = picture_parser(
        COMMAND,
        "Make the mask for an edit from shapes in words. A place is in pixels (120), percent (25%) or "
        "fractions (0.25) of the picture as it is seen. Shapes are added up in their order; --subtract and "
        "--intersect say what the next one does instead.",
        "IMAGE SHAPE… -o FILE [options]",
    )
    parser.add_argument("image", metavar="IMAGE", help="the picture that is to be edited")
    add_target(parser.add_argument, "the mask to write, a .png")
    add = partial(parser.add_argument_group("shapes (repeatable)").add_argument, action=_AddShape)
    add("--rect", metavar="X,Y,W,H", help="a rectangle")
    add("--ellipse", metavar="X,Y,W,H", help="the ellipse in that rectangle")
    add("--polygon", nargs="+", metavar="X,Y", help="a polygon by its corners")
    add("--color", metavar="COLOR", help="all pixels of that colour, as '#rrggbb'")
    add("--from", dest="from_file", metavar="FILE", help="a mask of another program; how it was read is said")
    add("--difference", metavar="FILE", help="where the picture differs from another")
    add("--subtract", nargs=0, help="the next shape is taken away")
    add("--intersect", nargs=0, help="only what is in the next shape too is kept")
    add = parser.add_argument_group("the mask").add_argument
    add("--shapes", metavar="FILE|JSON", help="the shapes as JSON, as --json prints them in `mask`")
    add(
        "--tolerance",
        type=int,
        metavar="0-255",
        help="how far a channel may be off, for --color (default "
        f"{DEFAULT_COLOR_TOLERANCE}) and --difference (default {DEFAULT_DIFFERENCE_TOLERANCE})",
    )
    add("--read-as", choices=READINGS, default="auto", help="what of --from is to be edited (default auto)")
    add("--invert", action="store_true", help="edit everything else")
    add(
        "--grow",
        metavar="PX|%",
        default="0",
        help="grow it so far (of the shorter edge); below 0 shrinks it",
    )
    add("--feather", metavar="PX|%", default="0", help="soften its edge, in all so wide")
    add("--overlay", metavar="FILE", help="also write the picture with the mask on it, to look at")
    parser.set_defaults(steps=[])
    return parser


class _AddShape(argparse.Action):
    """Keeps the shapes and what combines them in the order of the words."""

    def __call__(
        self, _parser: object, namespace: argparse.Namespace, values: object, _option: str | None = None
    ) -> None:
        """Adds one step."""
        namespace.steps = [*namespace.steps, (self.dest, values)]


def _plan(options: argparse.Namespace) -> MaskPlan:
    steps: list[tuple[str, object]] = options.steps
    if options.shapes is not None:
        if steps:
            raise UsageError("shapes are given twice", hint="give --shapes or flags, not both")
        plan = parse_plan(_text_of(options.shapes))
    else:
        plan = MaskPlan(_shapes(steps, options))
    changes: dict[str, object] = {}
    if options.invert:
        changes["invert"] = not plan.invert
    if options.grow != "0":
        changes["grow"] = parse_length(options.grow, "--grow")
    if options.feather != "0":
        changes["feather"] = checked_feather(parse_length(options.feather, "--feather"))
    return replace(plan, **changes)


def _shapes(steps: list[tuple[str, object]], options: argparse.Namespace) -> tuple[Shape, ...]:
    shapes: list[Shape] = []
    op = "add"
    for dest, value in steps:
        if dest in ("subtract", "intersect"):
            if op != "add":
                raise UsageError(f"--{op} is followed by no shape", hint="put a shape behind it")
            op = dest
            continue
        shapes.append(replace(_shape(dest, value, options), op=op))
        op = "add"
    if op != "add" or not shapes:
        what = "the mask has no shape" if op == "add" else f"--{op} is followed by no shape"
        raise UsageError(what, hint="for example --rect 10%,10%,50%,50%")
    return tuple(shapes)


def _shape(dest: str, value: object, options: argparse.Namespace) -> Shape:
    text = str(value)
    tolerance: dict[str, int] = {} if options.tolerance is None else {"tolerance": options.tolerance}
    if dest == "polygon":
        return parse_polygon(cast("list[str]", value))
    if dest == "color":
        return parse_color(text, **tolerance)
    if dest == "from_file":
        return parse_file(text, options.read_as)
    if dest == "difference":
        return parse_difference(text, **tolerance)
    return parse_box(text, dest)


def _text_of(shapes: str) -> str:
    if shapes.lstrip().startswith(("{", "[")):
        return shapes
    try:
        return Path(shapes).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise UsageError(f"cannot read {shapes}: {reason}", hint="give a file or the JSON itself") from None
