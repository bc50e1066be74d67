"""A request for images as it was understood. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Endpoint = Literal["generations", "edits"]


@dataclass(frozen=True)
class ImageRequest:
    """A request that the real API would have accepted; width and height are in pixels, nothing is `auto`.
    Those of a GIF are a frame's. An edit in a mask is moved by `drift_px`, and paints so far beside it."""

    endpoint: Endpoint
    model: str
    prompt: str
    n: int
    width: int
    height: int
    quality: str
    output_format: str
    output_compression: int
    background: str
    stream: bool
    partial_images: int
    images: tuple[bytes, ...] = field(default=(), repr=False)
    mask: bytes | None = field(default=None, repr=False)
    markup: bytes | None = field(default=None, repr=False)
    input_pixels: tuple[int, ...] = ()
    frames: int = 1
    frame_ms: int = 0
    svg_author: str = ""
    safety_identifier: str = ""
    drift_px: int = 0

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"
