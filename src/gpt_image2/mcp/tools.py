"""The tools as a client sees them: names, descriptions with prices and times, schemas, annotations. Pure.

The input schemas are also what arguments are checked by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mcp import types

from gpt_image2.core.api import cost, models, sizes
from gpt_image2.core.base.optional_part import install_line

from . import schemas
from .picture_tools import (
    CHECK,
    CUT_OUT,
    MASK,
    are_pictures_installed,
    picture_tools,
    wish_arguments,
)
from .schemas import COUNT, NUMBER, PATH, TEXT, Schema

GENERATE, EDIT, ESTIMATE, GET = "generate_image", "edit_image", "estimate_cost", "get_image"
#: The tools that call the API, and the command of core that each is.
COMMANDS = {GENERATE: "generate", EDIT: "edit"}

_PRICED_SIZES = ("square", "landscape", "2k", "4k")
_PRICED_QUALITIES = ("low", "medium", "high")


def instructions() -> str:
    """What the server tells a model about all of its tools."""
    return (
        f"Makes and edits images with {models.DEFAULT_MODEL}. Every generate_image and edit_image call costs "
        f"money and takes {_seconds(min)} to {_seconds(max)} seconds: wait for it. {_prices()} Draft at "
        "quality low, and ask the user before an expensive call; estimate_cost is free. Images are files in "
        "the output folder; an existing file is never replaced. When a result says billed 'maybe' or 'yes', "
        "do not send the same call again without asking: it may have been paid for. " + _about_pictures()
    )


def _about_pictures() -> str:
    if are_pictures_installed():
        return f"{MASK}, {CHECK} and {CUT_OUT} are free, and work on files that are there."
    install = install_line("pictures")
    return f"Tools for masks, checks and cut-outs are missing here; the user gets them by: {install}"


def tools() -> list[types.Tool]:
    """All tools."""
    return [_generate(), _edit(), _estimate(), _get(), *picture_tools()]


def input_schema(name: str) -> Schema | None:
    """The schema of a tool's arguments, None for an unknown tool."""
    return next((tool.input_schema for tool in tools() if tool.name == name), None)


def argument_names(name: str) -> tuple[str, ...]:
    """The names of a tool's arguments."""
    return tuple((input_schema(name) or {"properties": {}})["properties"])


def _generate() -> types.Tool:
    return types.Tool(
        name=GENERATE,
        title="Generate images",
        description=(
            "Make images from a text and save them as files. Costs money. "
            f"{_prices()} {_times()} The result names the saved files, what they cost and whether it was "
            "billed, and shows a small preview."
        ),
        input_schema=schemas.closed_object(
            {**schemas.prompt(), **wish_arguments(is_edit=False), **schemas.image_arguments()}, ["prompt"]
        ),
        output_schema=schemas.image_output(),
        annotations=_paid("Generate images"),
    )


def _edit() -> types.Tool:
    images = {
        "type": "array",
        "items": PATH,
        "minItems": 1,
        "maxItems": models.MAX_INPUT_IMAGES,
        "description": (
            f"1 to {models.MAX_INPUT_IMAGES} input images (png, jpeg or webp, each under "
            f"{models.MAX_INPUT_BYTES >> 20} MB): paths in a folder that this server may read (absolute, or "
            "relative to the output folder), or http(s) addresses. The first is the one that is edited, the "
            "others are references."
        ),
    }
    mask = {
        **PATH,
        "description": (
            "PNG with the dimensions of the first image, under "
            f"{models.MAX_MASK_BYTES >> 20} MB; only where it is transparent is the image edited"
        ),
    }
    markup = {
        **PATH,
        "description": (
            "PNG with the dimensions of the first image as it is shown, transparent but for what is drawn on "
            "it, which guides the edit; not with a mask; needs a model from 2.5 on"
        ),
    }
    return types.Tool(
        name=EDIT,
        title="Edit images",
        description=(
            "Make new images from images and a text: change a picture, combine several, or repaint the "
            "transparent area of a mask. The inputs stay as they are. Costs money. "
            f"{_prices()} Input images cost extra. {_times()} The result is as of {GENERATE}."
        ),
        input_schema=schemas.closed_object(
            {
                **schemas.prompt(),
                "images": images,
                "mask": mask,
                "markup": markup,
                **wish_arguments(is_edit=True),
                **schemas.image_arguments(),
            },
            ["prompt", "images"],
        ),
        output_schema=schemas.image_output(),
        annotations=_paid("Edit images"),
    )


def _estimate() -> types.Tool:
    arguments = {
        "prompt": {
            "type": "string",
            "maxLength": models.MAX_PROMPT_CHARS,
            "description": "What to show; its share of the price is tiny, so it may be left out.",
        },
        **{
            name: schemas.image_arguments()[name]
            for name in ("model", "n", "size", "quality", "partial_images")
        },
        "input_images": {
            "type": "integer",
            "minimum": 0,
            "maximum": models.MAX_INPUT_IMAGES,
            "default": 0,
            "description": "How many input images an edit would have; their price is an estimate.",
        },
    }
    cost_usd = {
        "type": ["object", "null"],
        "description": "USD for all images together; null where the price is not known",
        "properties": {"low": NUMBER, "high": NUMBER},
        "required": ["low", "high"],
    }
    amount: Schema = {"type": ["number", "null"]}
    session = {
        "type": "object",
        "description": "What this server may spend, has spent and holds for calls under way, in USD",
        "properties": dict.fromkeys(("max_cost_usd", "spent_usd", "held_usd", "left_usd"), amount),
        "required": ["max_cost_usd", "spent_usd", "held_usd", "left_usd"],
    }
    return types.Tool(
        name=ESTIMATE,
        title="Estimate the cost",
        description=f"What a call would cost in USD and how long it takes. Free; sends nothing. {_prices()}",
        input_schema=schemas.closed_object(arguments, []),
        output_schema=schemas.outcome(
            {
                "model": TEXT,
                "n": COUNT,
                "size": TEXT,
                "quality": TEXT,
                "cost_usd": cost_usd,
                "typical_s": {**NUMBER, "description": "seconds that one such call usually takes"},
                "note": TEXT,
                "session": session,
                "warnings": {"type": "array", "items": TEXT},
            }
        ),
        annotations=_read_only("Estimate the cost"),
    )


def _get() -> types.Tool:
    arguments = {
        "path": {
            **PATH,
            "description": "A file in a folder that this server may read: absolute, or relative to the "
            "output folder",
        },
        "preview": schemas.preview(),
    }
    return types.Tool(
        name=GET,
        title="Look at an image",
        description="Format, dimensions, size and a small preview of an image on disk. Free; sends nothing.",
        input_schema=schemas.closed_object(arguments, ["path"]),
        output_schema=schemas.outcome({"images": {"type": "array", "items": schemas.image()}}),
        annotations=_read_only("Look at an image"),
    )


def _paid(title: str) -> types.ToolAnnotations:
    """Adds files, never replaces one; every call makes a new image and costs again."""
    return types.ToolAnnotations(
        title=title,
        read_only_hint=False,
        destructive_hint=False,
        idempotent_hint=False,
        open_world_hint=True,
    )


def _read_only(title: str) -> types.ToolAnnotations:
    return types.ToolAnnotations(
        title=title,
        read_only_hint=True,
        destructive_hint=False,
        idempotent_hint=True,
        open_world_hint=False,
    )


def _prices() -> str:
    """What one image costs, for the sizes people ask for."""
    rows: list[str] = []
    for name in _PRICED_SIZES:
        size = sizes.resolve_size(name) or name
        estimates = [
            (quality, cost.estimate_cost(models.DEFAULT_MODEL, "", size, quality, 1))
            for quality in _PRICED_QUALITIES
        ]
        prices = ", ".join(f"{quality} ${one.high_usd:.3f}" for quality, one in estimates if one)
        rows.append(f"{size} {prices}")
    return f"One image of {models.DEFAULT_MODEL} costs about: {'; '.join(rows)}."


def _times() -> str:
    rows = ", ".join(f"{quality} {models.TYPICAL_SECONDS[quality]:.0f} s" for quality in _PRICED_QUALITIES)
    return f"A call usually takes: {rows}."


def _seconds(choose: Callable[[Iterable[float]], float]) -> str:
    return f"{choose(models.TYPICAL_SECONDS.values()):.0f}"
