"""The flags for what is done with pictures before and after a call, and what they ask for. Pure.

`WISHES` is the one table of them: command lines, jobs files, tools and programs read theirs from it.
"""

from __future__ import annotations

import argparse
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, cast

from ..base.errors import UsageError
from ..base.record import Record, replace
from ..base.redact import show
from .field_flags import flag_of, in_flags
from .parser import Parser

FIT_WAYS = ("crop", "pad", "stretch")
#: A rectangle, or the ellipse in it: its name as JSON has it, and what stands before its places in words.
AREA_KINDS = {"rect": "", "ellipse": "ellipse:"}
AREAS_HELP = (
    "in pixels (120), percent (25%) or fractions (0.25) of the picture as it is seen, in place of a mask"
)


class Wish(Record):
    """One thing that can be wished for: its name, `bool` or `str`, and what it does, in which names stand in
    backquotes. A text has a `metavar` for its value, or the `choices` that there are."""

    name: str
    kind: type
    help: str
    metavar: str = ""
    choices: Tuple[str, ...] = ()
    is_for_edits: bool = False


#: All but areas, which are written otherwise on a command line than elsewhere.
WISHES = (
    Wish(
        "keep_outside",
        bool,
        "put the first image back outside the mask: there not one pixel changes",
        is_for_edits=True,
    ),
    Wish(
        "extend",
        str,
        "paint further beyond these sides, as left=25%,right=200; all=10% is every side",
        "SIDES",
        is_for_edits=True,
    ),
    Wish("to", str, "as `extend`, to a ratio or to a larger size", "W:H|WxH", is_for_edits=True),
    Wish("exact", str, "save exactly this size, made from the legal one that covers it", "WxH"),
    Wish("fit", str, "how `exact` gets there (default crop, about the middle)", choices=FIT_WAYS),
    Wish("under", str, "save it lighter than this, as 300KB; quality is chosen for it", "KB"),
    Wish(
        "cutout",
        bool,
        "a clear background, looked at; where it does not come, the subject is drawn again on a flat colour "
        "and cut out, if `max_cost_usd` covers both calls; with `background` opaque at once, in one call",
    ),
    Wish(
        "glass",
        bool,
        "a clear background that is exact for glass, smoke, glow and hair, from two calls: on white, "
        "and edited to black",
    ),
)
#: What all of them are called where they are fields: in jobs files, and as arguments.
WISH_FIELDS = ("areas", *(wish.name for wish in WISHES))


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

    @property
    def need_source(self) -> bool:
        """Whether the image that is edited is worked on before the call."""
        return bool(self.area or self.keep_outside or self.extend or self.to)


def add_picture_flags(parser: Parser, is_edit: bool, shows: bool = True) -> None:
    """Adds the flags to the parser of a command, and what reads them; those for the source of an edit only
    where it can be one, and `--show` where it `shows`."""
    add = parser.add_argument_group("the picture, before and after the call").add_argument
    if is_edit:
        add(
            "--area",
            action="append",
            metavar="X,Y,W,H",
            help=f"edit this rectangle, or ellipse:X,Y,W,H, {AREAS_HELP}; repeatable".replace("%", "%%"),
        )
    for wish in WISHES:
        flag, text = flag_of(wish.name), in_flags(wish.help).replace("%", "%%")
        if wish.is_for_edits and not is_edit:
            continue
        if wish.kind is bool:
            add(flag, action="store_true", help=text)
        elif wish.choices:
            add(flag, choices=wish.choices, help=text)
        else:
            add(flag, metavar=wish.metavar, help=text)
    if shows:
        add("--show", action="store_true", help="draw it in the terminal when it is saved; never on stdout")
    parser.set_defaults(read_wishes=read_wishes)


def read_wishes(flags: argparse.Namespace) -> Optional[PictureWishes]:
    """What the flags of a command line ask for, None where none is set.

    Raises:
        UsageError: they do not go together.
    """
    return _wishes({name: getattr(flags, name, None) for name in PictureWishes.__match_args__})


def wishes_in(fields: Mapping[str, Any], defaults: Optional[PictureWishes] = None) -> Optional[PictureWishes]:
    """What the `WISH_FIELDS` among these ask for, the defaults where they leave it out; None where that is
    nothing. An area is `{"rect": [x, y, width, height]}`, `{"ellipse": [...]}` or a text as of `--area`.

    Raises:
        UsageError: a value is of another type, or they do not go together.
    """
    given: Dict[str, Any] = dict(vars(defaults)) if defaults is not None else {}
    if fields.get("areas") is not None:
        given["area"] = _areas_in_words(fields["areas"])
    for wish in WISHES:
        value: object = fields.get(wish.name)
        if value is None:
            continue
        if not isinstance(value, wish.kind):
            raise _wrong(wish.name, "true or false" if wish.kind is bool else "a text", value, wish.help)
        if wish.choices and value not in wish.choices:
            raise _wrong(wish.name, " or ".join(wish.choices), value, wish.help)
        given[wish.name] = value
    return _wishes(given)


def names_of(wishes: PictureWishes) -> str:
    """What is wished for, by its names in backquotes."""
    names = [name for name, value in vars(wishes).items() if value]
    return ", ".join(f"`{'areas' if name == 'area' else name}`" for name in names)


def checked_wishes(wishes: PictureWishes) -> PictureWishes:
    """The wishes, with `area` as a tuple; a `UsageError` for those that do not go together."""
    wishes = replace(wishes, area=tuple(wishes.area))
    if wishes.extend and wishes.to:
        raise UsageError("`extend` and `to` both say how far", hint="leave one of them out")
    if (wishes.extend or wishes.to) and wishes.area:
        raise UsageError("`extend` makes the mask itself", hint="leave `areas` out, or edit in two calls")
    if wishes.fit and not wishes.exact:
        raise UsageError("`fit` needs `exact`", hint="for example `exact` 1200x630")
    if wishes.cutout and wishes.glass:
        raise UsageError("`cutout` and `glass` are two methods", hint="leave one of them out")
    if (wishes.cutout or wishes.glass) and (wishes.keep_outside or wishes.extend or wishes.to):
        raise UsageError(
            "a clear background, and the source put back around the edit, do not go together",
            hint="leave `cutout` or `glass` out, or edit in two calls",
        )
    return wishes


def _wishes(given: Mapping[str, Any]) -> Optional[PictureWishes]:
    wishes = PictureWishes(**{name: value for name, value in given.items() if value})
    return None if wishes == PictureWishes() else checked_wishes(wishes)


def _areas_in_words(areas: Any) -> Tuple[str, ...]:
    listed = cast("Sequence[Any]", areas if isinstance(areas, (list, tuple)) else [areas])
    return tuple(map(_area_in_words, listed))


def _area_in_words(area: Any) -> str:
    """A rectangle or an ellipse as `--area` takes it."""
    if isinstance(area, str) and area.strip():
        return area
    fields = cast("Mapping[Any, Any]", area if isinstance(area, Mapping) else {})
    if len(fields) == 1:
        ((kind, places),) = fields.items()
        if kind in AREA_KINDS and isinstance(places, (list, tuple)):
            return AREA_KINDS[kind] + ",".join(map(str, cast("Sequence[Any]", places)))
    wanted = '{"rect": [x, y, width, height]} or {"ellipse": [...]}'
    raise _wrong("areas", wanted, cast(object, area), AREAS_HELP)


def _wrong(name: str, wanted: str, value: object, help_text: str) -> UsageError:
    return UsageError(f"{name} must be {wanted}, found {show(repr(value), limit=40)}", hint=help_text)
