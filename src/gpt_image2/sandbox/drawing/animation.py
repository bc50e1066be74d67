"""A picture as an animated GIF: a sun goes across it, from frame to frame. Pure."""

from __future__ import annotations

import io
import math

from PIL import Image, ImageDraw

from .encoding import EncodedImage

_COLOURS = 63
_SUN = (255, 196, 64)


def animated(image: Image.Image, frames: int, frame_ms: int) -> EncodedImage:
    """So many frames, each shown for so long, over and over."""
    still = image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    palette = (still.getpalette() or [])[: 3 * _COLOURS]
    still.putpalette([*palette, *[0] * (3 * _COLOURS - len(palette)), *_SUN])
    shown = [_with_sun(still, (number + 0.5) / frames) for number in range(frames)]
    out = io.BytesIO()
    shown[0].save(
        out, "GIF", save_all=True, append_images=shown[1:], duration=frame_ms, loop=0, optimize=False
    )
    return EncodedImage(out.getvalue(), "image/gif")


def _with_sun(still: Image.Image, part: float) -> Image.Image:
    """The picture when the sun has done this part of its way."""
    frame = still.copy()
    radius = min(frame.size) * 0.06
    place = frame.width * part, frame.height * (0.4 - 0.3 * math.sin(math.pi * part))
    ImageDraw.Draw(frame).circle(place, radius, fill=_COLOURS)
    return frame
