"""What is known of one uploaded or written file."""

from __future__ import annotations

import mimetypes
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StoredFile:
    """One file; times are in simulated seconds since 1970."""

    path: Path
    filename: str
    purpose: str
    created_at_s: float
    expires_at_s: float | None = None
    declared_type: str | None = None
    id: str = field(default_factory=lambda: f"file-{secrets.token_hex(12)}")

    @property
    def content_type(self) -> str:
        """The type of an image: as it was declared, else by the file's name."""
        if self.declared_type and self.declared_type.startswith("image/"):
            return self.declared_type
        return mimetypes.guess_type(self.filename, strict=False)[0] or "application/octet-stream"

    def as_json(self) -> dict[str, Any]:
        expires_at = {} if self.expires_at_s is None else {"expires_at": int(self.expires_at_s)}
        return {
            "object": "file",
            "id": self.id,
            "purpose": self.purpose,
            "filename": self.filename,
            "bytes": self.path.stat().st_size,
            "created_at": int(self.created_at_s),
            **expires_at,
            "status": "processed",
            "status_details": None,
        }
