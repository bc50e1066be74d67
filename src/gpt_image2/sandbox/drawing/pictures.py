"""The encoded images of a request: the finished ones, and the previews of a stream."""

from __future__ import annotations

from PIL import Image

from ..image_request import ImageRequest
from .animation import animated
from .edits import edited
from .encoding import EncodedImage, encoded
from .grounds import CLEAR, asked_ground, cut_to_shape, laid_on_ground
from .poster import low_quality_png, poster
from .vector import svg_of

#: How coarse each preview is: one pixel of it stands for a square of this many pixels.
_PREVIEW_GRAINS = {1: (24,), 2: (48, 16), 3: (64, 28, 12)}


def picture(request: ImageRequest, index: int) -> EncodedImage:
    """The finished image number `index`."""
    size = (request.width, request.height)
    looks = (request.endpoint, request.quality, request.output_format, request.background)
    if looks == ("generations", "low", "png", "opaque") and asked_ground(request) is None:
        return low_quality_png(request.prompt, index, size)
    if request.output_format == "svg":
        return svg_of(request.prompt, index, size)
    if request.output_format == "gif":
        return animated(_drawn(request, index), request.frames, request.frame_ms)
    return encoded(_drawn(request, index), request.output_format, request.output_compression)


def previews(request: ImageRequest) -> list[EncodedImage]:
    """The partial images, from coarse to fine."""
    grains = _PREVIEW_GRAINS.get(request.partial_images)
    if grains is None:
        return []
    image = _drawn(request, 0)
    coarse = (_coarse(image, grain) for grain in grains)
    return [encoded(each, request.output_format, request.output_compression) for each in coarse]


def _drawn(request: ImageRequest, index: int) -> Image.Image:
    if request.endpoint == "edits":
        return edited(request, index)
    image = poster(request.prompt, index, (request.width, request.height), request.quality)
    if request.background in CLEAR:
        image = cut_to_shape(image)
    return laid_on_ground(image, request)


def _coarse(image: Image.Image, grain: int) -> Image.Image:
    small = (max(1, image.width // grain), max(1, image.height // grain))
    return image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BICUBIC)
