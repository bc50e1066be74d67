"""Which sizes are legal, and what a name or a ratio stands for. Pure.

Source of every limit here: the Images API reference and the image guide, as of 2026-11.
"""

from __future__ import annotations

from typing import Mapping, Optional, Tuple

EDGE_STEP = 16
MAX_EDGE = 3840
MAX_RATIO = 3.0
MIN_PIXELS = 655_360
MAX_PIXELS = 8_294_400
EXPERIMENTAL_PIXELS = 2560 * 1440

_NAMED_SIZES: Mapping[str, str] = {
    "square": "1024x1024",
    "landscape": "1536x1024",
    "portrait": "1024x1536",
    "2k": "2048x1152",
    "2k-portrait": "1152x2048",
    "4k": "3840x2160",
    "4k-portrait": "2160x3840",
}
SIZE_NAMES = tuple(_NAMED_SIZES)


def parse_size(text: str) -> Optional[Tuple[int, int]]:
    """Width and height in pixels of `WxH`, or None when the text has another form."""
    width, sep, height = text.strip().lower().replace("×", "x").partition("x")
    if not sep or not (is_digits(width) and is_digits(height)):
        return None
    return int(width), int(height)


def size_problem(width: int, height: int) -> Optional[str]:
    """Why gpt-image-2 refuses a size, or None when it is legal."""
    if min(width, height) < 1:
        return "both edges must be at least 1 pixel"
    if width % EDGE_STEP or height % EDGE_STEP:
        return f"width and height must both be divisible by {EDGE_STEP}"
    if max(width, height) > MAX_EDGE:
        return f"no edge may be longer than {MAX_EDGE} pixels"
    if max(width, height) > MAX_RATIO * min(width, height):
        return f"the long edge may be at most {MAX_RATIO:.0f} times the short edge"
    if not MIN_PIXELS <= width * height <= MAX_PIXELS:
        return f"the area must be between {MIN_PIXELS:,} and {MAX_PIXELS:,} pixels"
    return None


def resolve_size(text: str) -> Optional[str]:
    """`auto` or `WxH` for a size, a size name (`2k`) or a ratio (`16:9`, `16:9@2k`); None for anything else.

    A ratio alone asks for about 1024x1024 pixels in area, `@2k` for a long edge of 2048, `@4k` of 3840;
    the result is the nearest legal size. An explicit `WxH` is returned as it is, legal or not.
    """
    text = text.strip().lower()
    if text == "auto":
        return text
    if text in _NAMED_SIZES:
        return _NAMED_SIZES[text]
    explicit = parse_size(text)
    if explicit is not None:
        return "{}x{}".format(*explicit)
    if ":" not in text:
        return None
    from .ratios import size_of_ratio

    return size_of_ratio(text)


def is_digits(text: str) -> bool:
    """Whether a text is a number of a few ASCII digits."""
    return text.isascii() and text.isdigit() and len(text) <= 6
