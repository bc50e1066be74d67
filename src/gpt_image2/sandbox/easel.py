"""Turns a job into encoded pictures: asks the artist, encodes, keeps the latest ones. The only place that
encodes.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from PIL import Image, PngImagePlugin

from . import artist, retouch
from .answers import Picture
from .jobs import Job

_CACHE_BYTES = 128 * 1024 * 1024
_NOTE = "Drawn by the gpt-image2 sandbox. Not made by a model."
#: zlib's Z_RLE: a third faster than level 1 on drawn pictures, and as small.
_RUN_LENGTHS = 3
#: How coarse the previews are: one pixel of a preview stands for a square of this many pixels.
_PREVIEW_GRAINS = {1: (24,), 2: (48, 16), 3: (64, 28, 12)}


class Easel:
    """Draws and encodes; keeps what it drew from a prompt, up to a number of bytes. Safe for threads."""

    def __init__(self, capacity_bytes: int = _CACHE_BYTES) -> None:
        self._capacity_bytes = capacity_bytes
        self._kept: OrderedDict[object, Picture] = OrderedDict()
        self._kept_bytes = 0
        self._lock = threading.Lock()

    def picture(self, job: Job, index: int) -> Picture:
        """The finished image number `index` of a job."""
        return self._keep((_subject(job), index), lambda: encode(_draw(job, index), job))

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
            self._keep((subject, "preview", grain), lambda grain=grain: preview(grain)) for grain in grains
        ]

    def _keep(self, key: object, make: Callable[[], Picture]) -> Picture:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        picture = make()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = picture
                self._kept_bytes += len(picture.data)
            while self._kept_bytes > self._capacity_bytes and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._kept_bytes -= len(dropped.data)
        return picture


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


def _draw(job: Job, index: int) -> Image.Image:
    if job.endpoint == "edits":
        return retouch.edited(job, index)
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
