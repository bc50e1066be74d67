"""Edits: the input stays what it is; a mask is filled with a landscape, and so is what a markup has drawn on,
without either the whole takes on new colours and a caption, or another flat background in place of the one
that it has. Outside the mask not one pixel changes, where size and format allow it.
"""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFilter, ImageOps

from ..image_request import ImageRequest
from .caption import PAPER, caption_strip, draw_label
from .grounds import CLEAR, asked_ground, laid_on_ground, on_other_ground
from .landscape import landscape, look_for

#: The shorter edge from which on there is room for words.
_LEAST_CAPTIONED_PX = 160


def edited(request: ImageRequest, index: int) -> Image.Image:
    """The picture number `index` of an edit: RGB, or RGBA where the background is transparent."""
    size = (request.width, request.height)
    base = _fitted(_opened(request.images[0], keep_alpha=request.background in CLEAR), size)
    if request.markup is not None:
        drawn = _fitted(_opened(request.markup, keep_alpha=True).getchannel("A"), size)
        return _filled(base, ImageOps.invert(drawn), request, index)
    if request.mask is None:
        ground = asked_ground(request)
        swapped = None if ground is None else on_other_ground(base, ground)
        if swapped is None:
            return laid_on_ground(_tinted(base, request, index), request)
        return _drifted(swapped, request.drift_px)
    kept = _fitted(_opened(request.mask, keep_alpha=True).getchannel("A"), size)
    if not request.drift_px:
        return _filled(base, kept, request, index)
    wider = kept.filter(ImageFilter.MinFilter(2 * request.drift_px + 1))
    return _drifted(_filled(base, wider, request, index), request.drift_px)


def _drifted(image: Image.Image, by_px: int) -> Image.Image:
    """The picture moved to the right and down; what comes in at an edge is what was there."""
    image.paste(image.copy(), (by_px, by_px))
    return image


def _filled(base: Image.Image, kept: Image.Image, request: ImageRequest, index: int) -> Image.Image:
    """A landscape where the mask is clear; `kept` is the mask's alpha."""
    hole = ImageOps.invert(kept)
    box = hole.getbbox()
    if box is not None:
        hole = hole.crop(box)
        look = look_for(request.prompt, index)
        patch = landscape(look, hole.size, request.quality)
        draw_label(patch, look.palette)
        base.paste(patch.convert(base.mode), box, hole)
    return base


def _tinted(base: Image.Image, request: ImageRequest, index: int) -> Image.Image:
    palette = look_for(request.prompt, index).palette
    tint = ImageOps.colorize(base.convert("L"), palette.near, (255, 255, 255), mid=palette.far, midpoint=135)
    result = Image.blend(base.convert("RGB"), tint, 0.5)
    _add_further_inputs(result, request)
    if base.mode == "RGBA":
        result.putalpha(base.getchannel("A"))
    if min(result.size) < _LEAST_CAPTIONED_PX:
        draw_label(result, palette)
        return result
    note = f"edit of {len(request.images)}  ·  {request.size}  ·  {request.quality}  ·  #{index + 1}"
    strip = caption_strip(request.prompt, result.size, palette, note)
    result.paste(strip, (0, result.height - strip.height))
    return result


def _add_further_inputs(image: Image.Image, request: ImageRequest) -> None:
    """The inputs after the first as small prints along the upper edge, so that one sees that they came."""
    edge = round(min(image.size) * 0.2)
    gap, frame = max(2, edge // 12), max(1, edge // 24)
    if edge < 12:
        return
    for number, data in enumerate(request.images[1 : image.width // (edge + gap)], 1):
        left = image.width - number * (edge + gap)
        ImageDraw.Draw(image).rectangle((left, gap, left + edge - 1, gap + edge - 1), fill=PAPER)
        inner = edge - 2 * frame
        image.paste(
            ImageOps.fit(_opened(data, keep_alpha=False), (inner, inner)), (left + frame, gap + frame)
        )


def _opened(data: bytes, keep_alpha: bool) -> Image.Image:
    """An input as it is seen, as RGBA, or as RGB on white."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if keep_alpha:
        return image.convert("RGBA")
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else ImageOps.fit(image, size)
