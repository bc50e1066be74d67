"""The flags of the fields that a request may have, and what their help says. Pure."""

from __future__ import annotations

import re
from typing import Callable

from ..api.models import DEFAULT_FRAME_MS, DEFAULT_FRAMES, DEFAULT_MODEL, SVG_EFFORTS
from ..api.request import DEFAULT_PARTIAL_IMAGES, REQUEST_FIELDS
from ..api.sizes import SIZE_NAMES
from ..base.errors import UsageError

#: Fields and keyword arguments whose flag is not just the hyphenated name.
_OTHER_FLAGS = {
    "output_format": "--format",
    "images": "--image",
    "areas": "--area",
    "extra": "--param",
    "max_cost_usd": "--max-cost",
    "timeout_s": "--timeout",
    "max_download_bytes": "--max-download",
}
_FIELD_METAVARS = {
    "output_format": "FORMAT",
    "n": "N",
    "frame_count": "2-16",
    "frame_duration_ms": "MS",
    "safety_identifier": "ID",
    "output_compression": "0-100",
    "partial_images": "0-3",
}
#: What the help says of a field; it lists them in this order.
_FIELD_HELP = {
    "quality": "low (~70 s), medium (~120 s), high (~276 s), auto (default); xhigh, max from 2.5 on",
    "size": f"WxH, auto (default), a ratio (16:9, 16:9@2k), or {', '.join(SIZE_NAMES)}",
    "output_format": "png (default), jpeg (jpg), webp; from 2.6 on gif, svg",
    "n": "number of images, 1 to 10 (default 1)",
    "model": f"default {DEFAULT_MODEL}, or what the settings say; unknown ones are passed through",
    "complexity": "planning before drawing: low, medium, high; from 2.6 on",
    "background": "auto, opaque, transparent (png and webp only)",
    "output_compression": "for jpeg and webp (default 100)",
    "frame_count": f"frames of a gif (default {DEFAULT_FRAMES})",
    "frame_duration_ms": f"how long a frame is shown (default {DEFAULT_FRAME_MS})",
    "svg_model": "the language model that writes an svg, where it may be chosen",
    "svg_effort": f"its effort: {', '.join(SVG_EFFORTS)}",
    "moderation": "auto (default) or low",
    "user": "the older name of --safety-identifier",
    "safety_identifier": "an id of your end user, for the provider's abuse checks; hashed is best",
    "stream": "stream: keeps gateways from cutting a long call",
    "partial_images": f"previews under --stream (default {DEFAULT_PARTIAL_IMAGES}); "
    "each costs 100 output tokens",
}


def flag_of(name: str) -> str:
    return _OTHER_FLAGS.get(name) or f"--{name.replace('_', '-')}"


def name_flags(error: UsageError) -> None:
    """Turns the fields that a message of core names (`size`) into the flags of a command line (--size)."""
    error.message, error.hint = in_flags(error.message), in_flags(error.hint)


def in_flags(text: str) -> str:
    """A text in which the names in backquotes are those of their flags."""
    return re.sub("`([a-z][a-z0-9_]*)`", lambda match: flag_of(match.group(1)), text)


def add_field_flags(add: Callable[..., object]) -> None:
    """Adds a flag for each field of the API that a request may have besides its prompt and images."""
    for name, text in _FIELD_HELP.items():
        flags = [flag_of(name), *(["--compression"] if name == "output_compression" else [])]
        if REQUEST_FIELDS[name] is bool:
            add(*flags, dest=name, action="store_true", help=text)
        else:
            add(
                *flags,
                dest=name,
                type=REQUEST_FIELDS[name],
                metavar=_FIELD_METAVARS.get(name),
                help=text,
            )
    add(
        "--param",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any other field of the API; repeatable",
    )
