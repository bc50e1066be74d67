"""Whether a markup can guide an edit: a PNG with transparent pixels, as large as the first image is shown.

Reads both files; of their pixels only the transparency.
"""

from __future__ import annotations

import zlib

from ..base.errors import UsageError
from ..base.redact import show
from .orientation import size_shown
from .png_alpha import Alpha, alpha_of
from .request import InputImage


def check_markup(source: str, markup: InputImage, first: InputImage) -> None:
    """Raises a `UsageError` for a markup that the API refuses over this first image."""
    name = f"markup {show(source)}"
    if markup.format != "png":
        raise UsageError(f"{name} is {markup.format}, not png", hint="save it as PNG with transparency")
    try:
        width, height = size_shown(first)
        is_see_through = markup.has_alpha and alpha_of(markup) is not Alpha.OPAQUE
    except (OSError, zlib.error) as error:
        raise UsageError(f"cannot read {name}: {error}", hint="save it once more as PNG") from None
    if (markup.width, markup.height) != (width, height):
        raise UsageError(
            f"{name} is {markup.width}x{markup.height}, the first image {width}x{height} as it is shown",
            hint="draw it over the first image, in its size",
        )
    if not is_see_through:
        raise UsageError(
            f"{name} has no transparent pixel, so nothing would be left of the image",
            hint="leave transparent what is not drawn on, and save it as RGBA PNG",
        )
