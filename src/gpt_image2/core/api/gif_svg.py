"""What the API asks of an animated GIF and of an SVG, besides what it asks of every image, and how large an
SVG says that it is. Pure.

Source: the official client's types, and for the sheet of a GIF what a gateway has measured, as of 2026-11.
"""

from __future__ import annotations

import math
import re
from typing import Iterable, Optional, Tuple

from ..base.errors import UsageError
from ..base.record import replace
from .models import DEFAULT_FRAMES, MAX_FRAME_MS, MAX_FRAMES, MIN_FRAMES
from .request import ImageRequest, check_range
from .sizes import EDGE_STEP, MAX_EDGE, MAX_PIXELS, MAX_RATIO, MIN_PIXELS, parse_size

_XML_ATTRIBUTE = r"""(?<!\S)([^\s=/>"']+)\s*=\s*(?:"([^"]*)"|'([^']*)')"""
_PLAIN_NUMBER = r"(\d{1,6}(?:\.\d{1,9})?)(?:px)?"

#: The edge of a frame where nothing else is asked for; up to 9 of them fit on a sheet.
_FRAME_EDGE = 960
_NEEDS = (("frame_count", "gif"), ("frame_duration_ms", "gif"), ("svg_model", "svg"), ("svg_effort", "svg"))


def check_gif_or_svg(request: ImageRequest, asked_size: Optional[str], is_known: bool) -> ImageRequest:
    """The request, for a GIF with a size that its frames fit in; `asked_size` is as the user gave it. Of a
    model that is not known only the ranges are checked; a `UsageError` for what the API refuses."""
    check_range("frame_count", request.frame_count, MIN_FRAMES, MAX_FRAMES)
    check_range("frame_duration_ms", request.frame_duration_ms, 1, MAX_FRAME_MS)
    if not is_known:
        return request
    kind = request.effective_format
    for name, needed in _NEEDS:
        if getattr(request, name) is not None and kind != needed:
            raise UsageError(f"`{name}` is for {needed} only", hint=f"add `output_format` {needed}")
    if request.svg_effort is not None and request.svg_model is None:
        raise UsageError("`svg_effort` needs `svg_model`", hint="name the model that is to write the SVG")
    without = ["stream", "partial_images", "output_compression", *(["mask"] if kind == "gif" else [])]
    for name in without:
        if getattr(request, name) not in (None, False):
            raise UsageError(f"{kind} cannot have `{name}`", hint=f"leave `{name}` out")
    if kind == "svg" and request.count > 1:
        raise UsageError("an svg is made one a request", hint="leave `n` out, and call once for each")
    return _with_frames(request, asked_size) if kind == "gif" else request


def _with_frames(request: ImageRequest, asked_size: Optional[str]) -> ImageRequest:
    """The request with the size of a frame: of a ratio, or nothing, the largest up to the usual one that
    fits."""
    frames = request.frame_count or DEFAULT_FRAMES
    width, height = parse_size(request.effective_size) or (_FRAME_EDGE, _FRAME_EDGE)
    problem = frame_problem(width, height, frames)
    if problem:
        width, height = fitting_frame(width, height, frames)
        is_free = asked_size in (None, "auto") or (":" in str(asked_size) and "@" not in str(asked_size))
        if not is_free:
            raise UsageError(
                f"size {request.size} is not legal for a gif of {frames} frames: {problem}",
                hint=f"a size that fits is {width}x{height}",
                code="invalid_size",
            )
    return replace(request, size=f"{width}x{height}")


def frame_problem(width: int, height: int, frames: int, columns: Iterable[int] = ()) -> Optional[str]:
    """Why a GIF cannot have frames of this size, or None. They are drawn on one sheet, in so many columns as
    one of `columns` says: how the server lays them out is not published, so by default any number will do."""
    if min(width, height) < 1 or width % EDGE_STEP or height % EDGE_STEP:
        return f"width and height must both be divisible by {EDGE_STEP}"
    if max(width, height) > MAX_RATIO * min(width, height):
        return f"the long edge may be at most {MAX_RATIO:.0f} times the short edge"
    sheets = [(each * width, -(-frames // each) * height) for each in columns or range(1, frames + 1)]
    if not any(max(sheet) <= MAX_EDGE and sheet[0] * sheet[1] <= MAX_PIXELS for sheet in sheets):
        return f"on one sheet they have more than {MAX_PIXELS:,} pixels, or an edge above {MAX_EDGE}"
    if max(across * down for across, down in sheets) < MIN_PIXELS:
        return f"on one sheet they have less than {MIN_PIXELS:,} pixels"
    return None


def fitting_frame(width: int, height: int, frames: int) -> Tuple[int, int]:
    """The largest frame of about this ratio, and no larger, that fits on a sheet that is about as wide in
    frames as high; else the usual one that does. So it was measured: squares of 960 up to 9 frames, 816 up to
    12, 720 up to 16."""
    side = math.ceil(math.sqrt(frames))
    width, height = max(width, 1), max(height, 1)
    for across in range(min(width, MAX_EDGE) // EDGE_STEP * EDGE_STEP, 0, -EDGE_STEP):
        down = max(EDGE_STEP, round(across * height / width / EDGE_STEP) * EDGE_STEP)
        if frame_problem(across, down, frames, (side, -(-frames // side))) is None:
            return across, down
    return fitting_frame(_FRAME_EDGE, _FRAME_EDGE, frames)


def sides_of_svg(text: str) -> Tuple[Optional[int], Optional[int]]:
    """Width and height that the first element gives in plain numbers, or else the box that it shows; None
    where it tells neither."""
    opening = re.match(r"""<(?:[^>"']|"[^"]*"|'[^']*')*>""", text)
    found = re.findall(_XML_ATTRIBUTE, opening.group()) if opening else []
    values = {name: one or other for name, one, other in found}
    sides = [values.get("width", ""), values.get("height", "")]
    for pair in (sides, re.split(r"[\s,]+", values.get("viewBox", "").strip())[2:]):
        plain = [re.fullmatch(_PLAIN_NUMBER, side.strip()) for side in pair]
        pixels = [round(float(side.group(1))) for side in plain if side]
        if len(pixels) == 2 and all(pixels):
            return pixels[0], pixels[1]
    return None, None
