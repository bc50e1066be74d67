"""The JSON schemas of the tools' arguments and results, in pieces. Pure.

Limits come from `core.api.models`; the shape of a result is that of `--json`.
"""

from __future__ import annotations

from typing import Any

from gpt_image2.core.api import cost, models, sizes
from gpt_image2.core.api.request import DEFAULT_PARTIAL_IMAGES
from gpt_image2.core.base.outcome import Billed

from .preview import MAX_CHARS, MAX_EDGE

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number", "minimum": 0}
COUNT: Schema = {"type": "integer", "minimum": 0}
#: Of a word such as a size or a model, and of a path or an address: what is longer is a mistake.
MAX_WORD_CHARS = 256
MAX_PATH_CHARS = 4096
PATH: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_PATH_CHARS}
#: In pixels, percent or fractions of a picture.
PLACE: Schema = {"type": ["number", "string"]}
_OPTIONAL_TEXT: Schema = {"type": ["string", "null"]}


def prompt() -> Schema:
    """The prompt, as a property."""
    return {
        "prompt": {
            "type": "string",
            "minLength": 1,
            "maxLength": models.MAX_PROMPT_CHARS,
            "description": "What the image should show. Put text that must appear in it in quotes.",
        }
    }


def image_arguments() -> Schema:
    """What generate and edit share, by the API's own names."""
    low = cost.estimate_cost(models.DEFAULT_MODEL, "", "1024x1024", "low", 1)
    partial = cost.estimate_cost(models.DEFAULT_MODEL, "", "1024x1024", "low", 1, partial_images=1)
    each = f" (${partial.high_usd - low.high_usd:.4f})" if low and partial else ""
    return {
        "output": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_PATH_CHARS,
            "description": (
                "File name relative to the output folder, such as cat.png or icons/cat.png; a trailing / "
                "names a folder. Left out, the file is named after time and prompt. An existing file is "
                "never replaced: the next free name is taken. Several images are numbered."
            ),
        },
        "size": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_WORD_CHARS,
            "default": "auto",
            "examples": ["auto", "1024x1024", *sizes.SIZE_NAMES, "16:9", "16:9@2k"],
            "description": (
                f"auto, WxH, a ratio such as 16:9 or 16:9@2k, or one of {', '.join(sizes.SIZE_NAMES)}. "
                f"Both edges must be multiples of {sizes.EDGE_STEP} and at most {sizes.MAX_EDGE}, the "
                f"ratio at most {sizes.MAX_RATIO:.0f}:1, the area {sizes.MIN_PIXELS:,} to "
                f"{sizes.MAX_PIXELS:,} pixels."
            ),
        },
        "quality": _known(
            models.QUALITIES,
            "auto",
            "auto lets the model choose and may cost as much as the highest; draft at low. xhigh and max "
            "need a model from 2.5 on.",
        ),
        "n": {
            "type": "integer",
            "minimum": 1,
            "maximum": models.MAX_N,
            "default": 1,
            "description": "How many images; each is paid for.",
        },
        "output_format": {
            "type": "string",
            "enum": [*models.OUTPUT_FORMATS, "jpg"],
            "default": "png",
            "description": "The format of the file; gif (animated) and svg need a model from 2.6 on.",
        },
        "complexity": _known(
            models.COMPLEXITIES, None, "How much is planned before drawing; needs a model from 2.6 on."
        ),
        "frame_count": {
            "type": "integer",
            "minimum": models.MIN_FRAMES,
            "maximum": models.MAX_FRAMES,
            "description": f"Frames of a gif; the API's default is {models.DEFAULT_FRAMES}.",
        },
        "frame_duration_ms": {
            "type": "integer",
            "minimum": 1,
            "maximum": models.MAX_FRAME_MS,
            "description": f"How long each is shown; the API's default is {models.DEFAULT_FRAME_MS}.",
        },
        "svg_model": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_WORD_CHARS,
            "description": "The language model that writes an svg, where the project may choose it.",
        },
        "svg_effort": _known(models.SVG_EFFORTS, None, "How hard that model thinks; needs svg_model."),
        "output_compression": {
            "type": "integer",
            "minimum": 0,
            "maximum": 100,
            "description": "For jpeg and webp only; the API's default is 100.",
        },
        "background": _known(
            models.BACKGROUNDS, "auto", "transparent needs png or webp, and not every host has it."
        ),
        "moderation": _known(models.MODERATIONS, "auto", "How strictly the API filters."),
        "model": _known(
            models.KNOWN_MODELS,
            None,
            f"The default is {models.DEFAULT_MODEL}, or what the user's settings say. Prices of other models "
            "are not known here, nor how many tokens those of 2.6 take.",
        ),
        "user": {
            "type": "string",
            "maxLength": MAX_WORD_CHARS,
            "description": "The older name of safety_identifier.",
        },
        "safety_identifier": {
            "type": "string",
            "maxLength": MAX_WORD_CHARS,
            "description": "An id of the end user, for the provider's abuse checks; hashed is best.",
        },
        "stream": {
            "type": "boolean",
            "description": (
                "Stream the answer, which keeps gateways from cutting a long call. The default is true when "
                "partial_images is given, else false."
            ),
        },
        "partial_images": {
            "type": "integer",
            "minimum": 0,
            "maximum": models.MAX_PARTIAL_IMAGES,
            "description": (
                f"Previews while streaming; each costs {cost.PARTIAL_IMAGE_TOKENS} output tokens{each}. "
                f"The default is {DEFAULT_PARTIAL_IMAGES} with stream."
            ),
        },
        "max_cost_usd": {
            **NUMBER,
            "description": "Refuse, before anything is sent, what may cost more USD, a second call included.",
        },
        "preview": preview(),
    }


def preview() -> Schema:
    """Whether a result shows previews."""
    return {
        "type": "boolean",
        "default": True,
        "description": f"Show a small copy of each image: at most {MAX_EDGE} pixels on the long "
        f"edge and {MAX_CHARS >> 10} KB. The file itself is untouched.",
    }


def _known(values: tuple[str, ...], default: str | None, description: str) -> Schema:
    """A string with known values, which lets others pass: a newer API may take them."""
    return {
        "type": "string",
        "anyOf": [{"enum": list(values)}, {"minLength": 1, "maxLength": MAX_WORD_CHARS}],
        **({} if default is None else {"default": default}),
        "description": f"{', '.join(values)} (others are passed through). {description}",
    }


def box() -> Schema:
    """A rectangle, or the one around an ellipse: x, y, width, height."""
    return {"type": "array", "items": PLACE, "minItems": 4, "maxItems": 4}


def closed_object(properties: Schema, required: list[str]) -> Schema:
    """Arguments: these and no others."""
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def outcome(properties: Schema) -> Schema:
    """A structured result: what success and failure share is required, the rest is that of a success."""
    error = {
        "type": "object",
        "description": "Why it failed, and what to do next; only when ok is false",
        "properties": {
            "code": TEXT,
            "message": TEXT,
            "hint": TEXT,
            "http_status": {"type": ["integer", "null"]},
            "request_id": _OPTIONAL_TEXT,
        },
        "required": ["code", "message", "hint"],
    }
    shared: Schema = {
        "ok": {"type": "boolean"},
        "command": TEXT,
        "billed": {
            "type": "string",
            "enum": [billed.value for billed in Billed],
            "description": "no: nothing was paid; yes: an image was paid for; maybe: nobody knows",
        },
        "error": error,
    }
    return {"type": "object", "properties": {**shared, **properties}, "required": ["ok", "command", "billed"]}


def image_output() -> Schema:
    """The result of generate and edit."""
    usage = {
        "type": ["object", "null"],
        "description": "Tokens as the server counted them; null when it did not say",
        "properties": dict.fromkeys(("input_tokens", "output_tokens", "total_tokens"), COUNT),
    }
    return outcome(
        {
            "model": TEXT,
            "images": {"type": "array", "items": image(), "description": "All images that were saved"},
            "tasks": {
                "type": "array",
                "items": TEXT,
                "description": "Ids of tasks that the host has not finished; see `gpt-image2 resume`",
            },
            "usage": usage,
            "svg_usage": {
                "type": "object",
                "description": "Tokens of the model that wrote an svg; its cost_usd is null, and not in the "
                "cost_usd of the call, when the settings have no price of it",
            },
            "cost_usd": {"type": ["number", "null"], "description": "USD; null when it is not known"},
            "http_status": {"type": ["integer", "null"]},
            "request_id": _OPTIONAL_TEXT,
            "attempts": {**COUNT, "description": "tries; those that had no connection count too"},
            "elapsed_s": NUMBER,
            "warnings": {"type": "array", "items": TEXT},
            "sandbox": {"const": True, "description": "there only where the offline sandbox answered"},
        }
    )


def check() -> Schema:
    """Whether something holds of an image."""
    return {
        "type": "object",
        "properties": {
            "name": TEXT,
            "ok": {"type": "boolean"},
            "detail": TEXT,
            "figures": {"type": "object"},
        },
        "required": ["name", "ok", "detail"],
    }


def image() -> Schema:
    """One image on disk."""
    edge: Schema = {"type": ["integer", "null"], "minimum": 1}
    return {
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "absolute"},
            "bytes": COUNT,
            "format": TEXT,
            "width": edge,
            "height": edge,
            "sha256": TEXT,
            "method": {**TEXT, "description": "how it was made from what the model sent, where it was"},
            "derived_from": {"type": "array", "items": TEXT, "description": "what it was made from"},
            "checks": {
                "type": "array",
                "items": check(),
                "description": "what of it holds, where that was asked",
            },
        },
        "required": ["path", "bytes", "format", "width", "height", "sha256"],
    }
