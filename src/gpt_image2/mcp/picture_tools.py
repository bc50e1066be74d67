"""The tools for pictures that are there already, as a client sees them: free, on this machine, no model.

They come with the extra `pictures`, and are listed only where that is installed. Pure.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec

from mcp import types

from gpt_image2.core.commands.picture_flags import AREA_KINDS, AREAS_HELP, WISHES, Wish

from . import schemas
from .schemas import COUNT, PATH, PLACE, TEXT, Schema

MASK, CHECK, CUT_OUT = "make_mask", "check_image", "cut_out"
#: The tools for pictures, and the command that each is.
PICTURE_COMMANDS = {MASK: "mask", CHECK: "check", CUT_OUT: "cutout"}

_CORNER: Schema = {"type": "array", "items": PLACE, "minItems": 2, "maxItems": 2}
_MAX_SHAPES, _MAX_CORNERS = 200, 1000
_LENGTH: Schema = {"type": ["number", "string"], "maxLength": schemas.MAX_WORD_CHARS}
_COLOR: Schema = {"type": "string", "minLength": 1, "maxLength": schemas.MAX_WORD_CHARS}
_TOLERANCE: Schema = {"type": "integer", "minimum": 0, "maximum": 255}


@lru_cache(maxsize=None)
def are_pictures_installed() -> bool:
    """Whether what the tools for pictures need is here."""
    return all(find_spec(name) is not None for name in ("numpy", "pillow_heif"))


def wish_arguments(is_edit: bool) -> Schema:
    """What `generate_image` or `edit_image` has for pictures around the call, as its command: most of it
    where the extra is installed."""
    areas: Schema = {
        "areas": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {kind: schemas.box() for kind in AREA_KINDS},
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": False,
            },
            "minItems": 1,
            "maxItems": _MAX_SHAPES,
            "description": (
                f'Edit only here: {{"rect": [x, y, width, height]}} or {{"ellipse": [...]}}, {AREAS_HELP}.'
            ),
        }
    }
    known = areas if is_edit else {}
    if not are_pictures_installed():
        return known
    return {**known, **{wish.name: _of_wish(wish) for wish in WISHES if is_edit or not wish.is_for_edits}}


def _of_wish(wish: Wish) -> Schema:
    text = wish.help.replace("`", "")
    described = {"description": f"{text[0].upper()}{text[1:]}."}
    if wish.kind is bool:
        return {"type": "boolean", "default": False, **described}
    if wish.choices:
        return {"enum": list(wish.choices), **described}
    return {"type": "string", "minLength": 1, "maxLength": schemas.MAX_WORD_CHARS, **described}


def picture_tools() -> list[types.Tool]:
    """Those that are there."""
    return [_mask(), _check(), _cut_out()] if are_pictures_installed() else []


def _mask() -> types.Tool:
    from gpt_image2.pictures.shapes import OPERATIONS, READINGS

    shape = {
        "type": "object",
        "properties": {
            "rect": schemas.box(),
            "ellipse": schemas.box(),
            "polygon": {"type": "array", "items": _CORNER, "minItems": 3, "maxItems": _MAX_CORNERS},
            "color": _COLOR,
            "file": PATH,
            "difference": PATH,
            "tolerance": _TOLERANCE,
            "read_as": {"enum": list(READINGS)},
            "op": {"enum": list(OPERATIONS)},
        },
        "additionalProperties": False,
    }
    arguments: Schema = {
        "image": _image("The picture that is to be edited"),
        "shapes": {
            "type": "array",
            "items": shape,
            "minItems": 1,
            "maxItems": _MAX_SHAPES,
            "description": (
                'What is to be edited, as {"rect": [x, y, width, height]}, {"ellipse": [...]}, {"polygon": '
                '[[x, y], ...]}, {"color": "#rrggbb"}, {"file": another mask} or {"difference": another '
                'picture}. A place is in pixels (120), percent ("25%") or fractions (0.25) of the '
                "picture as it is seen. Shapes add up in their order; op says subtract or intersect instead."
            ),
        },
        "invert": {"type": "boolean", "default": False, "description": "Edit everything else."},
        "grow": {**_LENGTH, "default": 0, "description": 'Grow it so far ("2%", "8px"); below 0 shrinks.'},
        "feather": {**_LENGTH, "default": 0, "description": "Soften its edge, in all so wide."},
        "overlay": {
            "type": "boolean",
            "default": True,
            "description": "Also save the picture with the mask on it, and show that: look before you pay.",
        },
        "output": _output("the image's name with -mask.png"),
        "preview": schemas.preview(),
    }
    return types.Tool(
        name=MASK,
        title="Make a mask",
        description=(
            "Make the mask for edit_image from shapes in words: it fits the API and the picture. Free; sends "
            "nothing. The result says which share of the picture is to be edited."
        ),
        input_schema=schemas.closed_object(arguments, ["image", "shapes"]),
        output_schema=_result({"width": COUNT, "height": COUNT, "share": schemas.NUMBER, "mask": {}}),
        annotations=_offline("Make a mask", read_only=False),
    )


def _check() -> types.Tool:
    arguments: Schema = {
        "image": _image("The picture to look at"),
        "size": {"type": "string", "maxLength": schemas.MAX_WORD_CHARS, "description": "It is exactly WxH."},
        "max_kb": {
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "Its file has at most so many KB (of 1000 bytes).",
        },
        "alpha": {
            "type": "boolean",
            "default": False,
            "description": "Its background is transparent, and no checkerboard painted instead.",
        },
        "against": _image("It differs from this picture only inside the mask, or nowhere"),
        "mask": _image("The mask of the edit"),
        "tolerance": {**_TOLERANCE, "default": 0, "description": "So far off is still the same."},
    }
    return types.Tool(
        name=CHECK,
        title="Check an image",
        description=(
            "Whether an image is what it should be: size, weight, real transparency, and what an edit "
            "changed outside its mask. Free; sends nothing. ok is false where a check does not hold; its "
            "detail says why."
        ),
        input_schema=schemas.closed_object(arguments, ["image"]),
        output_schema=_result({"width": COUNT, "height": COUNT}),
        annotations=_offline("Check an image", read_only=True),
    )


def _cut_out() -> types.Tool:
    from gpt_image2.pictures.cutouts.keying import HOLES

    arguments: Schema = {
        "image": _image("The picture of the subject on a flat background"),
        "key": {
            **_COLOR,
            "default": "auto",
            "description": "The background's colour, as #00ff00; auto: what the border has.",
        },
        "pair": _image(
            "The same picture on another background, such as black and white: exact with glass and hair"
        ),
        "holes": {
            "enum": list(HOLES),
            "default": "auto",
            "description": "Fill or keep what the subject encloses of the key; auto: what is exactly the key "
            "is a hole.",
        },
        "output": _output("the image's name with -cutout.png"),
        "preview": schemas.preview(),
    }
    return types.Tool(
        name=CUT_OUT,
        title="Cut out a subject",
        description=(
            "Cut a subject out of its flat background, as png or webp with real transparency; the result is "
            "checked. Free; sends nothing."
        ),
        input_schema=schemas.closed_object(arguments, ["image"]),
        output_schema=_result({"key": {"type": ["string", "null"]}}),
        annotations=_offline("Cut out a subject", read_only=False),
    )


def _image(what: str) -> Schema:
    where = "a path in a folder that this server may read (absolute, or relative to the output folder)."
    return {**PATH, "description": f"{what}: {where}"}


def _output(default: str) -> Schema:
    return {
        **PATH,
        "description": f"File name relative to the output folder (default: {default}). An existing file is "
        "never replaced: the next free name is taken.",
    }


def _result(figures: Schema) -> Schema:
    """What each of these tools answers: what `--json` prints of its command."""
    texts: Schema = {"type": "array", "items": TEXT}
    return schemas.outcome(
        {
            "images": {"type": "array", "items": schemas.image(), "description": "What was saved"},
            "derived_from": {**texts, "description": "The files that it was made from"},
            "method": TEXT,
            "checks": {"type": "array", "items": schemas.check()},
            "notes": texts,
            "warnings": texts,
            **figures,
        }
    )


def _offline(title: str, read_only: bool) -> types.ToolAnnotations:
    return types.ToolAnnotations(
        title=title,
        read_only_hint=read_only,
        destructive_hint=False,
        idempotent_hint=read_only,
        open_world_hint=False,
    )
