"""The flags for what is done with pictures before and after a call, and what they ask for. Pure."""

from __future__ import annotations

import argparse
from typing import Optional, Tuple

from ..base.errors import UsageError
from ..base.record import Record, replace
from .parser import Parser

FIT_WAYS = ("crop", "pad", "stretch")


class PictureWishes(Record):
    """What is to be done with pictures around a call, in the words of the flags; empty where nothing is."""

    area: Tuple[str, ...] = ()
    keep_outside: bool = False
    extend: str = ""
    to: str = ""
    exact: str = ""
    fit: str = ""
    under: str = ""
    cutout: bool = False
    glass: bool = False

    @property
    def need_extra(self) -> bool:
        """Whether the optional part for pictures is needed; a mask of plain shapes is made without it."""
        return self != PictureWishes(area=self.area)


def add_picture_flags(parser: Parser, is_edit: bool) -> None:
    """Adds the flags to the parser of `generate` or `edit`, and what reads them."""
    add = parser.add_argument_group("the picture, before and after the call").add_argument
    if is_edit:
        add(
            "--area",
            action="append",
            metavar="X,Y,W,H",
            help="edit this rectangle, or ellipse:X,Y,W,H, in pixels (120), percent (25%%) or fractions "
            "(0.25) of the picture as it is seen; repeatable",
        )
        add(
            "--keep-outside",
            action="store_true",
            help="put the first image back outside the mask: there not one pixel changes",
        )
        add(
            "--extend",
            metavar="SIDES",
            help="paint further beyond these sides, as left=25%%,right=200; all=10%% is every side",
        )
        add("--to", metavar="W:H|WxH", help="as --extend, to a ratio or to a larger size")
    add("--exact", metavar="WxH", help="save exactly this size, made from the legal one that covers it")
    add("--fit", choices=FIT_WAYS, help="how --exact gets there (default crop, about the middle)")
    add("--show", action="store_true", help="draw it in the terminal when it is saved; never on stdout")
    add("--under", metavar="KB", help="save it lighter than this, as 300KB; quality is chosen for it")
    add(
        "--cutout",
        action="store_true",
        help="a clear background, looked at; where it does not come, the subject is drawn again on a flat "
        "colour and cut out, if --max-cost covers both calls; with --background opaque at once, in one call",
    )
    add(
        "--glass",
        action="store_true",
        help="a clear background that is exact for glass, smoke, glow and hair, from two calls: on white, "
        "and edited to black",
    )
    parser.set_defaults(read_wishes=read_wishes)


def read_wishes(flags: argparse.Namespace) -> Optional[PictureWishes]:
    """What the flags of a command line ask for, None where none is set.

    Raises:
        UsageError: they do not go together.
    """
    given = {name: getattr(flags, name, None) for name in PictureWishes.__match_args__}
    wishes = PictureWishes(**{name: value for name, value in given.items() if value})
    return None if wishes == PictureWishes() else checked_wishes(wishes)


def checked_wishes(wishes: PictureWishes) -> PictureWishes:
    """The wishes, with `area` as a tuple; a `UsageError` for those that do not go together."""
    wishes = replace(wishes, area=tuple(wishes.area))
    if wishes.extend and wishes.to:
        raise UsageError("--extend and --to both say how far", hint="leave one of them out")
    if (wishes.extend or wishes.to) and wishes.area:
        raise UsageError("--extend makes the mask itself", hint="leave --area out, or edit in two calls")
    if wishes.fit and not wishes.exact:
        raise UsageError("--fit needs --exact", hint="for example --exact 1200x630")
    if wishes.cutout and wishes.glass:
        raise UsageError("--cutout and --glass are two methods", hint="leave one of them out")
    if (wishes.cutout or wishes.glass) and (wishes.keep_outside or wishes.extend or wishes.to):
        raise UsageError(
            "a clear background, and the source put back around the edit, do not go together",
            hint="leave --cutout or --glass out, or edit in two calls",
        )
    return wishes
