"""A body as it came, before it is judged. Pure data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..image_request import Endpoint
from .errors import Refused


@dataclass(frozen=True)
class Upload:
    """One input file: `name` is the field it came in, `image`, `image[]`, `images` or `mask`."""

    name: str
    filename: str | None
    content_type: str | None
    data: bytes = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        return {
            "field": self.name,
            "filename": self.filename,
            "content_type": self.content_type,
            "size_bytes": len(self.data),
            "sha256": hashlib.sha256(self.data).hexdigest(),
        }


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
        prompt = self.fields.get("prompt")
        return prompt if isinstance(prompt, str) else None
