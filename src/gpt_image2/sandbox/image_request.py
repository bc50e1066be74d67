"""The shapes a request takes on its way in: as it was submitted, then as it was understood. Pure data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .api.errors import Refused

Endpoint = Literal["generations", "edits"]


@dataclass(frozen=True)
class Upload:
    """One input file: `name` is the field it came in, `image`, `image[]`, `images` or `mask`."""

    name: str
    filename: str | None
    content_type: str | None
    data: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file's bytes, in hex."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Submission:
    """A body as it came: nothing in it has been checked.

    `textual` tells that every field is text (multipart). `problem` is what could not even be read.
    """

    endpoint: Endpoint
    fields: Mapping[str, Any]
    uploads: tuple[Upload, ...] = ()
    textual: bool = False
    problem: Refused | None = None

    @property
    def prompt(self) -> str | None:
        """The prompt, where one was sent as text."""
        prompt = self.fields.get("prompt")
        return prompt if isinstance(prompt, str) else None


@dataclass(frozen=True)
class Job:
    """A request that the real API would have accepted; width and height are in pixels, nothing is `auto`."""

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
    input_pixels: tuple[int, ...] = ()

    @property
    def size(self) -> str:
        """`WxH`, as an answer says it."""
        return f"{self.width}x{self.height}"
