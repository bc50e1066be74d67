"""A model that paints: it answers an edit with the picture that was sent, another where the mask is clear."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from servers import Answer, Recorder, Request, images


def painted(request: Request, shift_px: int = 0, repaint: bool = False) -> bytes:
    """What the model sends: in the size that was asked for, blue where the mask is clear, shifted by so many
    pixels; with `repaint` something else everywhere."""
    fields = (
        request.texts() if request.path.endswith("/edits") else {"size": request.json.get("size", "auto")}
    )
    size = fields.get("size", "auto")
    sent = sent_files(request)
    first = sent["image"].convert("RGB") if "image" in sent else Image.new("RGB", (1024, 1024), (200, 90, 40))
    wished = first.size if size == "auto" else tuple(int(edge) for edge in size.split("x"))
    pixels = np.asarray(first.resize(wished)).copy()
    if "mask" in sent:
        clear = np.asarray(sent["mask"].getchannel("A").resize(wished)) < 128
        pixels[clear] = pixels[clear] // 2 + np.array((0, 30, 120), np.uint8)
    if repaint:
        pixels = np.random.default_rng(3).integers(0, 255, pixels.shape, dtype=np.uint8)
    pixels = np.roll(pixels, (shift_px, shift_px), (0, 1))
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG", compress_level=1)
    return data.getvalue()


def paint(recorder: Recorder, **how: Any) -> None:
    """Makes a server such a model."""

    def answer(request: Request) -> Answer:
        many = int(request.json.get("n", 1)) if request.path.endswith("/generations") else 1
        return images(*(painted(request, **how) for _ in range(many)))

    recorder.answer = answer


def sent_files(request: Request) -> dict[str, Image.Image]:
    """The first image and the mask of an edit, as Pillow reads them."""
    if not request.path.endswith("/edits"):
        return {}
    found: dict[str, Image.Image] = {}
    for part in request.files():
        name = part.name.rstrip("[]")
        found.setdefault(name, Image.open(io.BytesIO(part.data)))
    return found
