"""Turns a job into encoded pictures: asks the artist, encodes, keeps the latest ones. What is drawn in bulk
it leaves to `backdrops`.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

from PIL import Image, PngImagePlugin

from gpt_image2.core.api import models

from ..api.answers import Picture
from ..image_request import Job
from . import artist, edits
from .backdrops import Backdrops
from .keeping import Kept

_CACHE_BYTES = 64 * 1024 * 1024
_NOTE = "Drawn by the gpt-image2 sandbox. Not made by a model."
#: zlib's Z_RLE: a third faster than level 1 on drawn pictures, and as small.
_RUN_LENGTHS = 3
#: How coarse the previews are: one pixel of a preview stands for a square of this many pixels.
_PREVIEW_GRAINS = {1: (24,), 2: (48, 16), 3: (64, 28, 12)}


class Easel:
    """Draws and encodes; keeps what it drew from a prompt, up to a number of bytes. Safe for threads."""

    def __init__(self, capacity_bytes: int = _CACHE_BYTES) -> None:
        self._kept: Kept[Picture] = Kept(capacity_bytes, lambda picture: len(picture.data))
        self._backdrops = Backdrops()

    def picture(self, job: Job, index: int) -> Picture:
        """The finished image number `index` of a job."""
        return self._kept.get((_subject(job), index), lambda: self._finished(job, index))

    def previews(self, job: Job) -> list[Picture]:
        """The partial images of a job, from coarse to fine."""
        grains = _PREVIEW_GRAINS.get(job.partial_images, ())
        subject = _subject(job)
        drawn: list[Image.Image] = []

        def preview(grain: int) -> Picture:
            if not drawn:
                drawn.append(_draw(job, 0))
            return encode(_coarse(drawn[0], grain), job)

        return [
            self._kept.get((subject, "preview", grain), lambda grain=grain: preview(grain))
            for grain in grains
        ]

    def _finished(self, job: Job, index: int) -> Picture:
        if not _is_plain(job):
            return encode(_draw(job, index), job)
        size = (job.width, job.height)
        return Picture(self._backdrops.png(job.prompt, index, size, _NOTE), "image/png")


def encode(image: Image.Image, job: Job) -> Picture:
    """An image in the format of a job, cheaply compressed."""
    out = io.BytesIO()
    if job.output_format == "jpeg":
        quality = min(95, max(1, job.output_compression))
        image.convert("RGB").save(out, "JPEG", quality=quality, comment=_NOTE)
    elif job.output_format == "webp":
        image.save(out, "WEBP", quality=job.output_compression, method=0)
    else:
        info = PngImagePlugin.PngInfo()
        info.add_text("Description", _NOTE)
        image.save(out, "PNG", compress_level=1, compress_type=_RUN_LENGTHS, pnginfo=info)
    return Picture(out.getvalue(), f"image/{job.output_format}")


def _is_plain(job: Job) -> bool:
    """Whether a job's pictures are of the kind that is drawn in bulk."""
    return (
        job.endpoint == "generations"
        and job.quality == "low"
        and job.output_format == "png"
        and job.background == "opaque"
        and models.size_problem(job.width, job.height) is None
    )


def _draw(job: Job, index: int) -> Image.Image:
    if job.endpoint == "edits":
        return edits.edited(job, index)
    return artist.scene(
        job.prompt,
        index,
        (job.width, job.height),
        quality=job.quality,
        transparent=job.background == "transparent",
    )


def _coarse(image: Image.Image, grain: int) -> Image.Image:
    small = (max(1, image.width // grain), max(1, image.height // grain))
    return image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BICUBIC)


def _subject(job: Job) -> object:
    """What decides how a job's pictures look: the job without its input bytes, and their hash."""
    inputs = hashlib.sha256()
    for data in (*job.images, job.mask or b""):
        inputs.update(hashlib.sha256(data).digest())
    return replace(job, n=1, stream=False, partial_images=0, images=(), mask=None), inputs.digest()
